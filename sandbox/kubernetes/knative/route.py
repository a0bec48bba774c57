"""Knative's Route loop: resolves traffic targets to revisions and describes them in an Ingress.

After Knative's `reconciler/route` and `apis/serving/v1/route_lifecycle.go`, without rollout durations and certificates.
"""

import json
from collections.abc import Callable

from sandbox.kubernetes.apiserver.documents import Object
from sandbox.kubernetes.apiserver.resources import CONFIGURATIONS, INGRESSES, REVISIONS, ROUTES
from sandbox.kubernetes.control.client import Client, ReconcileError, owned_by, up_to_date
from sandbox.kubernetes.control.conditions import Conditions, condition, status_of
from sandbox.kubernetes.knative import hosts, labels

ASSIGNED, INGRESS, CERTIFICATE = "AllTrafficAssigned", "IngressReady", "CertificateProvisioned"
NOT_CONFIGURED = ("IngressNotConfigured", "Ingress has not yet been reconciled.")
Address = Callable[[str, str, str], str]


class _BadTargetError(Exception):
    """A traffic target cannot be routed to; `status` is the condition's."""

    def __init__(self, status: str, message: str, reason: str = "RevisionMissing") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


def reconcile(client: Client, namespace: str, name: str, address: Address) -> None:
    """Reconcile one Route.

    Args:
        client: The store.
        namespace: The Route's namespace.
        name: The Route's name.
        address: Returns the URL of a namespace, Route name and tag.
    """
    route = client.collect(ROUTES, namespace, name)
    if route is not None:
        client.reconcile(
            ROUTES,
            route,
            (ASSIGNED, INGRESS, CERTIFICATE),
            lambda status, conditions: _reconcile(client, route, status, conditions, address),
        )


def _reconcile(client: Client, route: Object, status: Object, conditions: Conditions, address: Address) -> None:
    metadata = route["metadata"]
    if not up_to_date(route):
        conditions.mark_unknown(INGRESS, *NOT_CONFIGURED)
    try:
        targets, fault = _targets(client, route), None
    except _BadTargetError as error:
        targets, fault = [], error
    status["url"] = address(metadata["namespace"], metadata["name"], "")
    if fault is not None:
        mark = conditions.mark_false if fault.status == "False" else conditions.mark_unknown
        mark(ASSIGNED, fault.reason, str(fault))
        return
    _check_names(route, targets, status, conditions)
    status["traffic"] = [_traffic(route, target, address) for target in targets]
    conditions.mark_true(ASSIGNED)
    status["address"] = {"url": f"http://{metadata['name']}.{metadata['namespace']}.svc.cluster.local"}
    conditions.mark_true(CERTIFICATE, "TLSNotEnabled", "external-domain-tls is not enabled")
    ingress = _ingress(client, route, targets)
    ready = condition(ingress, "Ready")
    if not up_to_date(ingress) or ready is None:
        conditions.mark_unknown(INGRESS, *NOT_CONFIGURED)
    elif ready["status"] == "True":
        conditions.mark_true(INGRESS)
    else:
        conditions.copy(INGRESS, ready)


def _targets(client: Client, route: Object) -> list[Object]:
    """Return the targets with the revision of each; the last failure wins over what is only not ready yet."""
    found, fault = list[Object](), None
    for target in route["spec"]["traffic"]:
        try:
            found = _added(found, {**target, "revisionName": _revision(client, route, target)})
        except _BadTargetError as error:
            fault = error if fault is None or error.status == "False" else fault
    if fault is not None:
        raise fault
    return found


def _added(found: list[Object], target: Object) -> list[Object]:
    """Return the targets with one more, joined with one of the same tag, revision and kind."""
    same = ("tag", "revisionName", "latestRevision")
    for number, other in enumerate(found):
        if all(other.get(key) == target.get(key) for key in same):
            joined = {**other, "percent": other["percent"] + target["percent"]}
            return [*found[:number], joined, *found[number + 1 :]]
    return [*found, target]


def _revision(client: Client, route: Object, target: Object) -> str:
    """Return the revision of a target.

    Raises:
        _BadTargetError: It does not exist or is not ready.
    """
    namespace = route["metadata"]["namespace"]
    name = target.get("revisionName") or _latest(client, namespace, target["configurationName"])
    revision = client.find(REVISIONS, namespace, name)
    if revision is None:
        raise _BadTargetError("False", f'Revision "{name}" referenced in traffic not found.')
    service = route["metadata"]["labels"].get(labels.SERVICE, "")
    if target.get("revisionName") and revision["metadata"]["labels"].get(labels.SERVICE) != service:
        raise _BadTargetError("False", f'Revision "{name}" does not belong to Service "{service}".', "RevisionNotOwned")
    if not (up_to_date(revision) and status_of(revision) == "True"):
        if status_of(revision) == "False":
            raise _BadTargetError("False", f'Revision "{name}" failed to become ready.')
        raise _BadTargetError("Unknown", f'Revision "{name}" is not yet ready.')
    return name


