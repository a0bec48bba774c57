"""Knative's webhooks for Services: defaults of a revision template, and what they refuse.

The masks are those of Knative's `apis/serving/fieldmask.go`, `k8s_validation.go` and `apis/config/features.go`.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

from sandbox.kubernetes.apiserver.documents import Object

NAME = "validation.webhook.serving.knative.dev"
PROGRESS_DEADLINE = "serving.knative.dev/progress-deadline"
TIMEOUT_SECONDS, MAX_TIMEOUT_SECONDS = 300, 600
DISALLOWED = "must not set the field(s)"
POD_FIELDS = {"serviceAccountName", "containers", "volumes", "imagePullSecrets", "enableServiceLinks"}
# Pod fields and volumes that need a flag of ConfigMap `config-features`.
POD_FLAGS = {
    "affinity": "affinity",
    "topologySpreadConstraints": "topologyspreadconstraints",
    "hostAliases": "hostaliases",
    "nodeSelector": "nodeselector",
    "runtimeClassName": "runtimeclassname",
    "tolerations": "tolerations",
    "securityContext": "securitycontext",
    "shareProcessNamespace": "shareprocessnamespace",
    "priorityClassName": "priorityclassname",
    "schedulerName": "schedulername",
    "initContainers": "init-containers",
    "dnsPolicy": "dnspolicy",
    "dnsConfig": "dnsconfig",
    "hostIPC": "hostipc",
    "hostPID": "hostpid",
    "hostNetwork": "hostnetwork",
}
VOLUME_FLAGS = {
    "hostPath": ("HostPath", "volumes-hostpath"),
    "csi": ("CSI", "volumes-csi"),
    "ephemeral": ("Ephemeral", "volumes-ephemeral"),
    "image": ("Image", "volumes-image"),
}
VOLUMES = {"name", "secret", "configMap", "projected", "emptyDir", "persistentVolumeClaim", *VOLUME_FLAGS}
CLAIM_FLAG = "persistent-volume-claim"
CONTAINER_FIELDS = {
    *("name", "args", "command", "env", "workingDir", "envFrom", "image", "imagePullPolicy", "livenessProbe", "ports"),
    *("readinessProbe", "resources", "securityContext", "startupProbe", "terminationMessagePath"),
    *("terminationMessagePolicy", "volumeMounts"),
}
RESERVED_VARIABLES = ("PORT", "K_SERVICE", "K_CONFIGURATION", "K_REVISION")
LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
Fault = tuple[str, str]


def set_defaults(template: Object) -> None:
    """Set in place what Knative's mutating webhook sets in a revision template."""
    spec = template["spec"]
    spec["timeoutSeconds"] = spec.get("timeoutSeconds") or TIMEOUT_SECONDS
    spec.setdefault("containerConcurrency", 0)
    spec.setdefault("enableServiceLinks", False)
    writable = {v["name"] for v in spec.get("volumes", ()) if _is_writable(v)}
    for container in spec["containers"]:
        container.setdefault("resources", {})
        for mount in container.get("volumeMounts", ()):
            if mount.get("name") not in writable:
                mount["readOnly"] = True
        if len(spec["containers"]) == 1 or container.get("ports"):
            _default_probe(container.setdefault("readinessProbe", {}))


def _is_writable(volume: Object) -> bool:
    return any(volume.get(kind) is not None for kind in ("emptyDir", "persistentVolumeClaim", "ephemeral"))


def _default_probe(probe: Object) -> None:
    if not any(kind in probe for kind in ("tcpSocket", "httpGet", "exec", "grpc")):
        probe["tcpSocket"] = {"port": 0}
    probe.setdefault("successThreshold", 1)
    if probe.get("periodSeconds"):
        probe.setdefault("failureThreshold", 3)
        probe.setdefault("timeoutSeconds", 1)


def refusal(service: Object, features: Mapping[str, str]) -> str:
    """Return the API server's message if the webhook refuses a Service, else an empty text.

    Args:
        service: The Service, with defaults.
        features: Data of ConfigMap `config-features`.
    """
    paths: defaultdict[str, set[str]] = defaultdict(set)
    for message, path in _faults(service, features):
        paths[message] |= {path} if path else set()
    if not paths:
        return ""
    text = "\n".join(f"{message}: {', '.join(sorted(found))}" for message, found in sorted(paths.items()))
    return f'admission webhook "{NAME}" denied the request: validation failed: {text}'


