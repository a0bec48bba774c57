"""The steps of a release and its undoing, by the failing run itself or, after a SIGKILL, by the next run."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from prefect import get_run_logger
from pydantic import BaseModel

from tasks import events, layout, s3
from tasks.errors import ReleaseError
from tasks.release import kserve
from tasks.release.inference_service import inference_service, predictor, served, service_name
from tasks.release.kserve import Service, new_revision_at, wait
from tasks.run import context
from tasks.sagemaker.registry import RegisteredModel
from tasks.steps import step

CANARY = "canaryTrafficPercent"
Check = Callable[[Service], bool]


class Rollout(BaseModel, frozen=True):
    """A release under way.

    Attributes:
        portfolio: Name of the contract.
        service: Name of the InferenceService.
        bundle_uri: Bundle to release.
        champion: Predictor spec that it replaces, None for a first release.
        previous_revision: Newest revision before the release.
        undone_revision: Newest revision when undoing began, None before that.
        version: Model version to release.
        flow_run: Id of the releasing flow run; while it is alive, no other run touches the service.
        ready_seconds: Longest wait for a revision, None for the setting.
    """

    portfolio: str
    service: str
    bundle_uri: str
    champion: dict[str, Any] | None
    previous_revision: str | None
    undone_revision: str | None = None
    version: str = ""
    flow_run: str = ""
    ready_seconds: float | None = None


class Settlement(NamedTuple):
    """How an interrupted release was settled: it was undone, or it had already finished."""

    undone: bool
    bundle_uri: str

    def __str__(self) -> str:
        """Return a phrase for people."""
        return f"{'undone' if self.undone else 'already finished'}: {self.bundle_uri}"


@step
def begin(model: RegisteredModel, ready_seconds: float | None = None) -> Rollout | None:
    """Settle a dead release, then record what this one is about to do.

    Args:
        model: Model to release.
        ready_seconds: Longest wait for a revision, None for the setting.

    Returns:
        The rollout, or None if this image and bundle already have all the traffic.

    Raises:
        ReleaseError: another release of the portfolio is under way.
    """
    name = service_name(model.portfolio)
    settle(model.portfolio)
    service = kserve.read(name)
    champion = None
    if service is not None:
        kserve.require_knative(service, name)
        champion = service["spec"]["predictor"]
        if served(champion) == served(predictor(model)):
            return None
    rollout = Rollout(
        portfolio=model.portfolio,
        service=name,
        bundle_uri=model.bundle_uri,
        champion=champion,
        previous_revision=_newest_revision(service),
        version=model.version,
        flow_run=context.current(),
        ready_seconds=ready_seconds,
    )
    # In S3 and not in an annotation: KServe copies annotations to the revision, so that changing one makes a new one.
    if not s3.create_json(layout.release(model.portfolio), rollout.model_dump()):
        raise ReleaseError(f"another release of {model.portfolio} has just begun; run this one after it")
    return rollout


def _newest_revision(service: Service | None) -> str | None:
    return kserve.predictor_status(service).get("latestCreatedRevision") if service else None


def settle(portfolio: str) -> Settlement | None:
    """Undo an interrupted release; if it had finished, only remove its record.

    Returns:
        How it was settled, None if there was none.

    Raises:
        ReleaseError: that release is still under way.
    """
    recorded = s3.read_json(layout.release(portfolio))
    if recorded is None:
        return None
    rollout = Rollout.model_validate(recorded)
    _require_dead(rollout)
    get_run_logger().warning("portfolio %s: an earlier release was interrupted; settling it first", portfolio)
    service = kserve.read(rollout.service)
    finished = service is None or _has_finished(rollout, service["spec"]["predictor"])
    if not finished:
        undo(rollout)
    s3.delete([layout.release(portfolio)])
    return Settlement(undone=not finished, bundle_uri=rollout.bundle_uri)


def _require_dead(rollout: Rollout) -> None:
    """Refuse to touch a release of a live run; a record without a run, or of this run, may be settled."""
    if rollout.flow_run in ("", context.current()) or context.is_over(rollout.flow_run):
        return
    raise ReleaseError(
        f"flow run {rollout.flow_run} is releasing {rollout.bundle_uri} for {rollout.portfolio}; wait for it to end or "
        "cancel it, then run this again (if that run died unnoticed, set its state to Crashed in Prefect)"
    )


def _has_finished(rollout: Rollout, spec: dict[str, Any]) -> bool:
    return rollout.champion is not None and served(spec).bundle_uri == rollout.bundle_uri and CANARY not in spec


def _is_ours(rollout: Rollout) -> Callable[[dict[str, Any]], bool]:
    """Return a check that a predictor spec is either the champion's or the release's."""
    ours = {rollout.bundle_uri, served(rollout.champion or {}).bundle_uri}
    return lambda spec: served(spec).bundle_uri in ours


@step
def deploy_at_zero(rollout: Rollout, model: RegisteredModel) -> str:
    """Start the new revision without traffic, or with all of it in a first release; return the URL that reaches it."""
    name, champion = rollout.service, rollout.champion
    if champion is None:
        kserve.create(inference_service(model))
        found = _reached(rollout, new_revision_at(None, 100), "the first revision ready")
    else:
        new = {**dict.fromkeys(champion), **predictor(model), CANARY: 0}
        kserve.change(name, new, expecting=lambda spec: served(spec) == served(champion))
        ready = new_revision_at(rollout.previous_revision, 0)
        found = _reached(rollout, ready, "the new revision ready at 0 %")
    return kserve.latest_url(found)


def _reached(rollout: Rollout, check: Check, what: str) -> Service:
    return wait(rollout.service, check, what, seconds=rollout.ready_seconds)


@step
def shift_traffic(rollout: Rollout, percent: int) -> str:
    """Give the new revision `percent` of the traffic and wait until it has it; return the stable URL."""
    kserve.change(rollout.service, {CANARY: percent}, expecting=_brings(rollout))
    reached = new_revision_at(rollout.previous_revision, percent)
    service = _reached(rollout, reached, f"{percent} % on the new revision")
    get_run_logger().info("%s: %d %% of the traffic on %s", rollout.service, percent, rollout.bundle_uri)
    return str(service["status"]["url"])


def _brings(rollout: Rollout) -> Callable[[dict[str, Any]], bool]:
    return lambda spec: served(spec).bundle_uri == rollout.bundle_uri


@step
def finish(rollout: Rollout) -> str:
    """Drop the canary field and delete the release's record; return the stable URL."""
    if rollout.champion is not None:
        kserve.change(rollout.service, {CANARY: None}, expecting=_brings(rollout))
    reached = new_revision_at(rollout.previous_revision, 100)
    service = _reached(rollout, reached, "all traffic on the new revision")
    s3.delete([layout.release(rollout.portfolio)])
    return str(service["status"]["url"])


