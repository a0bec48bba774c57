"""Knative's labeler: marks the revisions that a Route refers to, which the autoscaler keeps running.

After Knative's `reconciler/labeler/metasync.go`.
"""

from sandbox.kubernetes.apiserver.documents import Object
from sandbox.kubernetes.apiserver.resources import CONFIGURATIONS, REVISIONS, ROUTES
from sandbox.kubernetes.control.client import Client, up_to_date
from sandbox.kubernetes.control.conditions import status_of
from sandbox.kubernetes.knative import labels

ACTIVE, RESERVE = "active", "reserve"


def is_active(revision: Object) -> bool:
    """Return whether a Route refers to a revision."""
    return bool(revision["metadata"]["labels"].get(labels.ROUTING_STATE) == ACTIVE)


def label(client: Client, namespace: str, name: str, revisions: list[Object]) -> list[Object]:
    """Store the routing state of a Configuration's revisions; return the revisions as stored."""
    route = client.find(ROUTES, namespace, name)
    if route is None:
        return revisions
    referred = _referred(client, route)
    # What is no longer referred to is let go only once the Route is settled.
    settled = up_to_date(route) and status_of(route) != "Unknown"
    return [_labelled(client, r, referred=r["metadata"]["name"] in referred, settled=settled) for r in revisions]


def _referred(client: Client, route: Object) -> set[str]:
    targets = [*(route.get("status") or {}).get("traffic", ()), *route["spec"]["traffic"]]
    named = {target["revisionName"] for target in targets if target.get("revisionName")}
    if not any(target.get("latestRevision") for target in targets):
        return named
    metadata = route["metadata"]
    configuration = client.find(CONFIGURATIONS, metadata["namespace"], metadata["name"]) or {}
    return named | {(configuration.get("status") or {}).get("latestCreatedRevisionName", "")}


def _labelled(client: Client, revision: Object, *, referred: bool, settled: bool) -> Object:
    if referred == is_active(revision) or not (referred or settled):
        return revision
    metadata = revision["metadata"]
    state = {labels.ROUTING_STATE: ACTIVE if referred else RESERVE}
    modified = {**metadata["annotations"], labels.ROUTING_STATE_MODIFIED: client.now()}
    changed = {**metadata, "labels": {**metadata["labels"], **state}, "annotations": modified}
    return client.update(REVISIONS, {**revision, "metadata": changed})
