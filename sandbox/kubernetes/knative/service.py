"""Knative's Service loop: a Configuration and a Route for each Service, and their state in its status.

After Knative's `reconciler/service/service.go` and `apis/serving/v1/service_lifecycle.go`.
"""

from sandbox.kubernetes.apiserver.documents import Object
from sandbox.kubernetes.apiserver.resources import CONFIGURATIONS, KNATIVE_SERVICES, ROUTES, ResourceType
from sandbox.kubernetes.control.client import Client, ReconcileError, controls, owned_by, up_to_date
from sandbox.kubernetes.control.conditions import Conditions, condition
from sandbox.kubernetes.knative import labels

CONFIGURATION, ROUTE = "ConfigurationsReady", "RoutesReady"
NOT_MIGRATED = ("TrafficNotMigrated", "Traffic is not yet migrated to the latest revision.")
REVISION_NAMES = ("latestReadyRevisionName", "latestCreatedRevisionName")
ROUTE_FIELDS = ("url", "address", "traffic")


def reconcile(client: Client, namespace: str, name: str) -> None:
    """Reconcile one Service."""
    service = client.collect(KNATIVE_SERVICES, namespace, name)
    if service is None:
        return
    client.reconcile(
        KNATIVE_SERVICES,
        service,
        (CONFIGURATION, ROUTE),
        lambda status, conditions: _reconcile(client, service, status, conditions),
    )


def _reconcile(client: Client, service: Object, status: Object, conditions: Conditions) -> None:
    configuration = _child(client, service, CONFIGURATIONS, _configuration(service), conditions)
    if up_to_date(configuration):
        _propagate(status, conditions, configuration, REVISION_NAMES, CONFIGURATION)
    else:
        conditions.mark_unknown(CONFIGURATION, "OutOfDate", _behind("Configuration"))
    route = _child(client, service, ROUTES, _route(service), conditions)
    if up_to_date(route):
        _propagate(status, conditions, route, ROUTE_FIELDS, ROUTE)
    else:
        conditions.mark_unknown(ROUTE, "OutOfDate", _behind("Route"))
    if conditions.has(ROUTE, "True") and not _migrated(configuration, route):
        conditions.mark_unknown(ROUTE, *NOT_MIGRATED)


def _behind(kind: str) -> str:
    return f"The {kind} is still working to reflect the latest desired specification."


def _child(client: Client, service: Object, resource: ResourceType, wanted: Object, conditions: Conditions) -> Object:
    """Create or update the child that has the Service's name; return it as it is stored now.

    Raises:
        ReconcileError: There is one that another object controls.
    """
    metadata = service["metadata"]
    name, kind = metadata["name"], resource.kind
    found = client.find(resource, metadata["namespace"], name)
    if found is None:
        made = client.create(resource, wanted)
        client.event(KNATIVE_SERVICES, service, "Created", f'Created {kind} "{name}"')
        return made
    if not controls(service, found):
        text = f'There is an existing {kind} "{name}" that we do not own.'
        conditions.mark_false(CONFIGURATION if resource is CONFIGURATIONS else ROUTE, "NotOwned", text)
        raise ReconcileError(f'service: "{name}" does not own {kind.lower()}: "{name}"')
    return client.update(resource, _merged(found, wanted))


def _merged(found: Object, wanted: Object) -> Object:
    content = {key: wanted["metadata"][key] for key in ("labels", "annotations")}
    return {**found, "metadata": {**found["metadata"], **content}, "spec": wanted["spec"]}


def _configuration(service: Object) -> Object:
    metadata = service["metadata"]
    own = {labels.SERVICE: metadata["name"], labels.SERVICE_UID: metadata["uid"]}
    annotations = {k: v for k, v in _annotations(service).items() if k != labels.ROLLOUT_DURATION}
    made = _metadata(service, own, annotations | {labels.ROUTES: metadata["name"]})
    return {"metadata": made, "spec": {"template": service["spec"]["template"]}}


def _route(service: Object) -> Object:
    name = service["metadata"]["name"]
    traffic = [
        target if target.get("revisionName") else {**target, "configurationName": name}
        for target in service["spec"]["traffic"]
    ]
    return {
        "metadata": _metadata(service, {labels.SERVICE: name}, _annotations(service)),
        "spec": {"traffic": traffic},
    }


def _annotations(service: Object) -> dict[str, str]:
    return dict(service["metadata"].get("annotations") or {})


def _metadata(service: Object, own: dict[str, str], annotations: dict[str, str]) -> Object:
    metadata = service["metadata"]
    return {
        "name": metadata["name"],
        "namespace": metadata["namespace"],
        "labels": {**(metadata.get("labels") or {}), **own},
        "annotations": annotations,
        "ownerReferences": owned_by(KNATIVE_SERVICES, service),
    }


def _propagate(
    status: Object, conditions: Conditions, child: Object, fields: tuple[str, ...], condition_type: str
) -> None:
    """Take over a child's fields and its `Ready` condition."""
    theirs = child["status"]
    for field in fields:
        status.pop(field, None)
        if field in theirs:
            status[field] = theirs[field]
    ready = condition(child, "Ready")
    if ready is not None and ready["status"] == "True":
        conditions.mark_true(condition_type)
    else:
        conditions.copy(condition_type, ready)


def _migrated(configuration: Object, route: Object) -> bool:
    """Return whether the Route's traffic is what its specification means now."""
    latest = configuration.get("status", {}).get("latestReadyRevisionName", "")
    wanted = [_target(target, latest) for target in route["spec"]["traffic"]]
    return wanted == [_target(target, latest) for target in route["status"].get("traffic", ())]


def _target(target: Object, latest: str) -> tuple[str, int, str]:
    return target.get("revisionName") or latest, target["percent"], target.get("tag", "")
