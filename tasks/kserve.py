"""InferenceServices on KServe (Knative mode): read, create, patch, delete, and wait for what was asked."""

import json
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from kubernetes import client, config
from kubernetes.client import ApiException

from tasks.errors import ReleaseError
from tasks.manifest import GROUP, PLURAL, VERSION
from tasks.settings import settings

Service = dict[str, Any]
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
    """Return the InferenceService, or None where there is none.

    Raises:
        ReleaseError: KServe is not installed, or the role may not read it.
    """
    try:
        found: Service = api().get_namespaced_custom_object(GROUP, VERSION, settings().namespace, PLURAL, name)
    except ApiException as error:
        if error.status == 404 and "not found" in str(error.body) and name in str(error.body):
            return None
        raise _refused(error, "get", name) from error
    return found


def patch(name: str, body: dict[str, Any], resource_version: str | None = None) -> Service:
    """Merge-patch the InferenceService; with `resource_version`, only if nobody has changed it meanwhile."""
    if resource_version:
        body = {**body, "metadata": {**body.get("metadata", {}), "resourceVersion": resource_version}}
    try:
        changed: Service = api().patch_namespaced_custom_object(
            GROUP, VERSION, settings().namespace, PLURAL, name, body
        )
    except ApiException as error:
        raise _refused(error, "patch", name) from error
    return changed


def _refused(error: ApiException, verb: str, name: str) -> ReleaseError:
    try:
        message = json.loads(error.body)["message"]
    except (TypeError, ValueError, KeyError):
        message = str(error.reason)
    hints = {
        401: "the cluster does not know this role: add an access entry",
        403: f"grant the flow's role the verb {verb} on {PLURAL}.{GROUP}",
        404: "install KServe, or check the namespace",
        409: "another release changed it meanwhile: run release again",
    }
    hint = hints.get(int(error.status or 0), "see the message")
    return ReleaseError(f"{verb} inferenceservice {settings().namespace}/{name}: {error.status} {message}; {hint}")


def traffic(service: Service) -> dict[str, int]:
    """Return the share of traffic of each revision, in percent."""
    shares: dict[str, int] = {}
    for target in predictor_status(service).get("traffic", []):
        shares[target["revisionName"]] = shares.get(target["revisionName"], 0) + int(target.get("percent") or 0)
    return shares


def latest_url(service: Service) -> str:
    """Return the tag URL that reaches the latest revision whatever its share of traffic, else the stable URL."""
    latest = predictor_status(service).get("latestCreatedRevision")
    targets = predictor_status(service).get("traffic", [])
    tagged = [t["url"] for t in targets if t.get("url") and t.get("revisionName") == latest]
    return str(tagged[0] if tagged else service["status"]["url"])


def predictor_status(service: Service) -> dict[str, Any]:
    """Return the predictor's part of the status: revisions, traffic, URL."""
    status: dict[str, Any] = service.get("status", {}).get("components", {}).get("predictor", {})
    return status


def _ready(service: Service) -> bool:
    conditions = {c["type"]: c["status"] for c in service.get("status", {}).get("conditions", [])}
    return conditions.get("Ready") == "True"


def wait(name: str, reached: Callable[[Service], bool], what: str, *, patient: bool = False) -> Service:
    """Poll until `reached` says yes.

    Args:
        name: the InferenceService.
        reached: looks at the object.
        what: what is waited for, for the error.
        patient: whether a failed load is waited out (while undoing, the status still tells of the failed revision).

    Raises:
        ReleaseError: the new revision cannot load, or the time is up.
    """
    here = settings()
    deadline = time.monotonic() + here.ready_timeout_seconds
    while True:
        service = read(name)
        if service is None:
            raise ReleaseError(f"inferenceservice {here.namespace}/{name} has gone while waiting for {what}")
        if reached(service):
            return service
        if not patient:
            _fail_fast(service, name)
        if time.monotonic() > deadline:
            raise ReleaseError(
                f"{name}: {what} not reached within {here.ready_timeout_seconds:.0f} s; last seen {traffic(service)}"
            )
        time.sleep(min(here.poll_seconds, 2.0))


def _fail_fast(service: Service, name: str) -> None:
    status = service.get("status", {}).get("modelStatus", {})
    if status.get("transitionStatus") in FAILED_TRANSITIONS:
        failure = status.get("lastFailureInfo", {})
        raise ReleaseError(
            f"{name}: revision {predictor_status(service).get('latestCreatedRevision')} does not load "
            f"({status['transitionStatus']}, {failure.get('reason', 'no reason')}): {failure.get('message', '')}"
        )


def new_revision_at(previous: str | None, percent: int) -> Callable[[Service], bool]:
    """Return a check: a revision other than `previous` is ready and gets `percent` of the traffic.

    `Ready` alone is not trusted: it stays true for the old revision.
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
    """Delete an InferenceService; none there is fine."""
    try:
        api().delete_namespaced_custom_object(GROUP, VERSION, settings().namespace, PLURAL, name)
    except ApiException as error:
        if error.status != 404:
            raise _refused(error, "delete", name) from error


def require_knative(service: Service, name: str) -> None:
    """Refuse a service whose traffic cannot be shared.

    Raises:
        ReleaseError: it runs in another deployment mode.
    """
    mode = service.get("status", {}).get("deploymentMode", "Knative")
    if mode not in ("Knative", "Serverless"):
        raise ReleaseError(
            f"{name} runs in deployment mode {mode}, where canaryTrafficPercent is silently ignored; "
            "recreate it with annotation serving.kserve.io/deploymentMode: Knative"
        )
