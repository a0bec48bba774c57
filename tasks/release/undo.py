"""Undoing a release, by the failing run itself or, after a SIGKILL, by the next run."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

from prefect import get_run_logger

from tasks import events
from tasks.errors import ConflictError, ReleaseError
from tasks.release import kserve, record
from tasks.release.endpoint import version_at
from tasks.release.inference_service import trial_name, version_in
from tasks.release.kserve import Failing, wait
from tasks.release.record import Rollout, Settlement, Way
from tasks.release.status import (
    CANARY,
    Check,
    Service,
    has_no_traffic,
    is_final,
    is_unroutable,
    latest_url,
    new_revision_at,
    newest_revision,
    refusal,
    rolled_out_revision,
)
from tasks.steps import step

Spec = dict[str, Any]
# What to do about a change that somebody else has made to the service in mid-release.
ForeignChange = Literal["refuse", "take over", "give up"]


def settle(portfolio: str, foreign_change: ForeignChange = "refuse") -> Settlement | None:
    """Undo an interrupted release; if it had passed every step, end it.

    Args:
        portfolio: name of the contract.
        foreign_change: what to do if somebody else has changed the service since.

    Returns:
        How it was settled, None if there was none.

    Raises:
        ReleaseError: that release is still under way.
        ConflictError: somebody else has changed the service, and `foreign_change` is `refuse`.
    """
    rollout = record.load(portfolio)
    if rollout is None:
        return None
    record.require_dead(rollout)
    get_run_logger().warning("portfolio %s: an earlier release was interrupted; settling it first", portfolio)
    try:
        done = _ended(rollout) or undo(rollout)
    except ConflictError:
        if foreign_change == "refuse":
            raise
        take_over = foreign_change == "take over"
        done = undo(rollout, expecting=lambda _: True) if take_over else "forgotten, and another writer's change kept"
    record.forget(portfolio)
    return Settlement(done, rollout.bundle_uri)


def _ended(rollout: Rollout) -> str | None:
    """Do the last step of a release that has passed all others; None if it has not, or if that fails."""
    if not _has_passed(rollout):
        return None
    try:
        return _end(rollout)
    except ConflictError:
        raise
    except ReleaseError as error:
        get_run_logger().warning("%s: it passed every step and cannot be ended: %s", rollout.service, error)
        return None


def _has_passed(rollout: Rollout) -> bool:
    """Return whether the spec is the challenger's and it has passed every step."""
    service = kserve.read(rollout.service)
    return rollout.passed and service is not None and rollout.is_challengers(service["spec"]["predictor"])


def _end(rollout: Rollout) -> str:
    """Do the last step of a release that has passed all others."""
    kserve.delete(trial_name(rollout.portfolio))
    kserve.change(rollout.service, {CANARY: None}, expecting=rollout.is_challengers)
    known = {rollout.previous_revision}
    reached = new_revision_at(known, 100)
    failing = Failing(known, rollout.complaint)
    wait(rollout.service, reached, "all traffic on the new revision", failing=failing, seconds=rollout.ready_seconds)
    return "already finished"


@contextmanager
def undone_on_failure(rollout: Rollout) -> Iterator[None]:
    """Roll back on any failure, time-out, cancellation or SIGTERM; after a SIGKILL the next run finds the record."""
    try:
        yield
    except BaseException as error:
        reason = str(error) or type(error).__name__
        _roll_back_after(rollout, reason)
        failed = {"version": rollout.version, "bundle_uri": rollout.bundle_uri, "reason": reason}
        events.announce(events.ReleaseRolledBack(portfolio=rollout.portfolio, **failed))
        raise


def _roll_back_after(rollout: Rollout, reason: str) -> None:
    try:
        roll_back(rollout)
    except ReleaseError as error:
        text = f"{reason}; undoing that failed as well: {error}. The next run of the portfolio tries again"
        raise type(error)(text) from error


@step
def roll_back(rollout: Rollout) -> None:
    """Restore the champion; a failed first release is removed, because nothing served before it."""
    get_run_logger().warning("%s: rolling back", rollout.service)
    undo(rollout)
    record.forget(rollout.portfolio)


def undo(rollout: Rollout, *, expecting: Callable[[Spec], bool] | None = None) -> str:
    """Undo a release. Safe to repeat.

    Args:
        rollout: the release.
        expecting: check of the spec found, if it may be another than the champion's and the release's.

    Returns:
        What was done, for people.

    Raises:
        ReleaseError: the champion does not come back in time.
        ConflictError: another writer has changed the spec.
    """
    kserve.delete(trial_name(rollout.portfolio))
    undoing = _Undoing(rollout, expecting or rollout.is_ours)
    return undoing.run() if rollout.way is Way.CANARY else undoing.withdraw()