def _latest(client: Client, namespace: str, name: str) -> str:
    configuration = client.find(CONFIGURATIONS, namespace, name)
    if configuration is None:
        text = f'Configuration "{name}" referenced in traffic not found.'
        raise _BadTargetError("False", text, "ConfigurationMissing")
    if latest := (configuration.get("status") or {}).get("latestReadyRevisionName"):
        return str(latest)
    if status_of(configuration) == "False":
        raise _BadTargetError("False", f'Configuration "{name}" does not have any ready Revision.')
    raise _BadTargetError("Unknown", f'Configuration "{name}" is waiting for a Revision to become ready.')


def _check_names(route: Object, targets: list[Object], status: Object, conditions: Conditions) -> None:
    """Refuse a tag whose host name has too long a label."""
    metadata = route["metadata"]
    for target in targets:
        tag = target.get("tag", "")
        if tag and (fault := hosts.fault(hosts.external(metadata["namespace"], metadata["name"], tag))):
            status.pop("traffic", None)
            conditions.mark_false(ASSIGNED, "ErrorConfig", fault)
            raise ReconcileError(fault)


def _traffic(route: Object, target: Object, address: Address) -> Object:
    """Return a target of the status."""
    entry = {key: target[key] for key in ("revisionName", "latestRevision", "percent")}
    if tag := target.get("tag"):
        entry |= {"tag": tag, "url": address(route["metadata"]["namespace"], route["metadata"]["name"], tag)}
    return entry


def _ingress(client: Client, route: Object, targets: list[Object]) -> Object:
    """Create or update the Ingress; return it as it is stored now."""
    metadata, wanted = route["metadata"], _wanted(route, targets)
    found = client.find(INGRESSES, metadata["namespace"], metadata["name"])
    if found is None:
        made = client.create(INGRESSES, wanted)
        client.event(ROUTES, route, "Created", f'Created Ingress "{metadata["name"]}"')
        return made
    content = {key: wanted["metadata"][key] for key in ("labels", "annotations")}
    return client.update(INGRESSES, {**found, "metadata": {**found["metadata"], **content}, "spec": wanted["spec"]})


def _wanted(route: Object, targets: list[Object]) -> Object:
    metadata = route["metadata"]
    name, namespace = metadata["name"], metadata["namespace"]
    tags = sorted({"", *(target["tag"] for target in targets if target.get("tag"))})
    by_tag = {tag: [t for t in targets if tag in ("", t.get("tag"))] for tag in tags}
    own = {labels.ROUTE: name, labels.ROUTE_NAMESPACE: namespace}
    annotations = {labels.INGRESS_CLASS: "istio.ingress.networking.knative.dev", **(metadata.get("annotations") or {})}
    if named := {tag: hosts.primary(namespace, name, tag) for tag in tags if tag}:
        annotations[labels.TAG_TO_HOST] = json.dumps(named)
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {**(metadata.get("labels") or {}), **own},
            "annotations": annotations,
            "ownerReferences": owned_by(ROUTES, route),
        },
        "spec": {
            "httpOption": "Enabled",
            "rules": [r for tag in tags for r in _rules(namespace, name, tag, by_tag[tag])],
        },
    }


def _rules(namespace: str, name: str, tag: str, targets: list[Object]) -> list[Object]:
    http = {"paths": [{"splits": [_split(namespace, *share) for share in _shares(targets)]}]}
    return [
        {"hosts": hosts.local(namespace, name, tag), "visibility": "ClusterLocal", "http": http},
        {"hosts": [hosts.external(namespace, name, tag)], "visibility": "ExternalIP", "http": http},
    ]


def _shares(targets: list[Object]) -> list[tuple[str, int]]:
    """Return the percent of each revision that has any; one revision alone has all."""
    shares: dict[str, int] = {}
    for target in targets:
        shares[target["revisionName"]] = shares.get(target["revisionName"], 0) + target["percent"]
    if len(shares) == 1:
        return [(name, 100) for name in shares]
    return [(name, percent) for name, percent in shares.items() if percent]


def _split(namespace: str, revision: str, percent: int) -> Object:
    headers = {"Knative-Serving-Namespace": namespace, "Knative-Serving-Revision": revision}
    backend = {"serviceName": revision, "serviceNamespace": namespace, "servicePort": 80}
    return {**backend, "percent": percent, "appendHeaders": headers}
