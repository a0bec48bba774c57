"""Knative's Configuration loop: a revision for each generation, and which of them is the latest ready one.

After Knative's `reconciler/configuration/configuration.go` and `apis/serving/v1/configuration_lifecycle.go`.
"""

from sandbox.kubernetes.apiserver.documents import Object
from sandbox.kubernetes.apiserver.resources import CONFIGURATIONS, REVISIONS
from sandbox.kubernetes.control.client import Client, child_name, owned_by, up_to_date
from sandbox.kubernetes.control.conditions import Conditions, condition, status_of, without_time
from sandbox.kubernetes.knative import labels


def reconcile(client: Client, namespace: str, name: str) -> None:
    """Reconcile one Configuration."""
    configuration = client.collect(CONFIGURATIONS, namespace, name)
    if configuration is None:
        return
    client.reconcile(
        CONFIGURATIONS,
        configuration,
        (),
        lambda status, conditions: _reconcile(client, configuration, status, conditions),
    )


def revisions(client: Client, namespace: str, name: str) -> list[Object]:
    """Return the revisions of a Configuration, oldest first."""
    return sorted(client.labelled(REVISIONS, namespace, {labels.CONFIGURATION: name}), key=generation)


def generation(revision: Object) -> int:
    """Return the generation of the Configuration that a revision was made of."""
    return int(revision["metadata"]["labels"][labels.GENERATION])


def _reconcile(client: Client, configuration: Object, status: Object, conditions: Conditions) -> None:
    newest = configuration["metadata"]["generation"]
    name, namespace = configuration["metadata"]["name"], configuration["metadata"]["namespace"]
    found = revisions(client, namespace, name)
    created = next((revision for revision in found if generation(revision) == newest), None)
    if created is None:
        created = client.create(REVISIONS, _revision(client, configuration))
        found.append(created)
        client.event(CONFIGURATIONS, configuration, "Created", f'Created Revision "{created["metadata"]["name"]}"')
    _set_created(status, conditions, created["metadata"]["name"])
    _judge(client, configuration, created, status, conditions)
    _set_ready(client, configuration, found, status, conditions)


def _set_created(status: Object, conditions: Conditions, name: str) -> None:
    status["latestCreatedRevisionName"] = name
    if status.get("latestReadyRevisionName") != name:
        conditions.mark_unknown("Ready")


def _judge(client: Client, configuration: Object, created: Object, status: Object, conditions: Conditions) -> None:
    """Take over a failure of the latest created revision."""
    name, latest_ready = created["metadata"]["name"], status.get("latestReadyRevisionName", "")
    ready = status_of(created)
    if ready == "True" and not latest_ready:
        client.event(CONFIGURATIONS, configuration, "ConfigurationReady", "Configuration becomes ready")
    if ready != "False":
        return
    message = (condition(created, "Ready") or {}).get("message", "")
    conditions.mark_false("Ready", "RevisionFailed", f'Revision "{name}" failed with message: {message}.')
    before, after = condition(configuration, "Ready") or {}, conditions.get("Ready") or {}
    if without_time(before) != without_time(after):
        which = "Ready" if name == latest_ready else "Created"
        text = f'Latest {which.lower()} revision "{name}" has failed'
        client.event(CONFIGURATIONS, configuration, f"Latest{which}Failed", text, warning=True)


def _set_ready(
    client: Client, configuration: Object, found: list[Object], status: Object, conditions: Conditions
) -> None:
    """Advance the latest ready revision to the newest ready one that is not older than it."""
    latest = status.get("latestReadyRevisionName", "")
    names = {revision["metadata"]["name"]: generation(revision) for revision in found}
    candidates = [r for r in found if generation(r) >= names.get(latest, 0)]
    ready = [r["metadata"]["name"] for r in candidates if up_to_date(r) and status_of(r) == "True"]
    if not ready:
        return
    newest = ready[-1]
    status["latestReadyRevisionName"] = newest
    if newest == status["latestCreatedRevisionName"]:
        conditions.mark_true("Ready")
    if newest != latest:
        text = f'LatestReadyRevisionName updated to "{newest}"'
        client.event(CONFIGURATIONS, configuration, "LatestReadyUpdate", text)


def _revision(client: Client, configuration: Object) -> Object:
    metadata, template = configuration["metadata"], configuration["spec"]["template"]
    theirs = metadata.get("labels") or {}
    own = {labels.CONFIGURATION: metadata["name"], labels.CONFIGURATION_UID: metadata["uid"]}
    own |= {key: theirs[key] for key in (labels.SERVICE, labels.SERVICE_UID) if key in theirs}
    own |= {labels.GENERATION: str(metadata["generation"]), labels.ROUTING_STATE: "active"}
    annotations = {labels.ROUTES: metadata["annotations"][labels.ROUTES], labels.ROUTING_STATE_MODIFIED: client.now()}
    given = template["metadata"]
    return {
        "metadata": {
            "name": child_name(metadata["name"], f"-{metadata['generation']:05d}"),
            "namespace": metadata["namespace"],
            "labels": {**(given.get("labels") or {}), **own},
            "annotations": {**(given.get("annotations") or {}), **annotations},
            "ownerReferences": owned_by(CONFIGURATIONS, configuration),
        },
        "spec": template["spec"],
    }
