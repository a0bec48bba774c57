"""KServe's loop: the Knative Service and the status of each InferenceService.

After KServe's `inferenceservice/controller.go` and `reconcilers/ingress/ingress_reconciler.go`, for a predictor with
Istio's virtual host.
"""

import copy
from collections.abc import Callable

from sandbox.kubernetes.apiserver.admission import deployment_mode
from sandbox.kubernetes.apiserver.documents import Object
from sandbox.kubernetes.apiserver.errors import ApiError
from sandbox.kubernetes.apiserver.resources import INFERENCE_SERVICES, KNATIVE_SERVICES, PODS
from sandbox.kubernetes.control.client import Client, ReconcileError
from sandbox.kubernetes.control.conditions import Conditions, status_of
from sandbox.kubernetes.knative import labels, webhook
from sandbox.kubernetes.kserve import standard
from sandbox.kubernetes.kserve import status as statuses
from sandbox.kubernetes.kserve.predictor import (
    PredictorError,
    UnsupportedError,
    disallowed_annotations,
    knative_service,
    service_name,
)

Address = Callable[[str, str, str], str]
FINALIZER = "inferenceservice.finalizers"
AUTO_UPDATE = "serving.kserve.io/disable-auto-update"


class _RetryLaterError(Exception):
    """The reconciliation stops without writing the status."""


def reconcile(client: Client, namespace: str, name: str, address: Address) -> None:
    """Reconcile one InferenceService.

    Args:
        client: The store.
        namespace: The InferenceService's namespace.
        name: The InferenceService's name.
        address: Returns the URL of a namespace, Route name and tag.
    """
    isvc = client.find(INFERENCE_SERVICES, namespace, name)
    if isvc is None:
        return
    if isvc["metadata"].get("deletionTimestamp"):
        _finalize(client, isvc)
        return
    isvc = _with_finalizer(client, isvc)
    annotations = isvc["metadata"].get("annotations") or {}
    if annotations.get(AUTO_UPDATE) == "true" and status_of(isvc) == "True":
        return
    status: Object = copy.deepcopy(isvc.get("status") or {})
    conditions = Conditions(status.get("conditions", ()), (statuses.PREDICTOR, statuses.INGRESS), client.now())
    if conditions.get("Ready") is None:
        conditions.initialize()
    mode = status.get("deploymentMode") or deployment_mode(isvc)
    try:
        if mode == "Standard":
            _run_standard(client, isvc, status, conditions, address)
        else:
            _run(client, isvc, status, conditions)
    except ReconcileError as error:
        client.event(INFERENCE_SERVICES, isvc, "InternalError", str(error), warning=True)
    except _RetryLaterError:
        return
    _write(client, isvc, {**status, "deploymentMode": mode, "conditions": conditions.listed()})


def _with_finalizer(client: Client, isvc: Object) -> Object:
    finalizers = isvc["metadata"].get("finalizers") or []
    if FINALIZER in finalizers:
        return isvc
    metadata = {**isvc["metadata"], "finalizers": [*finalizers, FINALIZER]}
    return client.update(INFERENCE_SERVICES, {**isvc, "metadata": metadata})


def _finalize(client: Client, isvc: Object) -> None:
    """Let an object that is being deleted go."""
    finalizers = isvc["metadata"].get("finalizers") or []
    if FINALIZER in finalizers:
        kept = [finalizer for finalizer in finalizers if finalizer != FINALIZER]
        client.update(INFERENCE_SERVICES, {**isvc, "metadata": {**isvc["metadata"], "finalizers": kept}})


def _run(client: Client, isvc: Object, status: Object, conditions: Conditions) -> None:
    service = _predictor(client, isvc, status, conditions)
    pods = client.labelled(
        PODS,
        isvc["metadata"]["namespace"],
        {labels.REVISION: statuses.component(status).get("latestCreatedRevision", "")},
    )
    if not statuses.propagate_model(status, conditions, pods, service):
        raise _RetryLaterError
    if conditions.get("Stopped") is None:
        conditions.mark_false("Stopped")
    statuses.propagate_across(conditions, "RoutesReady", statuses.ROUTE)
    statuses.propagate_across(conditions, "LatestDeploymentReady", statuses.CONFIGURATION)
    ingress(isvc, status, conditions)


