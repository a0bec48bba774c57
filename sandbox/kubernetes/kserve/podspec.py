"""What a local process needs of a revision's template: image, arguments, variables, model, probe."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from kubernetes.utils.quantity import parse_quantity

from sandbox.containers import Limits
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
        limits: What its container may use.
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
    limits: Limits = field(default_factory=Limits)


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
        limits=_limits(container, spec.get("volumes") or ()),
    )


def _limits(container: dict[str, Any], volumes: Iterable[dict[str, Any]]) -> Limits:
    """Return the limits of a container; scratch folders are its `emptyDir` mounts."""
    given = (container.get("resources") or {}).get("limits") or {}
    security = container.get("securityContext") or {}
    empty = {volume["name"]: volume["emptyDir"] for volume in volumes if "emptyDir" in volume}
    mounts = [mount for mount in container.get("volumeMounts") or () if mount["name"] in empty]
    return Limits(
        cpus=float(parse_quantity(given["cpu"])) if "cpu" in given else None,
        memory=int(parse_quantity(given["memory"])) if "memory" in given else None,
        scratch={m["mountPath"]: _bytes((empty[m["name"]] or {}).get("sizeLimit", "1Gi")) for m in mounts},
        read_only_root=bool(security.get("readOnlyRootFilesystem")),
        confined=security.get("allowPrivilegeEscalation") is False,
    )


def _bytes(quantity: str) -> int:
    return int(parse_quantity(quantity))