class _Undoing:
    """One attempt to undo a release.

    The order keeps every untested revision off the traffic, and gives it back as soon as possible: 0 % on the
    challenger, which goes to the revision that still runs; the champion's spec at 0 %; all traffic; no canary field.
    Each step waits for the status of its own change, told by revision names, because KServe may lag behind: if the
    field went while a status of an earlier state stands, Knative would give everything to the revision that becomes
    ready first.
    """

    def __init__(self, rollout: Rollout, expecting: Callable[[Spec], bool]) -> None:
        self._rollout = rollout
        self._name = rollout.service
        self._expecting = expecting

    def withdraw(self) -> str:
        """Remove a first release. A broken service that was to be replaced has nothing to go back to."""
        service = kserve.read(self._name)
        if service is None or not self._rollout.is_challengers(service["spec"]["predictor"]):
            return "undone"
        if self._rollout.way is Way.FIRST:
            kserve.delete(self._name)
            return "undone"
        return "left in place of a broken one, because it passed its tests"

    def run(self) -> str:
        """Undo a release beside a champion."""
        spec = kserve.existing(self._name)["spec"]["predictor"]
        if self._rollout.is_champions(spec) and CANARY not in spec:
            return "undone"
        restoring = self._rollout.is_champions(spec) and not self._rollout.is_challengers(spec)
        taken = restoring or self._shift_back()
        if self._rollout.broken:
            get_run_logger().warning("%s: what served before was broken and is not restored", self._name)
            return f"undone, but its spec is not restored, because it was broken before ({self._rollout.broken})"
        return self._restore() if taken else self._withdraw_spec()

    def _shift_back(self) -> bool:
        """Give the traffic back to the revision that still runs; return whether the cluster took the challenger."""
        rollout = self._rollout
        kserve.change(self._name, {CANARY: 0}, expecting=self._expecting, wanted=rollout.champion)
        off = has_no_traffic(rollout.previous_revision)
        reached: Check = lambda s: off(s) or is_unroutable(s) or self._is_refused(s)  # noqa: E731
        service = wait(self._name, reached, "no traffic on the challenger", seconds=rollout.ready_seconds)
        newest = newest_revision(service)
        if newest == rollout.previous_revision:
            return not self._is_refused(service)
        self._rollout = record.save(rollout, challenger_revision=newest)
        return True

    def _is_refused(self, service: Service) -> bool:
        refused = refusal(service)
        return is_final(refused) and refused != self._rollout.complaint

    def _withdraw_spec(self) -> str:
        """Bring back the spec of a champion that never lost its revision, because the cluster refused the challenger's.

        Without a canary field: 0 % of the only revision would send KServe back to the one before it. There is nothing
        to wait for: the cluster may go on refusing, for example while a feature is off that both specs need.
        """
        self._change(self._champion(None))
        return "undone"

    def _restore(self) -> str:
        """Bring the champion's spec back as a revision of its own, with no traffic until it is ready."""
        share = self._first_share(kserve.existing(self._name))
        self._change(self._champion(share))
        self._wait(share, "the champion's spec ready")
        if share == 0:
            self._change({CANARY: 100})
            self._wait(100, "all traffic on the champion")
        self._change({CANARY: None})
        return "undone"

    def _champion(self, share: int | None) -> Spec:
        """Return a patch to the champion's spec; it sets to null what only the spec in the cluster has."""
        spec = kserve.existing(self._name)["spec"]["predictor"]
        return {**dict.fromkeys(spec), **(self._rollout.champion or {}), CANARY: share}

    def _first_share(self, service: Service) -> int:
        """Return the champion's share to begin with.

        Knative moves no traffic while a revision that should have some is not ready. If that is the challenger, and it
        has had everything, there is no revision to fall back on before the champion's is ready.
        """
        dead = is_unroutable(service) and rolled_out_revision(service) == self._rollout.challenger_revision
        return 100 if dead else 0

    def _change(self, patch: Spec) -> None:
        kserve.change(self._name, patch, expecting=self._expecting, wanted=self._rollout.champion)

    def _wait(self, share: int, what: str) -> None:
        """Wait for the champion's new revision to be ready, to have the share, and to answer as the champion."""
        fresh = new_revision_at({self._rollout.previous_revision, self._rollout.challenger_revision}, share)
        wait(self._name, lambda s: fresh(s) and self._answers(s), what)

    def _answers(self, service: Service) -> bool:
        """Return whether the newest revision is the champion's, as its server says."""
        version = version_in(self._rollout.champion or {})
        return version is None or version_at(latest_url(service)) == version