def _faults(service: Object, features: Mapping[str, str]) -> Iterator[Fault]:
    template = service["spec"]["template"]
    yield from _name_faults(service["metadata"]["name"])
    yield from _deadline_faults((template["metadata"].get("annotations") or {}).get(PROGRESS_DEADLINE, ""))
    spec, path = template["spec"], "spec.template.spec"
    timeout = spec["timeoutSeconds"]
    if not 0 <= timeout <= MAX_TIMEOUT_SECONDS:
        yield f"expected 0 <= {timeout} <= {MAX_TIMEOUT_SECONDS}", f"{path}.timeoutSeconds"
    yield from _pod_faults(spec, path, features)
    for number, volume in enumerate(spec.get("volumes") or ()):
        yield from _volume_faults(volume, f"{path}.volumes[{number}]", features)
    for number, container in enumerate(spec["containers"]):
        yield from _container_faults(container, f"{path}.containers[{number}]", features)


def _name_faults(name: str) -> Iterator[Fault]:
    if len(name) > 63:
        yield "not a DNS 1035 label: [must be no more than 63 characters]", "metadata.name"
    elif not LABEL.fullmatch(name):
        yield "not a DNS 1035 label", "metadata.name"


def _deadline_faults(value: str) -> Iterator[Fault]:
    if not value:
        return
    path = f"spec.template.metadata.annotations.{PROGRESS_DEADLINE}"
    found = seconds(value)
    if found is None:
        yield f"invalid value: {value}", path
    elif found != int(found):
        yield f"progress-deadline={value} is not at second precision", path


def _pod_faults(spec: Object, path: str, features: Mapping[str, str]) -> Iterator[Fault]:
    revision = {"timeoutSeconds", "responseStartTimeoutSeconds", "idleTimeoutSeconds", "containerConcurrency"}
    allowed = revision | POD_FIELDS | {key for key, flag in POD_FLAGS.items() if _flag(features, flag)}
    if spec.get("automountServiceAccountToken") is False:
        allowed.add("automountServiceAccountToken")
    for key in spec.keys() - allowed:
        if _is_set(spec[key]):
            yield DISALLOWED, f"{path}.{key}"
    if spec.get("initContainers") and features.get("kubernetes.podspec-init-containers", "").lower() != "enabled":
        count = len(spec["initContainers"])
        yield f"pod spec support for init-containers is off, but found {count} init containers", ""


def _volume_faults(volume: Object, path: str, features: Mapping[str, str]) -> Iterator[Fault]:
    for key, (kind, flag) in VOLUME_FLAGS.items():
        if volume.get(key) is not None and not _flag(features, flag):
            yield f"{kind} volume support is disabled, but found {kind} volume {volume['name']}", ""
            yield DISALLOWED, f"{path}.{key}"
    claim = volume.get("persistentVolumeClaim")
    if claim is not None and not _flag(features, CLAIM_FLAG):
        name = claim.get("claimName", "")
        yield f"Persistent volume claim support is disabled, but found persistent volume claim {name}", ""
        yield DISALLOWED, f"{path}.persistentVolumeClaim"
    for key in volume.keys() - VOLUMES:
        yield DISALLOWED, f"{path}.{key}"


def _container_faults(container: Object, path: str, features: Mapping[str, str]) -> Iterator[Fault]:
    for key in container.keys() - CONTAINER_FIELDS:
        if _is_set(container[key]):
            yield DISALLOWED, f"{path}.{key}"
    if not container.get("image"):
        yield "missing field(s)", f"{path}.image"
    for number, variable in enumerate(container.get("env") or ()):
        where = f"{path}.env[{number}]"
        if variable["name"] in RESERVED_VARIABLES:
            yield f'"{variable["name"]}" is a reserved environment variable', f"{where}.name"
        for key in ("fieldRef", "resourceFieldRef"):
            if key in (variable.get("valueFrom") or {}) and not _flag(features, "fieldref"):
                yield DISALLOWED, f"{where}.valueFrom.{key}"


def _flag(features: Mapping[str, str], flag: str) -> bool:
    """Return whether a feature is not disabled, which is what Knative's masks ask."""
    return features.get(f"kubernetes.podspec-{flag}", "disabled").lower() in ("enabled", "allowed")


def _is_set(value: object) -> bool:
    """Return whether a value differs from Go's zero value."""
    return value not in (None, False, "", 0, [], {})


def seconds(duration: str) -> float | None:
    """Return the seconds of a Go duration; None if it is not one.

    >>> seconds("1m30s")
    90.0
    """
    parts = DURATION.findall(duration)
    if not parts or "".join(number + unit for number, unit in parts) != duration:
        return None
    return sum(float(number) * UNITS[unit] for number, unit in parts)
