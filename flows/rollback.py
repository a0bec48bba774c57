"""The rollback flow: withdraws the serving model and gives all traffic back to the one before it."""

from typing import Annotated

from prefect import flow, get_run_logger, runtime

from flows.portfolio import Portfolio, shown
from flows.release import Foreign, ReleaseOutcome
from tasks import events
from tasks.release.limits import ReleaseLimits
from tasks.release.record import Rollout, Way
from tasks.release.rollback import Withdrawal, settle_dead_release, withdraw
from tasks.release.rollout import begin, deploy_at_zero, finish, go_live, shift_traffic, try_out
from tasks.release.smoke import smoke_test
from tasks.release.undo import undone_on_failure
from tasks.sagemaker.registry import RegisteredModel, record_release

Reason = Annotated[str, shown("Reason", max_length=256)]


def run_name() -> str:
    """Return `rollback case`."""
    return f"rollback {runtime.flow_run.parameters['portfolio']}"


@flow(name="rollback", flow_run_name=run_name)
def rollback(portfolio: Portfolio, reason: Reason = "", foreign_change: Foreign = "refuse") -> ReleaseOutcome | None:
    """Go back to the model that served before, in one run.

    It starts at 0 % and is smoke-tested like any other model. Then it takes all the traffic at once: it has served all
    of it before, and smaller steps would leave applicants with the withdrawn model. If a release has died half-way,
    undoing that release is the whole rollback.

    Args:
        portfolio: Name of the contract.
        reason: Reason for the registry and the event.
        foreign_change: What to do if somebody else has changed the service in the middle of an earlier release, as in
            the release flow.
    """
    if undone := settle_dead_release(portfolio, foreign_change):
        get_run_logger().info("settled a release that had died half-way: %s", undone)
        return None
    if foreign_change == "give up":
        return None
    swap = withdraw(portfolio, reason)
    rollout = begin(swap.good, None, foreign_change)
    url = None
    if rollout is not None:
        with undone_on_failure(rollout):
            url = _roll_out(rollout, swap.good)
    record_release(swap.good)
    _announce(swap, reason, url)
    return ReleaseOutcome(portfolio=portfolio, model_version=swap.good.version, url=url, changed=rollout is not None)


def _roll_out(rollout: Rollout, good: RegisteredModel) -> str:
    if rollout.way is Way.CANARY:
        smoke_test(deploy_at_zero(rollout, good), good, ReleaseLimits())
        shift_traffic(rollout, 100)
    else:
        smoke_test(try_out(rollout, good), good, ReleaseLimits())
        go_live(rollout, good)
    return finish(rollout)


def _announce(swap: Withdrawal, reason: str, url: str | None) -> None:
    taken = {"version": swap.bad.version, "bundle_uri": swap.bad.bundle_uri, "reason": reason or "rolled back by hand"}
    events.announce(events.ReleaseRolledBack(portfolio=swap.bad.portfolio, **taken))
    events.announce(events.ModelReleased(portfolio=swap.good.portfolio, version=swap.good.version, url=url))
