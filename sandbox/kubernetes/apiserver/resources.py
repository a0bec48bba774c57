"""The resource types of this API, and the initial objects of a cluster with KServe."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.kubernetes.apiserver import admission
from sandbox.kubernetes.apiserver.documents import Object
from sandbox.kubernetes.apiserver.isvc.definition import COLUMNS, GROUP, inference_service_schema
from sandbox.kubernetes.apiserver.schema import ANYTHING, Schema, schema_of


def _admit_all(_new: Object, _old: Object | None) -> None:
    """Accept every object: core resources have no webhook here."""


@dataclass(frozen=True)
class ResourceType:
    """One resource type in discovery.

    Attributes:
        prefix: Path up to the version, such as `/api/v1`.
        model: Generated model with the schema; empty for a resource that accepts anything.
        custom: Whether it is a custom resource: no strategic merge patch, and a status subresource isolated both ways.
        admit: Mutating and validating webhook; takes the new and the old object, raises `ApiError`.
    """

    prefix: str
    plural: str
    kind: str
    model: str
    namespaced: bool = True
    custom: bool = False
    short_names: tuple[str, ...] = ()
    admit: Callable[[Object, Object | None], None] = _admit_all
    make_schema: Callable[[], Schema] | None = None

    @property
    def group(self) -> str:
        """The API group; empty for the core group."""
        parts = self.prefix.split("/")
        return parts[2] if parts[1] == "apis" else ""

    @property
    def api_version(self) -> str:
        """The `apiVersion` of its objects."""
        return self.prefix.removeprefix("/apis/").removeprefix("/api/")

    @property
    def qualified(self) -> str:
        """`plural.group`, the resource's name in error messages."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def schema(self) -> Schema:
        """The OpenAPI schema of its objects."""
        if self.make_schema:
            return self.make_schema()
        return schema_of(self.model) if self.model else ANYTHING

    def discovery(self) -> list[Object]:
        """Return its entries in an `APIResourceList`."""
        verbs = ["create", "delete", "get", "list", "patch", "update", "watch"]
        entry: Object = {
            "name": self.plural,
            "singularName": self.kind.lower(),
            "namespaced": self.namespaced,
            "kind": self.kind,
            "verbs": verbs,
            "shortNames": list(self.short_names),
        }
        if not self.custom:
            return [entry]
        status = {"name": f"{self.plural}/status", "singularName": "", "namespaced": True, "kind": self.kind}
        return [entry, {**status, "verbs": ["get", "patch", "update"]}]


INFERENCE_SERVICES = ResourceType(
    f"/apis/{GROUP}/v1beta1",
    "inferenceservices",
    "InferenceService",
    "V1beta1InferenceService",
    custom=True,
    short_names=("isvc",),
    admit=admission.inference_service,
    make_schema=inference_service_schema,
)
NAMESPACES = ResourceType("/api/v1", "namespaces", "Namespace", "V1Namespace", namespaced=False, short_names=("ns",))
CONFIG_MAPS = ResourceType("/api/v1", "configmaps", "ConfigMap", "V1ConfigMap", short_names=("cm",))
DEFINITIONS = ResourceType(
    "/apis/apiextensions.k8s.io/v1",
    "customresourcedefinitions",
    "CustomResourceDefinition",
    "",
    namespaced=False,
    short_names=("crd",),
)
PODS = ResourceType("/api/v1", "pods", "Pod", "V1Pod", short_names=("po",))
EVENTS = ResourceType("/api/v1", "events", "Event", "CoreV1Event", short_names=("ev",))
TYPES = (INFERENCE_SERVICES, NAMESPACES, CONFIG_MAPS, PODS, EVENTS, DEFINITIONS)


def definition() -> Object:
    """Return the custom resource definition of InferenceServices, ready to create on any API server."""
    kind = INFERENCE_SERVICES
    names = {"plural": kind.plural, "singular": kind.kind.lower(), "kind": kind.kind, "listKind": f"{kind.kind}List"}
    properties = {k: v for k, v in kind.schema["properties"].items() if k != "metadata"}
    version = {
        "name": "v1beta1",
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {**properties, "metadata": {"type": "object"}}}},
    }
    return {
        "apiVersion": DEFINITIONS.api_version,
        "kind": DEFINITIONS.kind,
        "metadata": {"name": kind.qualified},
        "spec": {
            "group": GROUP,
            "names": {**names, "shortNames": list(kind.short_names)},
            "scope": "Namespaced",
            "versions": [version],
        },
        "status": {
            "acceptedNames": names,
            "storedVersions": ["v1beta1"],
            "conditions": [{"type": "Established", "status": "True", "reason": "InitialNamesAccepted"}],
        },
    }


def initial_objects(namespace: str) -> list[tuple[ResourceType, Object]]:
    """Return the objects of a new cluster with KServe installed."""
    deploy = json.dumps({"defaultDeploymentMode": "Knative"})
    config = {"metadata": {"name": "inferenceservice-config", "namespace": "kserve"}, "data": {"deploy": deploy}}
    spaces = ["default", "kube-system", "kserve", namespace]
    return [
        *((NAMESPACES, {"metadata": {"name": name}, "status": {"phase": "Active"}}) for name in spaces),
        (CONFIG_MAPS, config),
        (DEFINITIONS, definition()),
    ]
