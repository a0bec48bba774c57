"""The revision template of a predictor's specification in KServe's Knative mode."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from sandbox.kubernetes.apiserver.admission import CONTAINER
from sandbox.kubernetes.apiserver.documents import Object

MODEL_MOUNT = "/mnt/models"
DEFAULT_PROBE = "/v2/health/ready"
PROGRESS_DEADLINE = "serving.knative.dev/progress-deadline"
# KServe keeps these off the revision template (`ServiceAnnotationDisallowedList`) or moves them to the service.
OFF_TEMPLATE_ANNOTATIONS = frozenset(
    {
        "autoscaling.knative.dev/min-scale",
        "autoscaling.knative.dev/max-scale",
        "internal.serving.kserve.io/storage-initializer-sourceuri",
        "kubectl.kubernetes.io/last-applied-configuration",
        "serving.knative.dev/rollout-duration",
    }
)
OFF_TEMPLATE_LABELS = {"networking.knative.dev/visibility"}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class PredictorError(ValueError):
    """The predictor cannot be run; `reason` is a failure reason of KServe's `modelStatus`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Template:
    """One revision's template.

    Attributes:
        document: What Knative compares; a difference creates a new revision.
        storage_uri: Where the storage initializer reads the model from; empty for none.
        progress_deadline: Seconds until a revision that is not ready fails.
        grace: Seconds between SIGTERM and SIGKILL.
    """

    document: Object
    image: str
    args: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    storage_uri: str = ""
    service_account: str = "default"
    probe_path: str = DEFAULT_PROBE
    probe_timeout: float = 1.0
    progress_deadline: float = 600.0
    grace: float = 30.0


def read_template(isvc: Object, *, disallowed: Iterable[str] = ()) -> Template:
    """Return the revision template of an InferenceService.

    Args:
        isvc: The InferenceService.
        disallowed: More annotations that KServe's configuration keeps off the template.

    Raises:
        PredictorError: No local process can run the predictor.
    """
    predictor = isvc["spec"]["predictor"]
    document = _document(isvc, OFF_TEMPLATE_ANNOTATIONS.union(disallowed))
    container = _container(predictor)
    env = _environment(container)
    probe = container.get("readinessProbe") or {}
    return Template(
        document=document,
        image=container.get("image", ""),
        args=tuple(container.get("args") or ()),
        env=env | ({"STORAGE_URI": MODEL_MOUNT} if "STORAGE_URI" in env else {}),
        storage_uri=env.get("STORAGE_URI", ""),
        service_account=predictor.get("serviceAccountName") or "default",
        probe_path=(probe.get("httpGet") or {}).get("path", DEFAULT_PROBE),
        probe_timeout=float(probe.get("timeoutSeconds", 1)),
        progress_deadline=_seconds(document["annotations"].get(PROGRESS_DEADLINE, "600s")),
        grace=float(predictor.get("terminationGracePeriodSeconds", 30)),
    )


def _document(isvc: Object, off: frozenset[str]) -> Object:
    """Return the template; it includes annotations and labels of the object, so changing one creates a revision."""
    metadata, predictor = isvc["metadata"], dict(isvc["spec"]["predictor"])
    predictor.pop("canaryTrafficPercent", None)
    annotations = {**(metadata.get("annotations") or {}), **(predictor.pop("annotations", None) or {})}
    labels = {**(metadata.get("labels") or {}), **(predictor.pop("labels", None) or {})}
    return {
        "annotations": {k: v for k, v in annotations.items() if k not in off},
        "labels": {k: v for k, v in labels.items() if k not in OFF_TEMPLATE_LABELS},
        "predictor": predictor,
    }


def _container(predictor: Object) -> Object:
    containers: list[Object] = predictor.get("containers") or []
    if not containers:
        name = (predictor.get("model") or {}).get("modelFormat", {}).get("name", "")
        raise PredictorError("NoSupportingRuntime", f"No runtime found to support specified framework/version {name}")
    chosen = next((c for c in containers if c["name"] == CONTAINER), containers[0])
    for unsupported in ("command", "envFrom"):
        if chosen.get(unsupported):
            text = (
                f"container {chosen['name']}: {unsupported} is not supported; use the image's entry point, args and env"
            )
            raise PredictorError("InvalidPredictorSpec", text)
    return chosen


def _environment(container: Object) -> dict[str, str]:
    env = {}
    for entry in container.get("env") or ():
        if entry.get("valueFrom"):
            text = f"container {container['name']}: env {entry['name']} has an unsupported valueFrom; give a value"
            raise PredictorError("InvalidPredictorSpec", text)
        env[entry["name"]] = entry.get("value", "")
    return env


def _seconds(duration: str) -> float:
    """Return the seconds of a Go duration.

    >>> _seconds("1m30s")
    90.0
    """
    parts = _DURATION.findall(duration)
    if not parts or "".join(number + unit for number, unit in parts) != duration:
        raise PredictorError("InvalidPredictorSpec", f"{PROGRESS_DEADLINE}: {duration!r} is not a duration like 120s")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
