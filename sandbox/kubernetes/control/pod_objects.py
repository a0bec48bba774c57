"""The Pod objects of a revision: the statuses of its containers as a kubelet writes them."""

import hashlib
from collections.abc import Mapping

from sandbox.kubernetes.apiserver.documents import Object
from sandbox.kubernetes.apiserver.resources import PODS, ResourceType
from sandbox.kubernetes.control.client import Client, child_name, controls, owned_by
from sandbox.kubernetes.control.pods import PodState

INITIALIZER = "storage-initializer"
STORAGE_URI = "STORAGE_URI"
WAITING = {"Pending": "ContainerCreating", "Loading": "PodInitializing"}


def write(
    client: Client, resource: ResourceType, owner: Object, labels: Mapping[str, str], state: PodState | None
) -> None:
    """Make the stored Pods of an owner show this state; without one, delete them."""
    namespace = owner["metadata"]["namespace"]
    wanted = {} if state is None else dict.fromkeys(_names(owner, state.copies), state)
    for pod in client.labelled(PODS, namespace, {}):
        if controls(owner, pod) and pod["metadata"]["name"] not in wanted:
            client.delete(PODS, pod)
    for name, shown in wanted.items():
        pod = client.find(PODS, namespace, name) or client.create(PODS, _pod(resource, owner, labels, name))
        client.update(PODS, {**pod, "status": _status(owner, shown)})


def replica_set(owner: Object) -> str:
    """Return the name of the ReplicaSet that the pods of a revision belong to."""
    digest = hashlib.sha256(owner["metadata"]["uid"].encode()).hexdigest()[:10]
    return f"{child_name(owner['metadata']['name'], '-deployment')}-{digest}"


def _names(owner: Object, count: int) -> list[str]:
    digests = (hashlib.sha256(f"{owner['metadata']['uid']}{n}".encode()).hexdigest()[:5] for n in range(count))
    return [f"{replica_set(owner)}-{digest}" for digest in digests]


def _pod(resource: ResourceType, owner: Object, labels: Mapping[str, str], name: str) -> Object:
    metadata = {"name": name, "namespace": owner["metadata"]["namespace"], "labels": dict(labels)}
    template = owner["spec"].get("template", owner)
    spec = {"containers": template["spec"]["containers"], "nodeName": "sandbox"}
    return {"metadata": {**metadata, "ownerReferences": owned_by(resource, owner)}, "spec": spec}


def _status(owner: Object, state: PodState) -> Object:
    containers = owner["spec"].get("template", owner)["spec"]["containers"]
    ready = state.phase == "Ready"
    running = state.phase in ("Running", "Ready")
    status: Object = {
        "phase": "Running" if running or (state.exit_code is not None and not state.initializing) else "Pending",
        "conditions": [
            _scheduled(state),
            {"type": "ContainersReady", "status": str(ready)},
            {"type": "Ready", "status": str(ready)},
        ],
        "containerStatuses": [_container(container, state) for container in containers],
    }
    if any(variable["name"] == STORAGE_URI for c in containers for variable in c.get("env") or ()):
        status["initContainerStatuses"] = [_initializer(state)]
    return status


def _scheduled(state: PodState) -> Object:
    if state.reason != "Unschedulable":
        return {"type": "PodScheduled", "status": "True"}
    return {"type": "PodScheduled", "status": "False", "reason": state.reason, "message": state.message}


def _container(container: Object, state: PodState) -> Object:
    running, ended = state.phase in ("Running", "Ready"), state.exit_code is not None and not state.initializing
    status: Object = {"name": container["name"], "image": container.get("image", ""), "imageID": ""}
    status |= {"ready": state.phase == "Ready", "started": running, "restartCount": int(ended)}
    if running:
        status["state"] = {"running": {}}
    elif ended:
        status["state"] = {"waiting": {"reason": "CrashLoopBackOff"}}
    else:
        status["state"] = {"waiting": {"reason": waiting_reason(state), "message": state.message}}
    return status | ({"lastState": {"terminated": _terminated(state)}} if ended else {"lastState": {}})


def waiting_reason(state: PodState) -> str:
    """Return why the container of the model server waits."""
    if state.initializing:
        return "PodInitializing"
    return state.reason or WAITING.get(state.phase, "ImagePullBackOff")


def _initializer(state: PodState) -> Object:
    status: Object = {"name": INITIALIZER, "lastState": {}, "ready": state.phase in ("Running", "Ready")}
    ended = {"lastState": {"terminated": _terminated(state)}} if state.initializing else {}
    if state.phase == "Loading":
        return status | {"state": {"running": {}}} | ended
    if state.initializing:
        return status | {"state": {"waiting": {"reason": "CrashLoopBackOff"}}} | ended
    if status["ready"] or state.exit_code is not None:
        return status | {"state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}
    return status | {"state": {"waiting": {"reason": "PodInitializing"}}}


def _terminated(state: PodState) -> Object:
    reason = "Completed" if state.exit_code == 0 else "Error"
    return {"exitCode": state.exit_code, "reason": reason, "message": state.message}
