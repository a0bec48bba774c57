"""What the status of an InferenceService says about its revisions, its traffic, and why it is not ready.

KServe writes the status some time after the spec. So a check names the revision it is about: the status of an earlier
state has other revisions. `status.observedGeneration` is no help: KServe copies it from the Knative service, which
counts its own changes (`PropagateStatus` in KServe's `inference_service_status.go`).
"""

from collections.abc import Callable, Collection
from typing import Any

Service = dict[str, Any]
Check = Callable[[Service], bool]
CANARY = "canaryTrafficPercent"
FAILED_TRANSITIONS = ("BlockedByFailedLoad", "InvalidSpec")
# Knative's Route refers to a revision that is not ready; until it is, traffic cannot be moved.
UNROUTABLE = "RevisionMissing"


def predictor_status(service: Service) -> dict[str, Any]:
    """Return the predictor's part of the status: revisions, traffic, URL."""
    status: dict[str, Any] = service.get("status", {}).get("components", {}).get("predictor", {})
    return status


def newest_revision(service: Service | None) -> str | None:
    """Return the name of the revision created last, None before the first."""
    return predictor_status(service or {}).get("latestCreatedRevision") or None


def rolled_out_revision(service: Service) -> str | None:
    """Return the name of the last revision that has had all the traffic, None before the first."""
    return predictor_status(service).get("latestRolledoutRevision") or None


def traffic(service: Service) -> dict[str, int]:
    """Return the share of traffic of each revision, in percent."""
    shares: dict[str, int] = {}
    for target in predictor_status(service).get("traffic", []):
        shares[target["revisionName"]] = shares.get(target["revisionName"], 0) + int(target.get("percent") or 0)
    return shares


def stable_url(service: Service) -> str | None:
    """Return the URL that clients use, None before the service has first been ready."""
    url = service.get("status", {}).get("url")
    return str(url) if url else None


def latest_url(service: Service) -> str:
    """Return the tag URL of the latest revision, whatever its share of traffic; without one, the stable URL."""
    latest = newest_revision(service)
    targets = predictor_status(service).get("traffic", [])
    tagged = [t["url"] for t in targets if t.get("url") and t.get("revisionName") == latest]
    return str(tagged[0] if tagged else service["status"]["url"])


def previous_url(service: Service, revision: str | None) -> str | None:
    """Return the tag URL of a revision that shares traffic with the latest, None if it has none.

    KServe tags it `prev` as long as `canaryTrafficPercent` is below 100.
    """
    targets = predictor_status(service).get("traffic", [])
    return next((str(t["url"]) for t in targets if t.get("url") and t.get("revisionName") == revision), None)


def _conditions(service: Service) -> dict[str, dict[str, str]]:
    return {str(c["type"]): c for c in service.get("status", {}).get("conditions", [])}


def is_ready(service: Service) -> bool:
    """Return whether the condition Ready is True; it is Unknown for a moment after each change."""
    return _conditions(service).get("Ready", {}).get("status") == "True"


def new_revision_at(known: str | Collection[str | None] | None, percent: int) -> Check:
    """Return a check that a revision other than the known ones is the newest, ready, and has `percent` of the traffic.

    `Ready` alone is not enough: it stays true for the old revision.
    """
    others = {known} if known is None or isinstance(known, str) else set(known)

    def reached(service: Service) -> bool:
        created = newest_revision(service)
        fresh = bool(created) and created not in others
        settled = predictor_status(service).get("latestReadyRevision") == created and is_ready(service)
        return fresh and settled and traffic(service).get(str(created), 0) == percent

    return reached


def has_no_traffic(known: str | None) -> Check:
    """Return a check that a revision newer than the known one is there, and has no traffic."""

    def reached(service: Service) -> bool:
        created = newest_revision(service)
        routed = _conditions(service).get("PredictorRouteReady", {}).get("status", "True") == "True"
        return created not in (None, known) and routed and traffic(service).get(str(created), 0) == 0

    return reached


def is_unroutable(service: Service) -> bool:
    """Return whether Knative leaves the traffic as it is, because a revision that should have some is not ready."""
    route = _conditions(service).get("PredictorRouteReady", {})
    return route.get("status") != "True" and route.get("reason") == UNROUTABLE


def refusal(service: Service) -> str:
    """Return why KServe or Knative does not take the spec, empty if nothing says so.

    What Knative's webhook refuses is no refused request: it shows as `PredictorReady=False`, `ReconcileFailed`.
    """
    condition = _conditions(service).get("PredictorReady", {})
    if condition.get("status") == "False" and condition.get("reason") == "ReconcileFailed":
        return f"PredictorReady is False, ReconcileFailed: {condition.get('message', '')}"
    created = [c for c in _conditions(service).values() if "Revision creation failed" in c.get("message", "")]
    if created:
        return _described(created[0])
    model = service.get("status", {}).get("modelStatus", {})
    return f"InvalidSpec: {_last_failure(model)}" if model.get("transitionStatus") == "InvalidSpec" else ""


def is_final(refused: str) -> bool:
    """Return whether a refusal stands until the spec changes; KServe repeats everything else."""
    return any(text in refused for text in ("denied the request", "InvalidSpec", "Revision creation failed"))


def load_failure(service: Service) -> str:
    """Return why the newest revision does not become ready, empty if nothing says so.

    Both sources go into the text: a failed image pull shows only in the condition, a failed download only in
    `modelStatus`, where KServe keeps failures of earlier revisions as well.
    """
    created = f'Revision "{newest_revision(service)}"'
    wrong = [c for c in _conditions(service).values() if c["status"] == "False" and c.get("message")]
    named = [str(c["message"]) for c in wrong if f"{created} failed" in c["message"]]
    model = service.get("status", {}).get("modelStatus", {})
    # Without pods KServe calls a model failed if any of Knative's conditions is False, even if it is about another one.
    others = any(c.get("reason") == UNROUTABLE and created not in c["message"] for c in wrong)
    failed = model.get("transitionStatus") in FAILED_TRANSITIONS and not others
    if not named and not failed:
        return ""
    return f"({model.get('transitionStatus')}): {'; '.join(filter(None, [*named[:1], _last_failure(model)]))}"


def _last_failure(model: dict[str, Any]) -> str:
    failure = model.get("lastFailureInfo", {})
    return f"last model failure: {failure['reason']}: {failure.get('message', '')}" if failure else ""


def summary(service: Service) -> str:
    """Return what a person needs to know about a service that does not get ready."""
    waiting = [_described(c) for kind, c in _conditions(service).items() if c["status"] != "True" and kind != "Stopped"]
    shares = ", ".join(f"{name} {share} %" for name, share in traffic(service).items()) or "none"
    return f"newest revision {newest_revision(service)}; traffic: {shares}; {'; '.join(waiting) or 'no condition'}"


def _described(condition: dict[str, str]) -> str:
    said = ": ".join(filter(None, [condition.get("reason", ""), condition.get("message", "")]))
    return f"{condition['type']} is {condition['status']}{f' ({said})' if said else ''}"
