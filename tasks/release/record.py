"""The record of a release under way, in S3: what it replaces, what it has done, and whose it is."""

import time
from enum import StrEnum
from typing import Any, NamedTuple

from pydantic import BaseModel

from tasks import layout, s3
from tasks.errors import ReleaseError
from tasks.release.inference_service import served
from tasks.run import context
from tasks.settings import settings


class Way(StrEnum):
    """How a model gets to the endpoint."""

    # Beside the revision that serves, and then step by step.
    CANARY = "canary"
    # Nothing serves. The first revision has all the traffic at once, so the model is tested in a service of its own.
    FIRST = "first"
    # A service whose revision is broken: Knative moves no traffic before a newer one is ready. Tested like a first one.
    REPLACEMENT = "replacement"


class Rollout(BaseModel, frozen=True):
    """A release under way.

    Attributes:
        portfolio: Name of the contract.
        service: Name of the InferenceService.
        bundle_uri: Bundle to release.
        champion: Predictor spec that it replaces, None for a first release.
        previous_revision: Newest revision before the release.
        serving_revision: Revision with all the traffic before the release, None if there was none.
        challenger: Predictor spec to release; None in records of older releases.
        challenger_revision: Its revision, known when undoing begins; None before.
        way: How the model gets to the endpoint.
        broken: What was wrong with the champion before; empty if nothing was. A broken champion is not restored.
        complaint: What the status said against the spec before the release.
        passed: Whether the model has passed every step.
        version: Model version to release.
        flow_run: Id of the releasing flow run; while it is alive, no other run touches the service.
        ready_seconds: Longest wait for a revision, None for the setting.
        ends_by: When the release must have ended, in seconds since the epoch; None for no limit.
    """

    portfolio: str
    service: str
    bundle_uri: str
    champion: dict[str, Any] | None
    previous_revision: str | None
    serving_revision: str | None = None
    challenger: dict[str, Any] | None = None
    challenger_revision: str | None = None
    way: Way = Way.CANARY
    broken: str = ""
    complaint: str = ""
    passed: bool = False
    version: str = ""
    flow_run: str = ""
    ready_seconds: float | None = None
    ends_by: float | None = None

    def wait_seconds(self) -> float:
        """Return the longest wait for the next state.

        Raises:
            ReleaseError: the time for the whole release is up.
        """
        longest = settings().ready_timeout_seconds if self.ready_seconds is None else self.ready_seconds
        left = longest if self.ends_by is None else self.ends_by - time.time()
        if left <= 0:
            raise ReleaseError(
                f"{self.service}: the release has taken longer than its steps, dwell_seconds and ready_seconds allow"
            )
        return min(longest, left)

    def is_champions(self, spec: dict[str, Any]) -> bool:
        """Return whether a predictor spec serves what the champion's does."""
        return self.champion is not None and served(spec) == served(self.champion)

    def is_challengers(self, spec: dict[str, Any]) -> bool:
        """Return whether a predictor spec serves what is under release."""
        if self.challenger is None:
            return served(spec).bundle_uri == self.bundle_uri
        return served(spec) == served(self.challenger)

    def is_ours(self, spec: dict[str, Any]) -> bool:
        """Return whether a predictor spec is either the champion's or the release's."""
        return self.is_champions(spec) or self.is_challengers(spec)


class Settlement(NamedTuple):
    """How an interrupted release was settled.

    Attributes:
        done: What was done, for people.
        bundle_uri: The bundle that was under release.
        finished: Whether it had passed every step, and was ended instead of undone.
    """

    done: str
    bundle_uri: str
    finished: bool = False

    def __str__(self) -> str:
        """Return a phrase for people."""
        return f"{self.done}: {self.bundle_uri}"


def load(portfolio: str) -> Rollout | None:
    """Return the record of a portfolio's release, None if there is none."""
    found = _tagged(portfolio)
    return found[0] if found else None


def _tagged(portfolio: str) -> tuple[Rollout, str] | None:
    found = s3.read_tagged(layout.release(portfolio))
    if found is None:
        return None
    recorded, tag = found
    # Records of the version before this one.
    old = {"challenger_revision": recorded["undone_revision"]} if recorded.get("undone_revision") else {}
    way = {"way": Way.FIRST} if recorded["champion"] is None else {}
    return Rollout.model_validate({**way, **old, **recorded}), tag


def claim(portfolio: str) -> Rollout | None:
    """Make the record of a dead run this run's own, so that no other run settles it as well.

    Returns:
        The record, None if there is none.

    Raises:
        ReleaseError: the run that it belongs to is alive, or another run has just claimed it.
    """
    found = _tagged(portfolio)
    if found is None:
        return None
    rollout, tag = found
    _require_dead(rollout)
    claimed = rollout.model_copy(update={"flow_run": context.current()})
    if not s3.replace_json(layout.release(portfolio), claimed.model_dump(mode="json"), tag):
        raise ReleaseError(f"another run has just begun to settle the release of {portfolio}; run this one after it")
    return claimed


def save(rollout: Rollout, **changes: Any) -> Rollout:  # noqa: ANN401 - fields of the record
    """Write changes of the record and return it.

    Raises:
        ReleaseError: the record is no longer this run's.
    """
    found, changed = _tagged(rollout.portfolio), rollout.model_copy(update=changes)
    mine = found is not None and found[0].flow_run == rollout.flow_run
    uri = layout.release(rollout.portfolio)
    if not (mine and found and s3.replace_json(uri, changed.model_dump(mode="json"), found[1])):
        raise ReleaseError(_LOST.format(portfolio=rollout.portfolio))
    return changed


_LOST = (
    "the record of the release of {portfolio} is no longer this run's: another run has settled it, because this run "
    "counted as ended. This run leaves the service as it is"
)


def require_own(rollout: Rollout) -> None:
    """Refuse to go on with a release that another run has settled.

    Raises:
        ReleaseError: the record is gone, or another run's.
    """
    found = load(rollout.portfolio)
    if found is None or found.flow_run != rollout.flow_run:
        raise ReleaseError(_LOST.format(portfolio=rollout.portfolio))


def create(rollout: Rollout) -> None:
    """Write the record, unless there is one.

    In S3 and not in an annotation: KServe copies annotations to the revision, so that changing one makes a new one.

    Raises:
        ReleaseError: another release has just begun.
    """
    if s3.create_json(layout.release(rollout.portfolio), rollout.model_dump(mode="json")):
        return
    found = load(rollout.portfolio)  # the answer to one's own write may have been lost
    if found is None or found.flow_run != rollout.flow_run or not rollout.flow_run:
        raise ReleaseError(f"another release of {rollout.portfolio} has just begun; run this one after it")


def forget(rollout: Rollout) -> None:
    """Delete the record: the release has ended, well or badly."""
    require_own(rollout)
    s3.delete([layout.release(rollout.portfolio)])


def _require_dead(rollout: Rollout) -> None:
    """Refuse to touch a release of a live run; a record without a run, or of this run, may be settled."""
    if rollout.flow_run in ("", context.current()):
        return
    if context.is_over(rollout.flow_run, s3.written(layout.release(rollout.portfolio))):
        return
    raise ReleaseError(
        f"flow run {rollout.flow_run} is releasing {rollout.bundle_uri} for {rollout.portfolio}, or settling that "
        "release; wait for it to end or cancel it, then run this again. If that run died unnoticed, set its state to "
        f"Crashed in Prefect. If Prefect no longer knows it, delete {layout.release(rollout.portfolio)}, or wait: the "
        f"first run that comes {context.RETENTION.days} days after the last change of that object settles it"
    )
