"""InferenceServices on KServe (Knative mode): read, change, wait for what was asked, undo in the safe order."""

import json
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from kubernetes import client, config
from kubernetes.client import ApiException
from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from pydantic import BaseModel

from tasks.errors import ReleaseError
from tasks.manifest import (
    GROUP,
    INTENT_ANNOTATION,
    PLURAL,
    VERSION,
    VERSION_ANNOTATION,
    inference_service,
    predictor,
    service_name,
)
from tasks.registry import RegisteredModel
from tasks.settings import settings

Service = dict[str, Any]
FAILED_TRANSITIONS = ("BlockedByFailedLoad", "InvalidSpec")


class Rollout(BaseModel, frozen=True):
    """A release under way: what it replaces, and the revision that existed before it."""

    portfolio: str
    service: str
    version: str
    previous_version: str | None
    previous_revision: str | None


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
    for target in _predictor_status(service).get("traffic", []):
        shares[target["revisionName"]] = shares.get(target["revisionName"], 0) + int(target.get("percent") or 0)
    return shares


def latest_url(service: Service) -> str:
    """Return the tag URL that reaches the latest revision whatever its share of traffic, else the stable URL."""
    latest = _predictor_status(service).get("latestCreatedRevision")
    targets = _predictor_status(service).get("traffic", [])
    tagged = [t["url"] for t in targets if t.get("url") and t.get("revisionName") == latest]
    return str(tagged[0] if tagged else service["status"]["url"])


def _predictor_status(service: Service) -> dict[str, Any]:
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
            f"{name}: revision {_predictor_status(service).get('latestCreatedRevision')} does not load "
            f"({status['transitionStatus']}, {failure.get('reason', 'no reason')}): {failure.get('message', '')}"
        )


def new_revision_at(previous: str | None, percent: int) -> Callable[[Service], bool]:
    """Return a check: a revision other than `previous` is ready and gets `percent` of the traffic.

    `Ready` alone is not trusted: it stays true for the old revision.
    """

    def reached(service: Service) -> bool:
        status = _predictor_status(service)
        created = str(status.get("latestCreatedRevision", ""))
        fresh = bool(created) and created != previous and status.get("latestReadyRevision") == created
        return fresh and _ready(service) and traffic(service).get(created, 0) == percent

    return reached


@task(cache_policy=NO_CACHE)
def begin(model: RegisteredModel) -> Rollout | None:
    """Find out what the release starts from; first undo what a dead release has left behind.

    Returns:
        The rollout, or None where this version already has all the traffic.
    """
    name = service_name(model.portfolio)
    service = read(name)
    if service is not None and INTENT_ANNOTATION in service["metadata"].get("annotations", {}):
        get_run_logger().warning("%s: an earlier release did not end; undoing it first", name)
        undo(name)
        service = read(name)
    if service is None:
        return Rollout(
            portfolio=model.portfolio,
            service=name,
            version=model.version,
            previous_version=None,
            previous_revision=None,
        )
    _require_knative(service, name)
    serving = service["metadata"].get("annotations", {}).get(VERSION_ANNOTATION)
    if serving == model.version and service["spec"]["predictor"] == {
        **service["spec"]["predictor"],
        **predictor(model),
    }:
        return None
    revision = _predictor_status(service).get("latestCreatedRevision")
    return Rollout(
        portfolio=model.portfolio,
        service=name,
        version=model.version,
        previous_version=serving,
        previous_revision=revision,
    )


def _require_knative(service: Service, name: str) -> None:
    mode = service.get("status", {}).get("deploymentMode", "Knative")
    if mode not in ("Knative", "Serverless"):
        raise ReleaseError(
            f"{name} runs in deployment mode {mode}, where canaryTrafficPercent is silently ignored; "
            "recreate it with annotation serving.kserve.io/deploymentMode: Knative"
        )


