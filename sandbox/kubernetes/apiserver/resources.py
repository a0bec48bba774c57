"""The resource types of this API, and the initial objects of a cluster with KServe."""

import base64
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox.kubernetes.apiserver import admission, core
from sandbox.kubernetes.apiserver.documents import Object
from sandbox.kubernetes.apiserver.errors import FieldError
from sandbox.kubernetes.apiserver.isvc.definition import COLUMNS, GROUP, inference_service_schema
from sandbox.kubernetes.apiserver.schema import ANYTHING, Schema, schema_of
from sandbox.kubernetes.apiserver.syntax import LABEL, SUBDOMAIN, Form

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
CUSTOM_VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
# What deployments/kserve/knative-features.yaml switches on; a test compares the two.
FEATURES = {
    "kubernetes.podspec-nodeselector": "enabled",
    "kubernetes.podspec-tolerations": "enabled",
    "kubernetes.podspec-topologyspreadconstraints": "enabled",
}


def _admit_all(_new: Object, _old: Object | None) -> None:
    """Accept every object: core resources have no webhook here."""


@dataclass(frozen=True, eq=False)
class ResourceType:
    """One resource type in discovery.

    Attributes:
        prefix: Path up to the version, such as `/api/v1`.
        model: Generated model with the schema; empty for a resource that accepts anything.
        custom: Whether it is a custom resource: no strategic merge patch, and a status subresource isolated both ways.
        admit: Validating webhook; takes the new and the old object, raises `ApiError`.
        make_schema: Returns the schema where no model has it.
        subresource: Whether a resource that is not custom has a status subresource.
        columns: What `kubectl get` shows, with JSON paths; empty for name and age.
        mutate: Mutating webhook; changes the new object in place.
        prepare: Sets the server's defaults in a new object.
        finish: Sets what nobody is said to own in a new object.
        check: Returns the faults that the schema does not cover.
        name_form: The form of its objects' names.
        empty: An object as Go has it before anything is set: fields that are never left out.
        verbs: What discovery says can be done.
        categories: Groups of resources, such as `all`, that it belongs to.
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
    subresource: bool = False
    columns: Sequence[dict[str, Any]] = ()
    mutate: Callable[[Object, Object | None], None] | None = None
    prepare: Callable[[Object], None] | None = None
    finish: Callable[[Object], None] | None = None
    check: Callable[[Object, Object | None], Iterable[FieldError]] | None = None
    name_form: Form = SUBDOMAIN
    empty: Object = field(default_factory=dict)
    verbs: tuple[str, ...] = VERBS
    categories: tuple[str, ...] = ()

    @property
    def group(self) -> str:
        """The API group; empty for the core group."""
        parts = self.prefix.split("/")
        return parts[2] if parts[1] == "apis" else ""

    @property
    def version(self) -> str:
        """The version within the group."""
        return self.prefix.rsplit("/", 1)[-1]

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

    @property
    def status(self) -> bool:
        """Whether it has a status subresource."""
        return self.custom or self.subresource

    @property
    def generation(self) -> bool:
        """Whether the server counts the changes of its specification."""
        return self.custom

    @property
    def _storage_hash(self) -> str:
        """What changes when the objects are stored in another version."""
        digest = hashlib.sha256(f"{self.group}/{self.version}/{self.kind}".encode()).digest()
        return base64.b64encode(digest[:8]).decode()

    def discovery(self) -> list[Object]:
        """Return its entries in an `APIResourceList`."""
        entry: Object = {
            "name": self.plural,
            "singularName": self.kind.lower() if self.custom else "",
            "namespaced": self.namespaced,
            "kind": self.kind,
            "verbs": list(CUSTOM_VERBS if self.custom else self.verbs),
            **({"shortNames": list(self.short_names)} if self.short_names else {}),
            "storageVersionHash": self._storage_hash,
            **({"categories": list(self.categories)} if self.categories else {}),
        }
        if not self.status:
            return [entry]
        part = {"name": f"{self.plural}/status", "singularName": "", "namespaced": self.namespaced, "kind": self.kind}
        return [entry, {**part, "verbs": ["get", "patch", "update"]}]


INFERENCE_SERVICES = ResourceType(
    f"/apis/{GROUP}/v1beta1",
    "inferenceservices",
    "InferenceService",
    "V1beta1InferenceService",
    custom=True,
    short_names=("isvc",),
    mutate=admission.default_inference_service,
    admit=admission.check_inference_service,
    make_schema=inference_service_schema,
    columns=COLUMNS,
)
NAMESPACES = ResourceType(
    "/api/v1",
    "namespaces",
    "Namespace",
    "V1Namespace",
    namespaced=False,
    short_names=("ns",),
    subresource=True,
    prepare=core.prepare_namespace,
    finish=core.finish_namespace,
    columns=core.NAMESPACE_COLUMNS,
    name_form=LABEL,
    empty={"spec": {}, "status": {}},
    verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
)
CONFIG_MAPS = ResourceType(
    "/api/v1",
    "configmaps",
    "ConfigMap",
    "V1ConfigMap",
    short_names=("cm",),
    check=core.check_config_map,
    columns=core.CONFIG_MAP_COLUMNS,
)
PODS = ResourceType(
    "/api/v1",
    "pods",
    "Pod",
    "V1Pod",
    short_names=("po",),
    subresource=True,
    columns=core.POD_COLUMNS,
    empty={"spec": {"containers": None}, "status": {}},
    categories=("all",),
)
EVENTS = ResourceType(
    "/api/v1",
    "events",
    "Event",
    "CoreV1Event",
    short_names=("ev",),
    columns=core.EVENT_COLUMNS,
    empty=core.EMPTY_EVENT,
    finish=core.finish_event,
    check=core.check_event,
)
# The same events by another name; `rest.events` translates, and no objects are stored under this type.
NEWER_EVENTS = ResourceType(
    "/apis/events.k8s.io/v1",
    "events",
    "Event",
    "EventsV1Event",
    short_names=("ev",),
    columns=core.NEWER_EVENT_COLUMNS,
    verbs=("create", "delete", "get", "list", "watch"),
)
DEFINITIONS = ResourceType(
    "/apis/apiextensions.k8s.io/v1",
    "customresourcedefinitions",
    "CustomResourceDefinition",
    "",
    namespaced=False,
    short_names=("crd", "crds"),
    subresource=True,
    columns=core.DEFINITION_COLUMNS,
)
DEPLOYMENTS = ResourceType("/apis/apps/v1", "deployments", "Deployment", "", custom=True, short_names=("deploy",))
KNATIVE = "/apis/serving.knative.dev/v1"
KNATIVE_SERVICES = ResourceType(KNATIVE, "services", "Service", "", custom=True, short_names=("kservice", "ksvc"))
CONFIGURATIONS = ResourceType(
    KNATIVE, "configurations", "Configuration", "", custom=True, short_names=("config", "cfg")
)
REVISIONS = ResourceType(KNATIVE, "revisions", "Revision", "", custom=True, short_names=("rev",))
ROUTES = ResourceType(KNATIVE, "routes", "Route", "", custom=True, short_names=("rt",))
INGRESSES = ResourceType(
    "/apis/networking.internal.knative.dev/v1alpha1",
    "ingresses",
    "Ingress",
    "",
    custom=True,
    short_names=("kingress", "king"),
)
TYPES = (
    *(INFERENCE_SERVICES, NAMESPACES, CONFIG_MAPS, DEFINITIONS, EVENTS, PODS, DEPLOYMENTS),
    *(KNATIVE_SERVICES, CONFIGURATIONS, REVISIONS, ROUTES, INGRESSES),
)


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
        "additionalPrinterColumns": [dict(column) for column in COLUMNS],
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {**properties, "metadata": {"type": "object"}}}},
    }
    return {
        "apiVersion": DEFINITIONS.api_version,
        "kind": DEFINITIONS.kind,
        "metadata": {"name": kind.qualified},
        "spec": {
            "conversion": {"strategy": "None"},
            "group": GROUP,
            "names": {**names, "shortNames": list(kind.short_names)},
            "scope": "Namespaced",
            "versions": [version],
        },
        "status": {
            "acceptedNames": {**names, "shortNames": list(kind.short_names)},
            "storedVersions": ["v1beta1"],
            "conditions": [{"type": "Established", "status": "True", "reason": "InitialNamesAccepted"}],
        },
    }


def initial_objects(namespace: str) -> list[tuple[ResourceType, Object]]:
    """Return the objects of a new cluster with KServe installed."""
    deploy = json.dumps({"defaultDeploymentMode": "Knative"})
    spaces = ["default", "kube-system", "kserve", "knative-serving", namespace]
    return [
        *((NAMESPACES, {"metadata": {"name": name}, "status": {"phase": "Active"}}) for name in spaces),
        (CONFIG_MAPS, _config_map("kserve", "inferenceservice-config", {"deploy": deploy})),
        (CONFIG_MAPS, _config_map("knative-serving", "config-features", FEATURES)),
        (DEFINITIONS, definition()),
    ]


def _config_map(namespace: str, name: str, data: dict[str, str]) -> Object:
    return {"metadata": {"name": name, "namespace": namespace}, "data": data}
