"""The Knative Service that KServe makes of a predictor: revision template and traffic.

After KServe's `components/predictor.go`, `reconcilers/knative/ksvc_reconciler.go` and `predictor_custom.go`.
"""

import copy
import json
from collections.abc import Iterable

from sandbox.kubernetes.apiserver.admission import CONTAINER, FRAMEWORKS
from sandbox.kubernetes.apiserver.documents import Object
from sandbox.kubernetes.apiserver.resources import INFERENCE_SERVICES
from sandbox.kubernetes.control.client import owned_by
from sandbox.kubernetes.knative import webhook

LATEST_TAG, PREVIOUS_TAG = "latest", "prev"
ISVC_LABEL = "serving.kserve.io/inferenceservice"
TAG_ROUTING = "serving.kserve.io/enable-tag-routing"
STORAGE_SOURCE = "internal.serving.kserve.io/storage-initializer-sourceuri"
ROLLOUT_DURATION = "serving.knative.dev/rollout-duration"
AUTOSCALING = "autoscaling.knative.dev"
# KServe keeps these off the revision template.
DISALLOWED_ANNOTATIONS = (
    *(f"{AUTOSCALING}/min-scale", f"{AUTOSCALING}/max-scale", STORAGE_SOURCE),
    *("kubectl.kubernetes.io/last-applied-configuration", "internal.serving.kserve.io/model-format"),
)
DISALLOWED_LABELS = ("networking.knative.dev/visibility",)
# Fields of `spec.predictor` that are not a pod's.
NOT_OF_A_POD = {
    *("minReplicas", "maxReplicas", "scaleTarget", "scaleMetric", "scaleMetricType", "autoScaling", "timeout"),
    *("containerConcurrency", "canaryTrafficPercent", "logger", "batcher", "labels", "annotations"),
    *("deploymentStrategy", "name", "storageUris", "storageContainerName", "workerSpec", *FRAMEWORKS),
}


class PredictorError(ValueError):
    """The predictor cannot be run; `reason` is a failure reason of KServe's `modelStatus`."""

    def __init__(self, reason: str, message: str, error: str) -> None:
        super().__init__(error)
        self.reason = reason
        self.message = message


class UnsupportedError(ValueError):
    """The sandbox cannot run a predictor that a cluster runs."""


def service_name(isvc: Object) -> str:
    """Return the name of the predictor's Knative Service."""
    return f"{isvc['metadata']['name']}-predictor"


def knative_service(isvc: Object, disallowed: Iterable[str] = ()) -> Object:
    """Return the Knative Service that KServe wants.

    Args:
        isvc: The InferenceService.
        disallowed: More annotations that KServe's configuration keeps off the template.

    Raises:
        PredictorError: No runtime supports the predictor.
        UnsupportedError: The sandbox cannot run it.
    """
    predictor = isvc["spec"]["predictor"]
    annotations, labels = _annotations(isvc, {*DISALLOWED_ANNOTATIONS, *disallowed}), _labels(isvc)
    pods = pod_spec(isvc)
    if source := storage_uri(pods):
        annotations[STORAGE_SOURCE] = source
    annotations |= _scaling(predictor, annotations)
    rollout = {ROLLOUT_DURATION: annotations.pop(ROLLOUT_DURATION)} if ROLLOUT_DURATION in annotations else {}
    kept = {key: value for key, value in labels.items() if key not in DISALLOWED_LABELS}
    template: Object = {"metadata": {"labels": kept, "annotations": annotations}, "spec": pods | _timing(predictor)}
    webhook.set_defaults(template)
    return {
        "metadata": {
            "name": service_name(isvc),
            "namespace": isvc["metadata"]["namespace"],
            "labels": labels,
            "annotations": rollout,
            "ownerReferences": owned_by(INFERENCE_SERVICES, isvc),
        },
        "spec": {"template": template, "traffic": _traffic(isvc, annotations)},
    }