@task(cache_policy=NO_CACHE)
def deploy_at_zero(rollout: Rollout, model: RegisteredModel) -> str:
    """Bring the new revision up without traffic (all of it where nothing served); return the URL that reaches it.

    The intent, with the champion's spec, is written in the same patch: whoever finds it can undo the release.
    """
    if rollout.previous_revision is None:
        _create(model)
        return latest_url(wait(rollout.service, new_revision_at(None, 100), "the first revision ready"))
    service = read(rollout.service) or {}
    intent = json.dumps({"version": rollout.version, "champion": service["spec"]["predictor"]})
    body = {
        "metadata": {"annotations": {INTENT_ANNOTATION: intent}},
        "spec": {"predictor": {**predictor(model), "canaryTrafficPercent": 0}},
    }
    patch(rollout.service, body, service["metadata"]["resourceVersion"])
    found = wait(rollout.service, new_revision_at(rollout.previous_revision, 0), "the new revision ready at 0 %")
    return latest_url(found)


def _create(model: RegisteredModel) -> None:
    body = inference_service(model)
    try:
        api().create_namespaced_custom_object(GROUP, VERSION, settings().namespace, PLURAL, body)
    except ApiException as error:
        raise _refused(error, "create", body["metadata"]["name"]) from error


@task(cache_policy=NO_CACHE)
def shift_traffic(rollout: Rollout, percent: int) -> str:
    """Give the new revision `percent` of the traffic and wait until it has it; return the stable URL."""
    patch(rollout.service, {"spec": {"predictor": {"canaryTrafficPercent": percent}}})
    service = wait(
        rollout.service, new_revision_at(rollout.previous_revision, percent), f"{percent} % on the new revision"
    )
    get_run_logger().info("%s: %s has %d %% of the traffic", rollout.service, rollout.version, percent)
    return str(service["status"]["url"])


@task(cache_policy=NO_CACHE)
def finish(rollout: Rollout) -> str:
    """Drop the canary field and the intent, and name the version on the service; return the stable URL."""
    body = {
        "metadata": {"annotations": {INTENT_ANNOTATION: None, VERSION_ANNOTATION: rollout.version}},
        "spec": {"predictor": {"canaryTrafficPercent": None}},
    }
    patch(rollout.service, body)
    service = wait(rollout.service, new_revision_at(rollout.previous_revision, 100), "all traffic on the new revision")
    return str(service["status"]["url"])


@task(cache_policy=NO_CACHE)
def roll_back(rollout: Rollout) -> None:
    """Put the champion back in the safe order; a first release that failed is removed, as nothing served before it."""
    get_run_logger().warning("%s: rolling back to %s", rollout.service, rollout.previous_version or "nothing")
    if rollout.previous_revision is None:
        delete(rollout.service)
    else:
        undo(rollout.service)


def delete(name: str) -> None:
    """Delete an InferenceService; none there is fine."""
    try:
        api().delete_namespaced_custom_object(GROUP, VERSION, settings().namespace, PLURAL, name)
    except ApiException as error:
        if error.status != 404:
            raise _refused(error, "delete", name) from error


def undo(name: str) -> None:
    """Undo the release that the intent describes: 0 %, the champion's spec at 0 %, wait, drop the field."""
    service = read(name)
    intent = (service or {}).get("metadata", {}).get("annotations", {}).get(INTENT_ANNOTATION)
    if service is None or intent is None:
        return
    champion = json.loads(intent)["champion"]
    service = patch(name, {"spec": {"predictor": {"canaryTrafficPercent": 0}}})
    spec = service["spec"]["predictor"]
    restored = {**dict.fromkeys(spec), **champion, "canaryTrafficPercent": 0}
    bad = (
        None
        if spec == {**champion, "canaryTrafficPercent": 0}
        else _predictor_status(service).get("latestCreatedRevision")
    )
    patch(name, {"spec": {"predictor": restored}})
    wait(name, new_revision_at(bad, 0), "the champion's spec ready at 0 %", patient=True)
    patch(
        name,
        {"metadata": {"annotations": {INTENT_ANNOTATION: None}}, "spec": {"predictor": {"canaryTrafficPercent": None}}},
    )
    wait(name, new_revision_at(bad, 100), "all traffic on the champion", patient=True)
