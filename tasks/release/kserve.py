"""InferenceServices on KServe in Knative mode: read, create, patch, delete, and wait."""

import json
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

from kubernetes import client, config
from kubernetes.client import ApiException
from urllib3.exceptions import HTTPError

from tasks.errors import ConflictError, ReleaseError
from tasks.release.inference_service import GROUP, PLURAL, VERSION
from tasks.settings import settings

Service = dict[str, Any]
Found = TypeVar("Found")
# The API server is busy or restarting; any other error is final.
BUSY = (429, 500, 502, 503, 504)
PAUSES = (0.5, 1.0, 2.0, 4.0)
# The controller keeps writing the status, which changes the object's version each time.
CHANGE_ATTEMPTS = 20
FAILED_TRANSITIONS = ("BlockedByFailedLoad", "InvalidSpec")


@lru_cache(maxsize=1)
def api() -> client.CustomObjectsApi:
    """Return the client for custom objects of the cluster that `KUBECONFIG` (or the pod) names."""
    try:
        config.load_kube_config()
    except config.ConfigException:
        config.load_incluster_config()
    return client.CustomObjectsApi()


def read(name: str) -> Service | None:
    """Return the InferenceService, None if there is none.

    Raises:
        ReleaseError: KServe is not installed, or the role may not read it.
    """
    namespace = settings().namespace
    try:
        found: Service = _patiently(
            lambda: api().get_namespaced_custom_object(GROUP, VERSION, namespace, PLURAL, name), "get", name
        )
    except ApiException as error:
        if error.status == 404 and "not found" in str(error.body) and name in str(error.body):
            return None
        raise _refused(error, "get", name) from error
    return found


def change(name: str, predictor: dict[str, Any], *, expecting: Callable[[dict[str, Any]], bool]) -> Service:
    """Merge-patch `spec.predictor` if it is as expected, so that no other writer's change is overwritten.

    Args:
        name: the InferenceService.
        predictor: fields to change; None removes a field.
        expecting: check of the current predictor spec.

    Raises:
        ConflictError: another writer has changed the spec.
        ReleaseError: the object is gone, or the role may not patch it.
    """
    for attempt in range(CHANGE_ATTEMPTS):
        service = read(name)
        if service is None:
            raise ReleaseError(f"inferenceservice {settings().namespace}/{name} is gone; run release again")
        if not expecting(service["spec"]["predictor"]):
            raise ConflictError(
                f"the predictor of inferenceservice {settings().namespace}/{name} was changed by another writer and is "
                "left as it is; find out who else releases or edits it, then run release again"
            )
        try:
            return _patch(name, {"spec": {"predictor": predictor}}, service["metadata"]["resourceVersion"])
        except ConflictError:
            time.sleep(0.02 * attempt)
    raise ConflictError(f"inferenceservice {name} changed at each of {CHANGE_ATTEMPTS} attempts to patch it; run again")


def _patch(name: str, body: dict[str, Any], resource_version: str) -> Service:
    """Merge-patch the InferenceService, only if it still has that version."""
    body = {**body, "metadata": {"resourceVersion": resource_version}}
    namespace = settings().namespace
    try:
        changed: Service = _patiently(
            lambda: api().patch_namespaced_custom_object(GROUP, VERSION, namespace, PLURAL, name, body), "patch", name
        )
    except ApiException as error:
        raise _refused(error, "patch", name) from error
    return changed


def _patiently(call: Callable[[], Found], verb: str, name: str) -> Found:
    """Call, and retry while the API server is busy or unreachable: a blip must not end a release."""
    for pause in (*PAUSES, None):
        try:
            return call()
        except ApiException as error:
            if pause is None or error.status not in BUSY:
                raise
        except HTTPError as error:
            if pause is None:
                raise ReleaseError(f"{verb} inferenceservice {name}: the cluster cannot be reached: {error}") from error
        time.sleep(pause)
    raise AssertionError("the last attempt returns or raises")


def _refused(error: ApiException, verb: str, name: str) -> ReleaseError:
    try:
        message = json.loads(error.body)["message"]
    except (TypeError, ValueError, KeyError):
        message = str(error.reason)
    hints = {
        401: "the cluster does not know this role: add an access entry",
        403: f"grant the flow's role the verb {verb} on {PLURAL}.{GROUP}",
        404: "install KServe, or check the namespace",
        409: "another release changed it in the meantime: run release again",
    }
    hint = hints.get(int(error.status or 0), "see the message")
    kind = ConflictError if error.status == 409 else ReleaseError
    return kind(f"{verb} inferenceservice {settings().namespace}/{name}: {error.status} {message}; {hint}")


def traffic(service: Service) -> dict[str, int]:
    """Return the share of traffic of each revision, in percent."""
    shares: dict[str, int] = {}
    for target in predictor_status(service).get("traffic", []):
        shares[target["revisionName"]] = shares.get(target["revisionName"], 0) + int(target.get("percent") or 0)
    return shares


