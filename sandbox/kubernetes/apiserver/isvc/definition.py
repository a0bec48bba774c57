"""The schema of InferenceServices: KServe's models, with the requirements that KServe's build takes out again."""

from functools import cache
from typing import Any

from sandbox.kubernetes.apiserver.schema import Schema, schema_of

COMPONENTS = ("predictor", "transformer", "explainer")
PROBES = ("livenessProbe", "readinessProbe")
GROUP = "serving.kserve.io"


def _column(name: str, path: str, kind: str = "string") -> dict[str, str]:
    return {"jsonPath": path, "name": name, "type": kind}


_TRAFFIC = ".status.components.predictor.traffic"
# What `kubectl get` shows of an InferenceService.
COLUMNS = (
    _column("URL", ".status.url"),
    _column("Ready", ".status.conditions[?(@.type=='Ready')].status"),
    _column("Prev", f"{_TRAFFIC}[?(@.tag=='prev')].percent", "integer"),
    _column("Latest", f"{_TRAFFIC}[?(@.latestRevision==true)].percent", "integer"),
    _column("PrevRolledoutRevision", f"{_TRAFFIC}[?(@.tag=='prev')].revisionName"),
    _column("LatestReadyRevision", f"{_TRAFFIC}[?(@.latestRevision==true)].revisionName"),
    _column("Age", ".metadata.creationTimestamp", "date"),
)


@cache
def inference_service_schema() -> Schema:
    """Return the schema of InferenceServices."""
    whole = schema_of("V1beta1InferenceService")
    spec = whole["properties"]["spec"]
    components = {name: _component(spec["properties"][name]) for name in COMPONENTS}
    status = {**whole["properties"]["status"], "x-kubernetes-preserve-unknown-fields": True}
    properties = {**whole["properties"], "spec": _with(spec, components), "status": status}
    return {**whole, "properties": properties}


def _component(component: Schema) -> Schema:
    """Return a component whose implementations require nothing: all of them may be left out."""
    properties = {name: _implementation(field) for name, field in component["properties"].items()}
    properties.pop("ephemeralContainers", None)
    containers = properties["containers"]
    items = _relaxed_probes(containers["items"], ("httpGet",))
    return {**component, "properties": {**properties, "containers": {**containers, "items": items}}}


def _implementation(field: Schema) -> Schema:
    kept = {key: value for key, value in field.items() if key != "required"} if field.get("type") == "object" else field
    return _relaxed_probes(kept, ("httpGet", "tcpSocket"))


def _relaxed_probes(container: Schema, actions: tuple[str, ...]) -> Schema:
    """Return a container whose probes do not require a port: KServe fills it in."""
    fields = container.get("properties", {})
    probes = {
        probe: _with(fields[probe], {action: _optional(fields[probe]["properties"][action]) for action in actions})
        for probe in PROBES
        if probe in fields
    }
    return _with(container, probes) if probes else container


def _optional(schema: Schema) -> Schema:
    return {key: value for key, value in schema.items() if key != "required"}


def _with(schema: Schema, properties: dict[str, Any]) -> Schema:
    return {**schema, "properties": {**schema["properties"], **properties}}