def pod_spec(isvc: Object) -> Object:
    """Return the pod specification of a predictor.

    Raises:
        PredictorError: No runtime supports the predictor.
        UnsupportedError: The sandbox cannot run it.
    """
    predictor = copy.deepcopy(isvc["spec"]["predictor"])
    containers: list[Object] = predictor.get("containers") or []
    if not containers:
        wanted = (predictor.get("model") or {}).get("modelFormat", {}).get("name", "")
        raise PredictorError(
            "NoSupportingRuntime",
            "No runtime found to support specified framework/version",
            f"no runtime found to support predictor with model type: {{{wanted} <nil>}}",
        )
    containers[0] = next((c for c in containers if c["name"] == CONTAINER), containers[0])
    _check_support(containers[0])
    for container in containers:
        name = {"name": "INFERENCE_SERVICE_NAME", "value": isvc["metadata"]["name"]}
        container["env"] = [*(container.get("env") or ()), name]
    return {**{k: v for k, v in predictor.items() if k not in NOT_OF_A_POD}, "containers": containers}


def storage_uri(pods: Object) -> str:
    """Return where the storage initializer reads the model from; empty for none."""
    container = next((c for c in pods["containers"] if c["name"] == CONTAINER), pods["containers"][0])
    variables = {v["name"]: v.get("value", "") for v in container.get("env") or ()}
    return str(variables.get("STORAGE_URI", ""))


def disallowed_annotations(config: dict[str, str]) -> list[str]:
    """Return the annotations that `inferenceservice-config` keeps off revision templates."""
    section = json.loads(config.get("inferenceService", "{}"))
    return list(section.get("serviceAnnotationDisallowedList") or ())


def _check_support(container: Object) -> None:
    for unsupported in ("command", "envFrom"):
        if container.get(unsupported):
            text = f"{unsupported} is not supported; use the image's entry point, args and env"
            raise UnsupportedError(f"sandbox: container {container['name']}: {text}")
    for variable in container.get("env") or ():
        if variable.get("valueFrom"):
            text = f"env {variable['name']} has an unsupported valueFrom; give a value"
            raise UnsupportedError(f"sandbox: container {container['name']}: {text}")


def _annotations(isvc: Object, off: set[str]) -> dict[str, str]:
    given = {**(isvc["metadata"].get("annotations") or {}), **(isvc["spec"]["predictor"].get("annotations") or {})}
    return {key: value for key, value in given.items() if key not in off}


def _labels(isvc: Object) -> dict[str, str]:
    metadata = isvc["metadata"]
    own = {ISVC_LABEL: metadata["name"], "component": "predictor"}
    return {**(metadata.get("labels") or {}), **(isvc["spec"]["predictor"].get("labels") or {}), **own}


def _scaling(predictor: Object, annotations: dict[str, str]) -> dict[str, str]:
    low, high = predictor.get("minReplicas"), predictor.get("maxReplicas") or 0
    found = {
        f"{AUTOSCALING}/class": annotations.get(f"{AUTOSCALING}/class", f"kpa.{AUTOSCALING}"),
        f"{AUTOSCALING}/min-scale": "1" if low is None else str(low),
    }
    for key, field in (("target", "scaleTarget"), ("metric", "scaleMetric")):
        if predictor.get(field) is not None:
            found[f"{AUTOSCALING}/{key}"] = str(predictor[field])
    return found | ({f"{AUTOSCALING}/max-scale": str(high)} if high else {})


def _timing(predictor: Object) -> Object:
    concurrency = predictor.get("containerConcurrency")
    found: Object = {} if concurrency is None else {"containerConcurrency": concurrency}
    if (timeout := predictor.get("timeout")) is not None:
        found |= {"timeoutSeconds": timeout, "responseStartTimeoutSeconds": timeout}
    return found


def _traffic(isvc: Object, annotations: dict[str, str]) -> list[Object]:
    """Return the traffic targets; a canary percent has no effect before a revision has been rolled out."""
    component = (isvc.get("status") or {}).get("components", {}).get("predictor", {})
    rolled_out = component.get("latestRolledoutRevision", "")
    percent = isvc["spec"]["predictor"].get("canaryTrafficPercent")
    tag = {"tag": LATEST_TAG} if annotations.get(TAG_ROUTING) == "true" else {}
    if percent is None or not rolled_out:
        return [{"latestRevision": True, "percent": 100, **tag}]
    latest = {"latestRevision": True, "percent": percent, **tag}
    if percent >= 100:
        return [latest]
    previous = {"latestRevision": False, "percent": 100 - percent, "revisionName": rolled_out, "tag": PREVIOUS_TAG}
    return [latest, previous]
