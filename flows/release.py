"""The release flow: moves the endpoint to an approved model step by step, or keeps the champion."""

from datetime import datetime
from itertools import pairwise
from typing import Annotated

from prefect import flow, get_run_logger, runtime
from pydantic import BaseModel

from flows.portfolio import Portfolio, shown
from tasks import events
from tasks.errors import ReleaseError
from tasks.release.approval import acted_upon, find_model
from tasks.release.canary import watch
from tasks.release.limits import ReleaseLimits
from tasks.release.record import Rollout, Way
from tasks.release.rollout import begin, deploy_at_zero, finish, go_live, shift_traffic, try_out
from tasks.release.shadow import shadow
from tasks.release.smoke import smoke_test
from tasks.release.token import require_lasting
from tasks.release.undo import ForeignChange, give_up, undone_on_failure
from tasks.sagemaker.registry import RegisteredModel, package_number, record_release

STEPS = [10, 50, 100]
Version = Annotated[str, shown("Model version or package", min_length=1)]
Steps = Annotated[list[int], shown("Percent of traffic, step by step", min_length=1)]
Limits = Annotated[ReleaseLimits | None, shown("Limits of the release")]
Foreign = Annotated[ForeignChange, shown("If somebody else has changed the service")]
ApprovedAt = Annotated[datetime | None, shown("Approved at")]


class ReleaseOutcome(BaseModel, frozen=True):
    """The model that serves after a release, and its URL."""

    portfolio: str
    model_version: str
    url: str | None
    changed: bool


def run_name() -> str:
    """Return `release case 3f1c…`, or `release case package 12` if the registry's event named the model."""
    given = runtime.flow_run.parameters
    version = str(given["version"])
    short = f"package {package_number(version)}" if version.startswith("arn:") else version
    return f"release {given['portfolio']} {short}"


@flow(name="release", flow_run_name=run_name)
def release(
    portfolio: Portfolio,
    version: Version,
    steps: Steps = STEPS,
    limits: Limits = None,
    *,
    approved_at: ApprovedAt = None,
    foreign_change: Foreign = "refuse",
) -> ReleaseOutcome:
    """Release a registered, approved model version to KServe.

    Args:
        portfolio: Name of the contract.
        version: Model version (the bundle's digest), or ARN of the model package.
        steps: Percent of traffic at each step; rising to 100.
        limits: Watch times and tolerances that differ from the defaults.
        approved_at: Time of the approval that started this run; if the model has been released since, nothing happens.
            Empty for a release by hand, which can also bring back an older model.
        foreign_change: What to do if somebody else has changed the service in the middle of an earlier release:
            `refuse` and show the change, `take over` and overwrite it, or `give up`: keep it, forget that release, and
            release nothing.
    """
    model = find_model(portfolio, version)
    if foreign_change == "give up":
        get_run_logger().info("earlier release: %s", give_up(portfolio))
        return ReleaseOutcome(portfolio=portfolio, model_version=model.version, url=None, changed=False)
    if acted_upon(model, approved_at):
        get_run_logger().info("%s has already been released since its approval: nothing to do", model.version)
        return ReleaseOutcome(portfolio=portfolio, model_version=model.version, url=None, changed=False)
    if model.status != "Approved":
        raise ReleaseError(
            f"model {model.version} of {portfolio} is {model.status}, not Approved; approve it in the registry first"
        )
    if not steps or steps[0] < 1 or steps[-1] != 100 or steps != sorted(set(steps)):
        raise ReleaseError(f"steps {steps} must rise from 1 or more and end with 100")
    limits = limits or ReleaseLimits()
    longest = limits.longest_seconds(steps)
    require_lasting(longest)
    rollout = begin(model, limits.ready_seconds, foreign_change, longest)
    if rollout is None:
        get_run_logger().info("%s already serves", model.version)
        if model.released_at is None:
            record_release(model)
        return ReleaseOutcome(portfolio=portfolio, model_version=model.version, url=None, changed=False)
    with undone_on_failure(rollout):
        url = _roll_out(rollout, model, steps, limits)
    record_release(model)
    events.announce(events.ModelReleased(portfolio=portfolio, version=model.version, url=url))
    return ReleaseOutcome(portfolio=portfolio, model_version=model.version, url=url, changed=True)


def _roll_out(rollout: Rollout, model: RegisteredModel, steps: list[int], limits: ReleaseLimits) -> str:
    if rollout.way is not Way.CANARY:
        smoke_test(try_out(rollout, model), model, limits)
        smoke_test(go_live(rollout, model), model, limits)
        return finish(rollout)
    smoke_test(deploy_at_zero(rollout, model), model, limits)
    shadow(rollout, model, limits)
    seen = None
    for before, percent in pairwise([0, *steps]):
        shift_traffic(rollout, percent, before)
        seen = watch(rollout, percent, limits, seen)
    return finish(rollout)
