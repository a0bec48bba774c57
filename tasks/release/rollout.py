"""The steps of a release."""

import time
from typing import Any

from prefect import get_run_logger

from tasks.errors import ConflictError, ReleaseError
from tasks.release import kserve, record
from tasks.release.inference_service import inference_service, predictor, served, service_name, trial_name
from tasks.release.kserve import Failing, wait
from tasks.release.record import Rollout, Way
from tasks.release.status import (
    CANARY,
    Check,
    Service,
    is_ready,
    is_unroutable,
    latest_url,
    new_revision_at,
    newest_revision,
    refusal,
    rolled_out_revision,
    summary,
    traffic,
)
from tasks.release.undo import ForeignChange, settle
from tasks.run import context
from tasks.sagemaker.registry import RegisteredModel
from tasks.settings import settings
from tasks.steps import step

Spec = dict[str, Any]
# How long a service may be between two states before it counts as broken.
HEALTH_SECONDS = 60.0


@step
def begin(
    model: RegisteredModel,
    ready_seconds: float | None = None,
    foreign_change: ForeignChange = "refuse",
    longest_seconds: float | None = None,
) -> Rollout | None:
    """Settle a dead release, then record what this one is about to do.

    Args:
        model: Model to release.
        ready_seconds: Longest wait for a revision, None for the setting.
        foreign_change: What to do about a change that somebody else has made to the service.
        longest_seconds: Longest time for the whole release, None for no limit.

    Returns:
        The rollout, or None if this image and bundle already have all the traffic.

    Raises:
        ReleaseError: another release of the portfolio is under way, or the model to release is what is broken.
        ConflictError: the service is as no release leaves it.
    """
    name = service_name(model.portfolio)
    settle(model.portfolio, foreign_change)
    service = kserve.standing(name, min(HEALTH_SECONDS, settings().ready_timeout_seconds))
    challenger: Spec = dict(predictor(model))
    about: dict[str, Any] = {
        "portfolio": model.portfolio,
        "service": name,
        "bundle_uri": model.bundle_uri,
        "challenger": challenger,
        "version": model.version,
        "flow_run": context.current(),
        "ready_seconds": ready_seconds,
        "ends_by": time.time() + longest_seconds if longest_seconds else None,
    }
    if service is None:
        rollout = Rollout(**about, champion=None, previous_revision=None, way=Way.FIRST)
    else:
        rollout = Rollout(**about, **_against(service, challenger, name, foreign_change))
        if rollout.is_champions(challenger) and not rollout.broken:
            return None
        _require_change(rollout)
    record.create(rollout)
    if rollout.broken:
        get_run_logger().warning("%s is broken (%s); releasing over it", name, rollout.broken)
    return rollout


def _against(service: Service, challenger: Spec, name: str, foreign_change: ForeignChange) -> dict[str, Any]:
    """Return what a release has to know about the service that it changes."""
    kserve.require_knative(service, name)
    champion = service["spec"]["predictor"]
    split = champion.get(CANARY) is not None
    if split and _shares_traffic(service) and foreign_change != "take over":
        raise ConflictError(
            f"{name} splits its traffic ({CANARY} {champion[CANARY]}; {summary(service)}), and no release is recorded. "
            "Somebody set that by hand, or deleted the record of a release. Run release with foreign_change = "
            f"'take over' to give everything to {rolled_out_revision(service)} first, or set the field to 0 yourself"
        )
    again = split and served(champion) == served(challenger)  # it makes no new revision: the one there is tested again
    broken = "" if is_ready(service) else summary(service)
    serving = rolled_out_revision(service) if split else _with_all(service)
    return {
        "champion": champion,
        "previous_revision": serving if again else newest_revision(service),
        "serving_revision": serving,
        "way": Way.CANARY if serving and not is_unroutable(service) else Way.REPLACEMENT,
        "broken": broken or (f"its spec splits the traffic, {CANARY} {champion[CANARY]}" if split else ""),
        "complaint": refusal(service),
    }


def _shares_traffic(service: Service) -> bool:
    return 0 < traffic(service).get(str(newest_revision(service)), 0) < 100


def _with_all(service: Service) -> str | None:
    return next((name for name, share in traffic(service).items() if share == 100), None)


def _require_change(rollout: Rollout) -> None:
    """Refuse to release exactly what is broken: the same spec makes no new revision."""
    champion = rollout.champion or {}
    if rollout.broken and CANARY not in champion and rollout.is_challengers(champion):
        raise ReleaseError(
            f"{rollout.service} has this image, bundle and settings already, and does not work: {rollout.broken}; "
            "release another version, or delete the service and release this one again"
        )


