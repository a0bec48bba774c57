"""What a local process needs of a revision's template: image, arguments, variables, model, probe."""

from dataclasses import dataclass, field

from sandbox.kubernetes.apiserver.admission import CONTAINER
from sandbox.kubernetes.apiserver.documents import Object

MODEL_MOUNT = "/mnt/models"
DEFAULT_PROBE = "/v2/health/ready"
MIN_SCALE = "autoscaling.knative.dev/min-scale"


@dataclass(frozen=True)
class Template:
    """One pod's template.

    Attributes:
        storage_uri: Where the storage initializer reads the model from; empty for none.
        grace: Seconds between SIGTERM and SIGKILL.
        copies: Number of pods that the revision asks for at least.
    """

    image: str
    args: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    storage_uri: str = ""
    service_account: str = "default"
    probe_path: str = DEFAULT_PROBE
    probe_timeout: float = 1.0
    grace: float = 30.0
    copies: int = 1


def read_template(revision: Object) -> Template:
    """Return the template of a revision's pods."""
    spec, annotations = revision["spec"], revision["metadata"].get("annotations") or {}
    container = next((c for c in spec["containers"] if c["name"] == CONTAINER), spec["containers"][0])
    env = {variable["name"]: variable.get("value", "") for variable in container.get("env") or ()}
    probe = container.get("readinessProbe") or {}
    return Template(
        image=container.get("image", ""),
        args=tuple(container.get("args") or ()),
        env=env | ({"STORAGE_URI": MODEL_MOUNT} if "STORAGE_URI" in env else {}),
        storage_uri=env.get("STORAGE_URI", ""),
        service_account=spec.get("serviceAccountName") or "default",
        probe_path=(probe.get("httpGet") or {}).get("path", DEFAULT_PROBE),
        probe_timeout=float(probe.get("timeoutSeconds", 1)),
        grace=float(spec.get("timeoutSeconds", 30)),
        copies=max(1, int(annotations.get(MIN_SCALE, "1"))),
    )
