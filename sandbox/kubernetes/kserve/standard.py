"""KServe's Standard mode: a Deployment for the predictor; a canary percent has no effect.

After KServe's `PropagateRawStatus` in `pkg/apis/serving/v1beta1/inference_service_status.go`.
"""

from sandbox.kubernetes.apiserver.documents import Object
from sandbox.kubernetes.apiserver.resources import DEPLOYMENTS, INFERENCE_SERVICES
from sandbox.kubernetes.control.client import Client, owned_by
from sandbox.kubernetes.control.conditions import Conditions, condition
from sandbox.kubernetes.kserve import status as statuses
from sandbox.kubernetes.kserve.predictor import knative_service, service_name


def apply(client: Client, isvc: Object) -> Object:
    """Create or update the Deployment; return it as it is stored now."""
    name, namespace = service_name(isvc), isvc["metadata"]["namespace"]
    template = knative_service(isvc)["spec"]["template"]
    template["metadata"]["labels"] = {**template["metadata"]["labels"], "app": label(isvc)}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": label(isvc)}}, "template": template}
    found = client.find(DEPLOYMENTS, namespace, name)
    if found is not None:
        return client.update(DEPLOYMENTS, {**found, "spec": spec})
    metadata = {"name": name, "namespace": namespace, "labels": template["metadata"]["labels"]}
    owners = owned_by(INFERENCE_SERVICES, isvc)
    return client.create(DEPLOYMENTS, {"metadata": {**metadata, "ownerReferences": owners}, "spec": spec})


def label(isvc: Object) -> str:
    """Return the value of the pods' label `app`."""
    return f"isvc.{service_name(isvc)}"


def propagate(status: Object, conditions: Conditions, deployment: Object, url: str) -> None:
    """Take over the Deployment's status."""
    available, progress = condition(deployment, "Available"), condition(deployment, "Progressing")
    if available is not None and available["status"] == "True":
        statuses.component(status)["url"] = url
        complete = progress is not None and progress["reason"] == "NewReplicaSetAvailable"
        conditions.mark_true(statuses.PREDICTOR, progress["reason"] if progress and complete else available["reason"])
    else:
        found = available or {}
        conditions.mark_false(statuses.PREDICTOR, found.get("reason", ""), found.get("message", ""))
    if observed := (deployment.get("status") or {}).get("observedGeneration"):
        status["observedGeneration"] = observed