@step
def try_out(rollout: Rollout, model: RegisteredModel) -> str:
    """Start the model in a service of its own, which no client knows; return its URL."""
    name = trial_name(rollout.portfolio)
    kserve.delete(name)
    kserve.create(inference_service(model, name))
    reached = new_revision_at(None, 100)
    found = wait(name, reached, "the trial ready", failing=Failing({None}), seconds=rollout.wait_seconds())
    return str(found["status"]["url"])


@step
def go_live(rollout: Rollout, model: RegisteredModel) -> str:
    """Put a model that has passed its trial into the endpoint, with all the traffic; return the stable URL."""
    rollout = record.save(rollout, passed=True)
    kserve.delete(trial_name(rollout.portfolio))
    if rollout.champion is None:
        kserve.create(inference_service(model))
    else:
        _change_spec(rollout, model, None)
    return str(_reached(rollout, _at(rollout, 100), "all traffic on the new revision", None)["status"]["url"])


@step
def deploy_at_zero(rollout: Rollout, model: RegisteredModel) -> str:
    """Start the new revision without traffic; return the URL that reaches it."""
    _change_spec(rollout, model, 0)
    beside: Check = lambda s: traffic(s).get(str(rollout.serving_revision)) == 100  # noqa: E731
    ready = _at(rollout, 0)
    return latest_url(_reached(rollout, lambda s: ready(s) and beside(s), "the new revision ready at 0 %", 0))


def _change_spec(rollout: Rollout, model: RegisteredModel, percent: int | None) -> None:
    """Write the model's spec over the champion's; what only the champion's has becomes null."""
    champion = rollout.champion or {}
    new = {**kserve.replacement(champion, predictor(model)), CANARY: percent}
    kserve.change(rollout.service, new, expecting=rollout.is_champions, wanted=[champion])


def _at(rollout: Rollout, percent: int) -> Check:
    return new_revision_at(rollout.previous_revision, percent)


def _reached(rollout: Rollout, check: Check, what: str, percent: int | None) -> Service:
    """Wait for what the last change leads to; `percent` is the share that its spec has, None for no such field."""
    failing = Failing({rollout.previous_revision}, rollout.complaint)

    def ours(spec: Spec) -> bool:
        return rollout.is_challengers(spec) and spec.get(CANARY) == percent

    def failed(service: Service) -> str:
        kserve.require_spec(service, ours, _specs(rollout))
        return failing(service) or _astray(rollout, service)

    return wait(rollout.service, check, what, failing=failed, seconds=rollout.wait_seconds())


def _astray(rollout: Rollout, service: Service) -> str:
    """Return an error if a third revision has traffic.

    KServe gives it to the champion's predecessor if it sees 0 % before the challenger's revision (`PropagateStatus`).
    """
    newest = newest_revision(service)
    known = {rollout.serving_revision, rollout.previous_revision, newest}
    others = {name: share for name, share in traffic(service).items() if share and name not in known}
    if not others:
        return ""
    return (
        f"traffic is on {others}, which is neither the champion's revision nor the newest ({newest}): KServe has gone "
        "back to an older one, or somebody else has changed the service"
    )


def _specs(rollout: Rollout) -> list[Spec]:
    return [spec for spec in (rollout.challenger, rollout.champion) if spec]


@step
def shift_traffic(rollout: Rollout, percent: int, before: int = 0) -> str:
    """Give the new revision `percent` of the traffic and wait until it has it; return the stable URL.

    Args:
        rollout: the release.
        percent: the new share.
        before: the share until now; another one was set by somebody else.
    """

    def expected(spec: Spec) -> bool:
        return rollout.is_challengers(spec) and spec.get(CANARY) == before

    kserve.change(rollout.service, {CANARY: percent}, expecting=expected, wanted=_specs(rollout))
    service = _reached(rollout, _at(rollout, percent), f"{percent} % on the new revision", percent)
    get_run_logger().info("%s: %d %% of the traffic on %s", rollout.service, percent, rollout.bundle_uri)
    return str(service["status"]["url"])


@step
def finish(rollout: Rollout) -> str:
    """Drop the canary field and delete the release's record; return the stable URL."""
    rollout = record.save(rollout, passed=True)
    if rollout.way is Way.CANARY:
        kserve.change(rollout.service, {CANARY: None}, expecting=rollout.is_challengers, wanted=_specs(rollout))
    service = _reached(rollout, _at(rollout, 100), "all traffic on the new revision", None)
    record.forget(rollout)
    return str(service["status"]["url"])
