"""The InferenceService of one portfolio as the release wants it: serve image and model in one predictor spec."""

from typing import Any

from tasks.names import dashed
from tasks.online import table_name
from tasks.registry import RegisteredModel
from tasks.settings import settings

GROUP, VERSION, PLURAL = "serving.kserve.io", "v1beta1", "inferenceservices"
MODEL_NAME = "credit-model"


def service_name(portfolio: str) -> str:
    """Return the InferenceService's name: `credit-model-uci-credit-card`."""
    return f"{MODEL_NAME}-{dashed(portfolio)}"


def predictor(model: RegisteredModel) -> dict[str, Any]:
    """Return `spec.predictor`: a change of image, bundle or settings makes a new revision."""
    here = settings()
    return {
        "serviceAccountName": here.service_account,
        "minReplicas": 1,
        "maxReplicas": 4,
        "containers": [
            {
                "name": "kserve-container",
                "image": here.serve_image,
                "args": ["--model_dir=/mnt/models"],
                "env": [
                    {"name": "STORAGE_URI", "value": model.bundle_uri},
                    *({"name": name, "value": value} for name, value in server_settings(model.portfolio).items()),
                ],
                "ports": [{"containerPort": 8080, "protocol": "TCP"}],
                "resources": {"requests": {"cpu": "500m", "memory": "512Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}},
                "readinessProbe": {"httpGet": {"path": "/v2/health/ready", "port": 8080}, "periodSeconds": 2},
                "securityContext": {
                    "runAsNonRoot": True,
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                },
            }
        ],
    }


def server_settings(portfolio: str) -> dict[str, str]:
    """Return what the model servers of a portfolio are told: where they look ids up and where they log predictions."""
    here = settings()
    found = {}
    if table := table_name(portfolio):
        found = {"CREDIT_ONLINE_TABLE": table, "CREDIT_ONLINE_TIMEOUT_MS": f"{here.online_timeout_ms:g}"}
    if here.prediction_log:
        found["CREDIT_PREDICTION_LOG"] = here.prediction_log
    return found


def served(spec: dict[str, Any]) -> tuple[str | None, str | None, dict[str, str | None]]:
    """Return what a predictor spec serves: image, bundle address, and our settings.

    The webhook may default the fields around them.
    """
    container: dict[str, Any] = next(iter(spec.get("containers", [])), {})
    environment = {variable["name"]: variable.get("value") for variable in container.get("env", [])}
    ours = {name: value for name, value in environment.items() if name.startswith("CREDIT_")}
    return container.get("image"), environment.get("STORAGE_URI"), ours


def inference_service(model: RegisteredModel) -> dict[str, Any]:
    """Return the whole object for a portfolio's first release."""
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "InferenceService",
        "metadata": {
            "name": service_name(model.portfolio),
            "namespace": settings().namespace,
            "labels": {"credit/portfolio": model.portfolio},
            "annotations": {
                "serving.kserve.io/deploymentMode": "Knative",
                "serving.kserve.io/enable-tag-routing": "true",
            },
        },
        "spec": {"predictor": predictor(model)},
    }
