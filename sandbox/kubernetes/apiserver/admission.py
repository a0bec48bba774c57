"""KServe's webhooks for InferenceServices: what they set, and the rules that the schema does not cover."""

import re
from collections.abc import Callable, Iterator

from sandbox.kubernetes.apiserver.documents import Json, Object
from sandbox.kubernetes.apiserver.errors import ForbiddenError
from sandbox.kubernetes.apiserver.isvc import defaulting
from sandbox.kubernetes.apiserver.isvc.defaulting import (
    COMPONENTS,
    MODE_ANNOTATION,
    implementations,
    set_defaults,
)

CONTAINER = defaulting.CONTAINER
# The fields of a predictor that hold a model server.
FRAMEWORKS = (*defaulting.FRAMEWORKS, "model")
NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
MODES = {"Knative": "Knative", "Serverless": "Knative", "Standard": "Standard", "RawDeployment": "Standard"}
AUTOSCALER_ANNOTATION = "serving.kserve.io/autoscalerClass"
AUTOSCALERS = ("hpa", "external", "keda", "none")
BLOCKED_ENVIRONMENT = ("PYTHONPATH",)
# The fields of KServe's Go types, in their order, as its message lists them.
ONE_OF = {
    "predictor": (
        "PredictorSpec",
        "Name, SKLearn, XGBoost, Tensorflow, PyTorch, Triton, ONNX, HuggingFace, PMML, LightGBM, Paddle, Model, "
        "StorageUris, StorageContainerName, WorkerSpec, PodSpec",
    ),
    "transformer": ("TransformerSpec", "PodSpec, ComponentExtensionSpec"),
    "explainer": ("ExplainerSpec", "ART, PodSpec, ComponentExtensionSpec"),
}


def deployment_mode(isvc: Object) -> str:
    """Return `Knative` or `Standard`: the object's annotation, or KServe's default."""
    annotation = (isvc.get("metadata", {}).get("annotations") or {}).get(MODE_ANNOTATION, "Knative")
    return MODES.get(annotation, "Knative")


def inference_service(new: Object, old: Object | None) -> None:
    """Set defaults in `new` in place as KServe's mutating webhook does, then apply the rules of its validating webhook.

    Raises:
        ForbiddenError: The object breaks a rule; the message names it.
    """
    default_inference_service(new, old)
    check_inference_service(new, old)


def default_inference_service(new: Object, _old: Object | None) -> None:
    """Set defaults in `new` in place as KServe's mutating webhook does."""
    if isinstance(new.get("spec", {}).get("predictor"), dict):
        set_defaults(new)


def check_inference_service(new: Object, old: Object | None) -> None:
    """Apply the rules of KServe's validating webhook.

    Raises:
        ForbiddenError: The object breaks a rule; the message names it.
    """
    if new["metadata"].get("deletionTimestamp"):
        return
    for fault in _faults(new, old):
        name = "inferenceservice.kserve-webhook-server.validator"
        raise ForbiddenError(f'admission webhook "{name}" denied the request: {fault}')


def _faults(new: Object, old: Object | None) -> Iterator[str]:
    spec = new["spec"]
    yield from _mode_faults(new, old)
    yield from _predictor_name_faults(new, old)
    yield from _name_faults(new)
    yield from _autoscaler_faults(new)
    yield from _environment_faults(new)
    yield from _transformer_storage_faults(spec["predictor"])
    yield from _standard_name_faults(spec["predictor"])
    for name in COMPONENTS:
        if isinstance(component := spec.get(name), dict):
            yield from _component_faults(component, name, knative=deployment_mode(new) == "Knative")
    yield from _canary_faults(new)


def _mode_faults(new: Object, old: Object | None) -> Iterator[str]:
    before = ((old or {}).get("status") or {}).get("deploymentMode")
    after = (new["metadata"].get("annotations") or {}).get(MODE_ANNOTATION)
    if before and after and MODES.get(before, before) != after:
        yield f"update rejected: deploymentMode cannot be changed from '{before}' to '{after}'"


def _predictor_name_faults(new: Object, old: Object | None) -> Iterator[str]:
    if old is None:
        return
    before, after = old["spec"]["predictor"], new["spec"]["predictor"]
    if before.get("name") != after.get("name") and _storage_uri(before) == _storage_uri(after):
        yield "predictor.name change requires a model change (e.g. storageUri)"


def _storage_uri(component: Object) -> str:
    """Return where a component's model is: a field of a model, a variable of a container."""
    for found in implementations(component):
        if "storageUri" in found:
            return str(found["storageUri"])
        variables = found.get("env") or ()
        return next((str(each.get("value", "")) for each in variables if each["name"] == "STORAGE_URI"), "")
    return ""


