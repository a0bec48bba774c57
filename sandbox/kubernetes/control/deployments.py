"""Kubernetes' Deployment controller, as far as KServe's Standard mode needs it: one set of pods replaces another."""

import hashlib
import json
from dataclasses import dataclass, field

from sandbox.kubernetes.apiserver.documents import Object
from sandbox.kubernetes.apiserver.resources import DEPLOYMENTS, PODS
from sandbox.kubernetes.control import pod_objects
from sandbox.kubernetes.control.client import Client
from sandbox.kubernetes.control.pods import Pods, PodState

UNAVAILABLE = ("MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
AVAILABLE = ("MinimumReplicasAvailable", "Deployment has minimum availability.")


@dataclass
class Deployments:
    """The controller and its memory: the sets of pods of each Deployment, oldest first, and which of them serves."""

    client: Client
    pods: Pods
    sets: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def reconcile(self, namespace: str, name: str) -> None:
        """Reconcile one Deployment."""
        deployment = self.client.collect(DEPLOYMENTS, namespace, name)
        if deployment is None:
            for old in self.sets.pop((namespace, name), []):
                self.pods.stop(old)
            for pod in self.client.labelled(PODS, namespace, {"app": f"isvc.{name}"}):
                self.client.delete(PODS, pod)
            return
        state = self._run(deployment)
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        pod_objects.write(self.client, DEPLOYMENTS, deployment, labels, state)
        self._write(deployment, state)

    def routed(self, namespace: str, name: str) -> list[tuple[str, int]]:
        """Return the set of pods that serves; empty while there is none."""
        ready = [s for s in self.sets.get((namespace, name), []) if _ready(self.pods.state(s))]
        return [(ready[-1], 100)] if ready else []

    def _run(self, deployment: Object) -> PodState | None:
        """Start the newest set of pods, and stop the others once it is ready; return its state."""
        metadata, template = deployment["metadata"], deployment["spec"]["template"]
        sets = self.sets.setdefault((metadata["namespace"], metadata["name"]), [])
        newest = f"{metadata['name']}-{_digest(template)}"
        if newest in sets:
            sets.remove(newest)
        sets.append(newest)
        identity = {"name": newest, "namespace": metadata["namespace"], "uid": f"{metadata['uid']}-{newest}"}
        self.pods.start({"metadata": {**template["metadata"], **identity}, "spec": template["spec"]})
        state = self.pods.state(newest)
        if _ready(state):
            for old in sets[:-1]:
                self.pods.stop(old)
            del sets[:-1]
        return state

    def _write(self, deployment: Object, state: PodState | None) -> None:
        metadata = deployment["metadata"]
        available = bool(self.routed(metadata["namespace"], metadata["name"]))
        complete = _ready(state)
        progress = "NewReplicaSetAvailable" if complete else "ReplicaSetUpdated"
        conditions = [
            _condition("Available", str(available), *(AVAILABLE if available else UNAVAILABLE)),
            _condition("Progressing", "True", progress, ""),
        ]
        status = {"observedGeneration": metadata["generation"], "conditions": conditions, "replicas": 1}
        status |= {"availableReplicas": int(available), "readyReplicas": int(available), "updatedReplicas": 1}
        self.client.write_status(DEPLOYMENTS, deployment, status)


def _ready(state: PodState | None) -> bool:
    return state is not None and state.phase == "Ready"


def _condition(kind: str, status: str, reason: str, message: str) -> Object:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def _digest(template: Object) -> str:
    return hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]