def _run_standard(client: Client, isvc: Object, status: Object, conditions: Conditions, address: Address) -> None:
    metadata = isvc["metadata"]
    deployment = standard.apply(client, isvc)
    standard.propagate(status, conditions, deployment, address(metadata["namespace"], service_name(isvc), ""))
    pods = client.labelled(PODS, metadata["namespace"], {"app": standard.label(isvc)})
    if not statuses.propagate_model(status, conditions, pods, None):
        raise _RetryLaterError
    if conditions.get("Stopped") is None:
        conditions.mark_false("Stopped")
    ingress(isvc, status, conditions)


def _predictor(client: Client, isvc: Object, status: Object, conditions: Conditions) -> Object:
    """Reconcile the Knative Service and take over its status; return it.

    Raises:
        ReconcileError: The predictor has no runtime, or Knative refuses it.
    """
    try:
        config = client.settings("kserve", "inferenceservice-config")
        wanted = knative_service(isvc, disallowed_annotations(config))
        service = _applied(client, isvc, wanted)
    except PredictorError as error:
        statuses.invalid_spec(status, error.reason, error.message)
        raise ReconcileError(str(error)) from error
    except (ReconcileError, UnsupportedError) as error:
        statuses.component(status)
        text = f"fails to reconcile predictor: {error}"
        conditions.mark_false(statuses.PREDICTOR, "ReconcileFailed", text)
        raise ReconcileError(text) from error
    statuses.propagate(status, conditions, service)
    return service


def _applied(client: Client, isvc: Object, wanted: Object) -> Object:
    """Create or update the Knative Service; return it as it is stored now, with the status of before the change.

    Raises:
        ReconcileError: Knative's webhook or the API server refuses it.
    """
    metadata = wanted["metadata"]
    found = client.find(KNATIVE_SERVICES, metadata["namespace"], service_name(isvc))
    prefix = "fails to reconcile knative service: " if found else ""
    features = client.settings("knative-serving", "config-features")
    if refused := webhook.refusal(wanted, features):
        raise ReconcileError(f"{prefix}{refused}")
    try:
        if found is None:
            return client.create(KNATIVE_SERVICES, wanted)
        kept = {**found["metadata"], "labels": metadata["labels"], "annotations": metadata["annotations"]}
        return client.update(KNATIVE_SERVICES, {**found, "metadata": kept, "spec": wanted["spec"]})
    except ApiError as error:
        raise ReconcileError(f"{prefix}{error}") from error


def ingress(isvc: Object, status: Object, conditions: Conditions) -> None:
    """Set the URL, the address and `IngressReady`; what was set once stays set."""
    if not conditions.has(statuses.PREDICTOR, "True"):
        reason = "Predictor ingress not created"
        if conditions.has(statuses.PREDICTOR, "False"):
            conditions.mark_false(statuses.INGRESS, reason)
        else:
            conditions.mark_unknown(statuses.INGRESS, reason)
    url = statuses.component(status).get("url")
    if not url:
        return
    metadata = isvc["metadata"]
    status["url"] = url.replace("-default", "", 1) if "-default" in url else url.replace("-predictor", "", 1)
    status["address"] = {"url": f"http://{metadata['name']}.{metadata['namespace']}.svc.cluster.local"}
    conditions.mark_true(statuses.INGRESS)


def _write(client: Client, isvc: Object, status: Object) -> None:
    """Store the status and record a change of readiness."""
    before = status_of(isvc) == "True"
    client.write_status(INFERENCE_SERVICES, isvc, status)
    now = status_of({"status": status})
    name = isvc["metadata"]["name"]
    if before and now == "False":
        failed = ", ".join(c["type"] for c in status["conditions"] if c["status"] == "False")
        text = f"InferenceService [{name}] is no longer Ready because of: {failed}"
        client.event(INFERENCE_SERVICES, isvc, "InferenceServiceNotReady", text, warning=True, count=1)
    elif not before and now == "True":
        text = f"InferenceService [{name}] is Ready"
        client.event(INFERENCE_SERVICES, isvc, "InferenceServiceReady", text, count=1)