def _name_faults(new: Object) -> Iterator[str]:
    name = str(new["metadata"].get("name", ""))
    if not NAME.fullmatch(name):
        yield (
            f'the InferenceService "{name}" is invalid: a InferenceService name must consist of lower case '
            "alphanumeric characters or '-', and must start with alphabetical character. (e.g. \"my-name\" or "
            "\"abc-123\", regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
        )


def _autoscaler_faults(new: Object) -> Iterator[str]:
    given = (new["metadata"].get("annotations") or {}).get(AUTOSCALER_ANNOTATION)
    if given is not None and given not in AUTOSCALERS:
        yield f"[{given}] is not a supported autoscaler class type"


def _environment_faults(new: Object) -> Iterator[str]:
    for component in (new["spec"].get(name) or {} for name in COMPONENTS):
        lists = (component.get("containers") or [], component.get("initContainers") or [], implementations(component))
        for container in (each for containers in lists for each in containers):
            for variable in container.get("env") or ():
                if variable["name"] in BLOCKED_ENVIRONMENT:
                    yield (
                        f'the InferenceService "{new["metadata"]["name"]}" is invalid: setting {variable["name"]} in '
                        f'container "{container.get("name", "")}" is not allowed for security reasons'
                    )


def _transformer_storage_faults(predictor: Object) -> Iterator[str]:
    for container in predictor.get("containers") or ():
        if container.get("name") == "transformer-container":
            if any(each["name"] == "STORAGE_URI" for each in container.get("env") or ()):
                yield "storage uri should not be specified in transformer container"
            return


def _standard_name_faults(predictor: Object) -> Iterator[str]:
    for name in FRAMEWORKS:
        if isinstance(model := predictor.get(name), dict) and model.get("name"):
            yield "the 'name' field is not allowed in standard predictor"


def _component_faults(component: Object, name: str, *, knative: bool) -> Iterator[str]:
    """Yield the faults of the rules that all components share."""
    found = implementations(component)
    if len(found) != 1:
        kind, fields = ONE_OF[name]
        yield f"exactly one of [{fields}] must be specified in {kind}"
    elif name == "predictor" and any(found[0] is each for each in component.get("containers") or ()):
        yield from _protocol_faults(component["containers"][0])
    for check in _EXTENSION_CHECKS:
        yield from check(component)
    if knative:
        yield from _knative_scaling_faults(component)


def _protocol_faults(container: Object) -> Iterator[str]:
    for variable in container.get("env") or ():
        if variable["name"] == "PROTOCOL":
            if variable.get("value") not in ("v1", "v2"):
                yield f"invalid protocol v1, v2. Must be one of [{variable.get('value', '')}]"
            return


def _concurrency_faults(component: Object) -> Iterator[str]:
    if component.get("containerConcurrency", 0) < 0:
        yield "parallelism cannot be less than 0"


def _replica_faults(component: Object) -> Iterator[str]:
    low, high = component.get("minReplicas", 1), component.get("maxReplicas", 0)
    if low < 0:
        yield "'MinReplicas' cannot be less than 0"
    if high < 0:
        yield "'MaxReplicas' cannot be less than 0"
    if low > high != 0:
        yield "'MinReplicas' cannot be greater than MaxReplicas"


def _logger_faults(component: Object) -> Iterator[str]:
    logger: Json = component.get("logger")
    if logger is None:
        return
    if logger.get("mode") not in ("all", "request", "response"):
        yield "invalid logger type"
    storage = logger.get("storage")
    if storage is not None and any(storage.get(key) is None for key in ("path", "parameters", "key")):
        yield "invalid logger storage configuration"


def _knative_scaling_faults(component: Object) -> Iterator[str]:
    if component.get("deploymentStrategy") is not None:
        yield "customizing deploymentStrategy is only supported for raw deployment mode"
    metric = component.get("scaleMetric", "concurrency")
    if metric not in ("concurrency", "rps"):
        yield f"[{metric}] is not a supported metric"
    if metric == "rps" and component.get("scaleTarget", 1) < 1:
        yield "the target for rps should be greater than 1"


_EXTENSION_CHECKS: tuple[Callable[[Object], Iterator[str]], ...] = (
    _concurrency_faults,
    _replica_faults,
    _logger_faults,
)


def _canary_faults(new: Object) -> Iterator[str]:
    if new["spec"].get("canary") and deployment_mode(new) != "Standard":
        yield "canary is only supported in Standard deployment mode"