def latest_url(service: Service) -> str:
    """Return the tag URL of the latest revision, whatever its share of traffic; without one, the stable URL."""
    latest = predictor_status(service).get("latestCreatedRevision")
    targets = predictor_status(service).get("traffic", [])
    tagged = [t["url"] for t in targets if t.get("url") and t.get("revisionName") == latest]
    return str(tagged[0] if tagged else service["status"]["url"])


def previous_url(service: Service, revision: str | None) -> str | None:
    """Return the tag URL of a revision that shares traffic with the latest, None if it has none.

    KServe tags it `prev` as long as `canaryTrafficPercent` is below 100.
    """
    targets = predictor_status(service).get("traffic", [])
    return next((str(t["url"]) for t in targets if t.get("url") and t.get("revisionName") == revision), None)


def predictor_status(service: Service) -> dict[str, Any]:
    """Return the predictor's part of the status: revisions, traffic, URL."""
    status: dict[str, Any] = service.get("status", {}).get("components", {}).get("predictor", {})
    return status


def _ready(service: Service) -> bool:
    conditions = {c["type"]: c["status"] for c in service.get("status", {}).get("conditions", [])}
    return conditions.get("Ready") == "True"


def wait(
    name: str,
    reached: Callable[[Service], bool],
    what: str,
    *,
    patient: bool = False,
    seconds: float | None = None,
) -> Service:
    """Poll until `reached` returns True.

    Args:
        name: the InferenceService.
        reached: check of the object.
        what: description of the awaited state, for the error.
        patient: whether to ignore a failed load (while undoing, the status still shows the failed revision).
        seconds: longest wait if not `CREDIT_READY_TIMEOUT_SECONDS`.

    Raises:
        ReleaseError: the new revision cannot load, or the time is up.
    """
    here = settings()
    seconds = seconds or here.ready_timeout_seconds
    deadline = time.monotonic() + seconds
    while True:
        service = read(name)
        if service is None:
            raise ReleaseError(f"inferenceservice {here.namespace}/{name} is gone; was waiting for {what}")
        if reached(service):
            return service
        if not patient:
            _fail_fast(service, name)
        if time.monotonic() > deadline:
            raise ReleaseError(f"{name}: {what} not reached within {seconds:.0f} s; last seen {traffic(service)}")
        time.sleep(min(here.poll_seconds, 2.0))


def _fail_fast(service: Service, name: str) -> None:
    status = service.get("status", {}).get("modelStatus", {})
    created = predictor_status(service).get("latestCreatedRevision")
    failed = _revision_failure(service, str(created))
    if failed or status.get("transitionStatus") in FAILED_TRANSITIONS:
        # Both go into the message: a failed image pull shows only in the condition, and KServe keeps old failures.
        failure = status.get("lastFailureInfo", {})
        last = f"last model failure: {failure['reason']}: {failure.get('message', '')}" if failure else ""
        reason = "; ".join(part for part in (failed, last) if part)
        raise ReleaseError(f"{name}: revision {created} does not load ({status.get('transitionStatus')}): {reason}")


def _revision_failure(service: Service, revision: str) -> str:
    """Return Knative's message about a failed revision, empty if there is none."""
    conditions = service.get("status", {}).get("conditions", [])
    said = (str(c.get("message", "")) for c in conditions if c["status"] == "False")
    return next((text for text in said if f'Revision "{revision}" failed' in text), "")


def new_revision_at(previous: str | None, percent: int) -> Callable[[Service], bool]:
    """Return a check that a revision other than `previous` is ready and has `percent` of the traffic.

    `Ready` alone is not enough: it stays true for the old revision.
    """

    def reached(service: Service) -> bool:
        status = predictor_status(service)
        created = str(status.get("latestCreatedRevision", ""))
        fresh = bool(created) and created != previous and status.get("latestReadyRevision") == created
        return fresh and _ready(service) and traffic(service).get(created, 0) == percent

    return reached


def create(body: Service) -> None:
    """Create an InferenceService."""
    try:
        api().create_namespaced_custom_object(GROUP, VERSION, settings().namespace, PLURAL, body)
    except ApiException as error:
        raise _refused(error, "create", body["metadata"]["name"]) from error


def delete(name: str) -> None:
    """Delete an InferenceService if it exists."""
    try:
        api().delete_namespaced_custom_object(GROUP, VERSION, settings().namespace, PLURAL, name)
    except ApiException as error:
        if error.status != 404:
            raise _refused(error, "delete", name) from error


def require_knative(service: Service, name: str) -> None:
    """Refuse a service whose traffic cannot be split.

    Raises:
        ReleaseError: it runs in another deployment mode.
    """
    mode = service.get("status", {}).get("deploymentMode", "Knative")
    if mode not in ("Knative", "Serverless"):
        raise ReleaseError(
            f"{name} runs in deployment mode {mode}, where canaryTrafficPercent is silently ignored; "
            "recreate it with annotation serving.kserve.io/deploymentMode: Knative"
        )
