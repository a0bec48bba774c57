"""What KServe's mutating webhook sets in an InferenceService."""

from typing import Any

from sandbox.kubernetes.apiserver.documents import Object

CONTAINER = "kserve-container"
MODE_ANNOTATION = "serving.kserve.io/deploymentMode"
FORMAT_ANNOTATION = "modelFormat"
LEGACY_MODES = {"Serverless": "Knative", "RawDeployment": "Standard"}
# Fields of a predictor that name a framework, and the model format that KServe turns them into.
FRAMEWORKS = {
    "sklearn": "sklearn",
    "tensorflow": "tensorflow",
    "xgboost": "xgboost",
    "pytorch": "pytorch",
    "triton": "triton",
    "onnx": "onnx",
    "huggingface": "huggingface",
    "pmml": "pmml",
    "lightgbm": "lightgbm",
    "paddle": "paddle",
}
V2_BY_DEFAULT = ("triton", "onnx", "huggingface")
COMPONENTS = ("predictor", "transformer", "explainer")
# KServe's own `inferenceservice-config`: what a container requests and is limited to unless it says otherwise.
RESOURCES = {"cpu": "1", "memory": "2Gi"}


def set_defaults(isvc: Object) -> None:
    """Set KServe's defaults in an InferenceService, in place."""
    _rename_mode(isvc["metadata"])
    spec = isvc["spec"]
    predictor = spec.get("predictor")
    if isinstance(predictor, dict):
        _model_of_framework(predictor)
        _name_format(isvc["metadata"], predictor)
    for name in COMPONENTS:
        if isinstance(component := spec.get(name), dict):
            _default_component(component)


def _rename_mode(metadata: Object) -> None:
    annotations = metadata.get("annotations") or {}
    if annotations.get(MODE_ANNOTATION) in LEGACY_MODES:
        annotations[MODE_ANNOTATION] = LEGACY_MODES[annotations[MODE_ANNOTATION]]


def _model_of_framework(predictor: Object) -> None:
    """Turn the first framework field into a model of that format."""
    name = next((name for name in FRAMEWORKS if predictor.get(name) is not None), None)
    if name is None or not isinstance(predictor[name], dict):
        return
    model = predictor.pop(name)
    if name in V2_BY_DEFAULT:
        model.setdefault("protocolVersion", "v2")
    predictor["model"] = {"modelFormat": {"name": FRAMEWORKS[name]}, **model}


def _name_format(metadata: Object, predictor: Object) -> None:
    model = predictor.get("model")
    name = model.get("modelFormat", {}).get("name") if isinstance(model, dict) else None
    if not name or not isinstance(model, dict):
        return
    if name in ("triton", "vllm"):
        model.setdefault("protocolVersion", "v2")
    metadata["annotations"] = {FORMAT_ANNOTATION: name, **(metadata.get("annotations") or {})}


def implementations(component: Object) -> list[Object]:
    """Return the containers that implement a component; KServe wants exactly one."""
    found: list[Object] = [component[name] for name in (*FRAMEWORKS, "model", "art") if component.get(name) is not None]
    containers = component.get("containers") or []
    named = [each for each in containers if each.get("name") == CONTAINER]
    return [*found, *(named or (containers[:1] if not found else []))]


def _default_component(component: Object) -> None:
    """Name the container of a custom component and limit it; a runtime's limits come with the runtime."""
    found = implementations(component)
    if len(found) != 1:
        return
    containers: list[dict[str, Any]] = component.get("containers") or []
    if not any(found[0] is each for each in containers):
        # KServe writes these back from Go, whose containers always have both.
        found[0].setdefault("name", "")
        found[0].setdefault("resources", {})
        return
    if len(containers) == 1 or not containers[0].get("name"):
        containers[0]["name"] = CONTAINER
    resources = containers[0].setdefault("resources", {})
    for kind in ("limits", "requests"):
        resources[kind] = {**RESOURCES, **(resources.get(kind) or {})}
