"""KServe's webhook rules for InferenceServices, which the schema of the definition does not cover."""

import re

from sandbox.kubernetes.apiserver.documents import Json, Object
from sandbox.kubernetes.apiserver.errors import ForbiddenError

NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
CONTAINER = "kserve-container"
MODE_ANNOTATION = "serving.kserve.io/deploymentMode"
MODES = {"Knative": "Knative", "Serverless": "Knative", "Standard": "Standard", "RawDeployment": "Standard"}
FRAMEWORKS = (
    "sklearn",
    "xgboost",
    "tensorflow",
    "pytorch",
    "triton",
    "onnx",
    "huggingface",
    "pmml",
    "lightgbm",
    "paddle",
    "model",
)


def deployment_mode(isvc: Object) -> str:
    """Return `Knative` or `Standard`: the object's annotation, or KServe's default."""
    annotation = (isvc.get("metadata", {}).get("annotations") or {}).get(MODE_ANNOTATION, "Knative")
    return MODES.get(annotation, "Knative")


def inference_service(new: Object, old: Object | None) -> None:
    """Set defaults in `new` in place as KServe's mutating webhook does, then apply the rules of its validating webhook.

    Raises:
        ForbiddenError: The object breaks a rule; the message names it.
    """
    predictor = new.get("spec", {}).get("predictor")
    if not isinstance(predictor, dict):
        return  # the later schema check names the field
    _default_container(predictor)
    for fault in (_name_fault(new), _implementation_fault(predictor), _replica_fault(predictor), _mode_fault(new, old)):
        if fault:
            raise ForbiddenError(
                f'admission webhook "inferenceservice.kserve-webhook-server.validator" denied the request: {fault}'
            )
    for component in ("predictor", "transformer", "explainer"):
        _check_component(new["spec"].get(component), component)


def _default_container(predictor: Object) -> None:
    containers = predictor.get("containers")
    if isinstance(containers, list) and len(containers) == 1 and isinstance(containers[0], dict):
        containers[0]["name"] = CONTAINER


def _name_fault(new: Object) -> str | None:
    name = str(new["metadata"].get("name", ""))
    if NAME.fullmatch(name):
        return None
    return (
        f'the InferenceService "{name}" is invalid: a InferenceService name must consist of lower case alphanumeric '
        'characters or \'-\', and must start with alphabetical character. (e.g. "my-name" or "abc-123", regex used '
        "for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
    )


def _implementation_fault(predictor: Object) -> str | None:
    count = sum(1 for name in FRAMEWORKS if predictor.get(name) is not None) + bool(predictor.get("containers"))
    if count == 1:
        return None
    return "exactly one of [Custom, ONNX, Triton, …, Model] must be specified in PredictorSpec"


def _replica_fault(predictor: Object) -> str | None:
    low, high = predictor.get("minReplicas"), predictor.get("maxReplicas")
    numbers = [n for n in (low, high) if isinstance(n, int)]
    if any(n < 0 for n in numbers):
        return "minReplicas and maxReplicas cannot be less than 0"
    if len(numbers) == 2 and 0 < numbers[1] < numbers[0]:
        return "minReplicas cannot be greater than maxReplicas"
    return None


def _mode_fault(new: Object, old: Object | None) -> str | None:
    before = ((old or {}).get("status") or {}).get("deploymentMode")
    after = deployment_mode(new)
    if not before or before == after:
        return None
    return f"update rejected: deploymentMode cannot be changed from '{before}' to '{after}'"


def _check_component(component: Json, name: str) -> None:
    """Check the rules shared by all components."""
    if not isinstance(component, dict):
        return
    percent = component.get("canaryTrafficPercent")
    if isinstance(percent, int) and not 0 <= percent <= 100:
        raise ForbiddenError(f"{name}: canaryTrafficPercent {percent} must be between 0 and 100")
    logger = component.get("logger")
    if isinstance(logger, dict) and logger.get("mode") not in ("all", "request", "response"):
        raise ForbiddenError(f"{name}: logger.mode must be one of all, request, response")