@contextmanager
def undone_on_failure(rollout: Rollout) -> Iterator[None]:
    """Roll back on any failure, time-out, cancellation or SIGTERM; after a SIGKILL the next run finds the record."""
    try:
        yield
    except BaseException as error:
        roll_back(rollout)
        reason = str(error) or type(error).__name__
        failed = {"version": rollout.version, "bundle_uri": rollout.bundle_uri, "reason": reason}
        events.announce(events.ReleaseRolledBack(portfolio=rollout.portfolio, **failed))
        raise


@step
def roll_back(rollout: Rollout) -> None:
    """Restore the champion; a failed first release is removed, because nothing served before it."""
    get_run_logger().warning("%s: rolling back", rollout.service)
    undo(rollout)
    s3.delete([layout.release(rollout.portfolio)])


def undo(rollout: Rollout) -> None:
    """Undo a release in the safe order: 0 %, the champion's spec at 0 %, wait, drop the canary field.

    The spec never names the new model without a percentage. Safe to repeat.

    Raises:
        ReleaseError: the champion does not come back in time, or another writer has changed the spec.
    """
    name, champion = rollout.service, rollout.champion
    if champion is None:
        kserve.delete(name)
        return
    spec = (kserve.read(name) or {}).get("spec", {}).get("predictor", {})
    if served(spec) == served(champion) and CANARY not in spec:
        return
    service = kserve.change(name, {CANARY: 0}, expecting=_is_ours(rollout))
    undone = rollout.undone_revision or _newest_revision(service)
    s3.write_json(layout.release(rollout.portfolio), {**rollout.model_dump(), "undone_revision": undone})
    # A merge patch keeps fields that it does not name, so fields that only the new spec has are set to null.
    kserve.change(name, {**dict.fromkeys(spec), **champion, CANARY: 0}, expecting=_is_ours(rollout))
    # If the new spec never became a revision, the champion's own is still the newest and has all the traffic.
    back = _either(new_revision_at(undone, 0), _is_newest_with_all(rollout.previous_revision))
    wait(name, back, "the champion's spec ready at 0 %", patient=True)
    kserve.change(name, {CANARY: None}, expecting=_is_ours(rollout))
    done = _either(new_revision_at(undone, 100), _is_newest_with_all(rollout.previous_revision))
    wait(name, done, "all traffic on the champion", patient=True)


def _either(one: Check, other: Check) -> Check:
    return lambda service: one(service) or other(service)


def _is_newest_with_all(revision: str | None) -> Check:
    return lambda service: _newest_revision(service) == revision and kserve.traffic(service) == {revision: 100}
