"""Undoing a release, by the failing run itself or, after a SIGKILL, by the next run."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

from prefect import get_run_logger

from tasks import events
from tasks.errors import ConflictError, ReleaseError, TaskError
from tasks.release import kserve, record
from tasks.release.endpoint import version_at
from tasks.release.inference_service import trial_name, version_in
from tasks.release.kserve import STALE_SECONDS, Failing, wait
from tasks.release.record import Rollout, Settlement, Way
from tasks.release.status import (
    CANARY,
    Check,
    Service,
    has_no_traffic,
    is_ready,
    is_unroutable,
    latest_url,
    new_revision_at,
    newest_revision,
    rolled_out_revision,
    stable_url,
)
from tasks.sagemaker.registry import get_model, record_release
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
    rollout = record.claim(portfolio)
    if rollout is None:
        return None
    get_run_logger().warning("portfolio %s: an earlier release was interrupted; settling it first", portfolio)
    try:
        if url := _ended(rollout):
            _announce(rollout, url)
            record.forget(rollout)
            return Settlement("already finished", rollout.bundle_uri, finished=True)
        done = undo(rollout)
    except ConflictError:
        if foreign_change == "refuse":
            raise
        take_over = foreign_change == "take over"
        done = undo(rollout, expecting=lambda _: True) if take_over else "forgotten, and another writer's change kept"
    record.forget(rollout)
    return Settlement(done, rollout.bundle_uri)


def _ended(rollout: Rollout) -> str | None:
    """Do the last step of a release that has passed all others, and return its URL; None if it has not, or that fails.

    Raises:
        ConflictError: another writer has changed the spec.
    """
    service = kserve.read(rollout.service)
    if not rollout.passed or service is None or not rollout.is_challengers(service["spec"]["predictor"]):
        return None
    try:
        return _end(rollout)
    except ConflictError:
        raise
    except ReleaseError as error:
        get_run_logger().warning("%s: it passed every step and cannot be ended: %s", rollout.service, error)
        return None


def _end(rollout: Rollout) -> str | None:
    kserve.change(rollout.service, {CANARY: None}, expecting=rollout.is_challengers)
    known = {rollout.previous_revision}
    failing = Failing(known, rollout.complaint)
    what = "all traffic on the new revision"
    return stable_url(wait(rollout.service, new_revision_at(known, 100), what, failing=failing))


def _announce(rollout: Rollout, url: str) -> None:
    """Do what the dead run could not any more: record the release, and tell."""
    if rollout.version:
        record_release.fn(get_model.fn(rollout.portfolio, rollout.version))
        events.announce(events.ModelReleased(portfolio=rollout.portfolio, version=rollout.version, url=url))


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
    except TaskError as error:
        again = "" if isinstance(error, ConflictError) else ". The next run of the portfolio tries again"
        raise type(error)(f"{reason}; undoing that failed as well: {error}{again}") from error


@step
def roll_back(rollout: Rollout) -> None:
    """Restore the champion; a failed first release is removed, because nothing served before it."""
    get_run_logger().warning("%s: rolling back", rollout.service)
    rollout = record.save(rollout, passed=False)  # a run that goes on after a crash must undo it, and not end it
    undo(rollout)
    record.forget(rollout)


@step
def give_up(portfolio: str) -> str:
    """Forget an interrupted release that somebody else has disturbed, and keep their change; return what was done."""
    return str(settle(portfolio, "give up") or "there is none")


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
    if rollout.way is not Way.CANARY:
        return _withdraw(rollout)
    service = kserve.standing(rollout.service, 0.0)
    if service is None:
        return "undone: somebody has deleted the service"
    return _Undoing(rollout, expecting or rollout.is_ours).run(service["spec"]["predictor"])


def _withdraw(rollout: Rollout) -> str:
    """Remove a first release, or its trial. A broken service that was to be replaced has nothing to go back to."""
    service = kserve.read(rollout.service)
    done = "undone"
    if service is not None and rollout.is_challengers(service["spec"]["predictor"]):
        if rollout.way is Way.FIRST:
            kserve.delete(rollout.service)
        else:
            done = "left in place of a broken one, because it passed its tests"
    kserve.delete(trial_name(rollout.portfolio))
    return done


class _Undoing:
    """One attempt to undo a release beside a champion.

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
        self._failing = Failing({rollout.previous_revision}, rollout.complaint)

    def run(self, spec: Spec) -> str:
        """Undo it; `spec` is what the service has now."""
        rollout = self._rollout
        if rollout.is_champions(spec) and CANARY not in spec:
            return "undone"
        restoring = rollout.is_champions(spec) and (rollout.challenger is None or not rollout.is_challengers(spec))
        taken = restoring or self._shift_back()
        if not taken and CANARY not in (rollout.champion or {}):
            return self._withdraw_spec()
        if rollout.broken:
            get_run_logger().warning("%s: what served before was broken and is not restored", self._name)
            return f"undone, but its spec is not restored, because it was broken before ({rollout.broken})"
        return self._restore()

    def _shift_back(self) -> bool:
        """Give the traffic back to the revision that still runs; return whether the cluster took the challenger."""
        rollout = self._rollout
        kserve.change(self._name, {CANARY: 0}, expecting=self._expecting, wanted=self._wanted())
        off = has_no_traffic(rollout.previous_revision)
        reached: Check = lambda s: off(s) or is_unroutable(s) or self._is_refused(s)  # noqa: E731
        service = wait(self._name, reached, "no traffic on the challenger")
        newest = newest_revision(service)
        if newest == rollout.previous_revision:
            return not self._is_refused(service)
        self._rollout = record.save(rollout, challenger_revision=newest)
        return True

    def _is_refused(self, service: Service) -> bool:
        """Return whether the challenger's spec never became a revision, and never will."""
        unchanged = newest_revision(service) == self._rollout.previous_revision
        return bool(self._failing.refused(service, finally_=True)) and unchanged

    def _withdraw_spec(self) -> str:
        """Bring back the spec of a champion that never lost its revision, because the cluster refused the challenger's.

        Without a canary field: 0 % of the only revision would send KServe back to the one before it. There is nothing
        to wait for: the cluster may go on refusing, for example while a feature is off that both specs need.
        """
        kserve.change(
            self._name,
            self._champion(kserve.existing(self._name), None),
            expecting=self._expecting,
            wanted=self._wanted(),
            still=self._is_refused,
        )
        return "undone"

    def _restore(self) -> str:
        """Bring the champion's spec back as a revision of its own, with no traffic until it is ready."""
        found = kserve.existing(self._name)
        share = self._first_share(found)
        patch = self._champion(found, share)
        kserve.change(self._name, patch, expecting=self._expecting, wanted=self._wanted())
        self._wait(share, "the champion's spec ready")
        if share == 0:
            self._give({CANARY: 100})
            self._wait(100, "all traffic on the champion")
        self._give({CANARY: None})
        return "undone"

    def _give(self, patch: Spec) -> None:
        """Change the share, of the champion's spec only: another run may have begun another release."""
        kserve.change(self._name, patch, expecting=self._rollout.is_champions, wanted=self._wanted())

    def _wanted(self) -> list[Spec]:
        return [spec for spec in (self._rollout.champion, self._rollout.challenger) if spec]

    def _champion(self, found: Service, share: int | None) -> Spec:
        """Return a patch to the champion's spec; it sets to null what only the spec in the cluster has."""
        patch: Spec = kserve.replacement(found["spec"]["predictor"], self._rollout.champion or {})
        return {**patch, CANARY: share}

    def _first_share(self, service: Service) -> int:
        """Return the champion's share to begin with.

        Knative moves no traffic while a revision that should have some is not ready. If that is the challenger, and it
        has had everything, there is no revision to fall back on before the champion's is ready.
        """
        dead = is_unroutable(service) and rolled_out_revision(service) == self._rollout.challenger_revision
        return 100 if dead else 0

    def _wait(self, share: int, what: str) -> None:
        """Wait for the champion's new revision to be ready, to have the share, and to answer as the champion."""
        fresh = new_revision_at({self._rollout.previous_revision, self._rollout.challenger_revision}, share)
        same = self._unchanged()
        wait(self._name, lambda s: (fresh(s) or same(s)) and self._answers(s), what)

    def _unchanged(self) -> Check:
        """Return a check that the champion's own revision is still the newest, for records of older releases.

        They did not wait for the challenger's revision, so there may be none; the state must stand for a while.
        """
        stands = kserve.Standing(STALE_SECONDS)
        old, known = self._rollout.challenger is None, self._rollout.previous_revision
        return lambda s: old and stands(newest_revision(s) == known and is_ready(s))

    def _answers(self, service: Service) -> bool:
        """Return whether the newest revision is the champion's, as its server says."""
        version = version_in(self._rollout.champion or {})
        return version is None or version_at(latest_url(service)) == version
