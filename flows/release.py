"""The release flow: an approved model takes the endpoint over step by step, or the champion stays."""

from collections.abc import Iterator
from contextlib import contextmanager

from prefect import flow, get_run_logger
from pydantic import BaseModel

from flows.portfolio import Portfolio
from tasks import events
from tasks.errors import ReleaseError
from tasks.registry import RegisteredModel, get_model, record_release
from tasks.rollout import Rollout, begin, deploy_at_zero, finish, roll_back, shift_traffic
from tasks.smoke import smoke_test

STEPS = [10, 50, 100]


class ReleaseOutcome(BaseModel, frozen=True):
    """What serves after a release, and where."""

    portfolio: str
    model_version: str
    url: str | None
    changed: bool


@flow(name="release", flow_run_name="release {portfolio} {version}")
def release(portfolio: Portfolio, version: str, steps: list[int] = STEPS) -> ReleaseOutcome:
    """Release a registered, approved model version to KServe.

    Args:
        portfolio: Which contract.
        version: Model version (the bundle's digest).
        steps: Percent of traffic at each step; the last is 100.
    """
    model = get_model(portfolio, version)
    if model.status != "Approved":
        raise ReleaseError(
            f"model {version} of {portfolio} is {model.status}, not Approved; approve it in the registry first"
        )
    if not steps or steps[-1] != 100 or steps != sorted(set(steps)):
        raise ReleaseError(f"steps {steps} must rise and end with 100")
    rollout = begin(model)
    if rollout is None:
        get_run_logger().info("%s serves already", version)
        if model.released_at is None:
            record_release(model)
        return ReleaseOutcome(portfolio=portfolio, model_version=version, url=None, changed=False)
    with _undone_on_failure(rollout):
        url = _roll_out(rollout, model, steps)
    record_release(model)
    events.announce(events.RELEASED, portfolio, {"version": version, "url": url})
    return ReleaseOutcome(portfolio=portfolio, model_version=version, url=url, changed=True)


def _roll_out(rollout: Rollout, model: RegisteredModel, steps: list[int]) -> str:
    smoke_test(deploy_at_zero(rollout, model), model)
    if rollout.champion is not None:
        for percent in steps:
            shift_traffic(rollout, percent)
    return finish(rollout)


@contextmanager
def _undone_on_failure(rollout: Rollout) -> Iterator[None]:
    """Roll back on any failure, time-out, cancel or SIGTERM; after a SIGKILL the next run finds the recorded intent."""
    try:
        yield
    except BaseException as error:
        roll_back(rollout)
        events.announce(
            events.ROLLED_BACK,
            rollout.portfolio,
            {"bundle_uri": rollout.bundle_uri, "reason": str(error) or type(error).__name__},
        )
        raise
