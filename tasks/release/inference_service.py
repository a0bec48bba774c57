"""The InferenceService of one portfolio as the release wants it: serve image and model in one predictor spec."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple, TypedDict

from kubernetes.utils.quantity import parse_quantity

from tasks.lake.online_table import table_name
from tasks.naming import dashed
from tasks.sagemaker.registry import RegisteredModel
from tasks.settings import settings

GROUP, VERSION, PLURAL = "serving.kserve.io", "v1beta1", "inferenceservices"
MODEL_NAME = "credit-model"
PORT = 8080
READY, LIVE = "/v2/health/ready", "/v2/health/live"
NODE_GROUP = "credit/node-group"
ZONE = "topology.kubernetes.io/zone"
TOKEN_FOLDER, TOKEN_KEY = "/var/run/secrets/credit", "token"  # a place, not a token
# What is compared of two specs beside image, bundle and our variables; the webhook defaults neither away.
SIZES = ("minReplicas", "maxReplicas", "scaleTarget", "nodeSelector")
Resources = dict[str, str]


class Probe(TypedDict):
    """How the server is asked whether it lives, or is ready; seconds."""

    httpGet: dict[str, str | int]
    periodSeconds: int
    failureThreshold: int
    timeoutSeconds: int


class Container(TypedDict):
    """The model server's container, with every field that we decide."""

    name: str
    image: str
    args: list[str]
    env: list[dict[str, str]]
    ports: list[dict[str, str | int]]
    resources: dict[str, Resources]
    startupProbe: Probe
    readinessProbe: Probe
    livenessProbe: Probe
    securityContext: dict[str, Any]
    volumeMounts: list[dict[str, str | bool]]


class Predictor(TypedDict):
    """`spec.predictor`, always with the same fields: a merge patch does not take away what it does not name."""

    serviceAccountName: str
    minReplicas: int
    maxReplicas: int
    scaleMetric: str
    scaleTarget: int
    timeout: int
    nodeSelector: dict[str, str]
    tolerations: list[dict[str, str]]
    topologySpreadConstraints: list[dict[str, Any]]
    volumes: list[dict[str, Any]]
    containers: list[Container]


def service_name(portfolio: str) -> str:
    """Return the InferenceService's name: `credit-model-uci-credit-card`."""
    return f"{MODEL_NAME}-{dashed(portfolio)}"


def predictor(model: RegisteredModel) -> Predictor:
    """Return `spec.predictor`: a change of image, bundle or settings makes a new revision."""
    here = settings()
    return {
        "serviceAccountName": here.service_account,
        "minReplicas": here.serve_min_replicas,
        "maxReplicas": here.serve_max_replicas,
        "scaleMetric": "concurrency",
        "scaleTarget": here.serve_concurrency,
        # Seconds; Knative also gives a pod that ends so long, and the server needs 21 at most.
        "timeout": 30,
        "nodeSelector": {NODE_GROUP: here.serve_node_group},
        "tolerations": [
            {"key": NODE_GROUP, "operator": "Equal", "value": here.serve_node_group, "effect": "NoSchedule"}
        ],
        "topologySpreadConstraints": [_zones(service_name(model.portfolio))],
        "volumes": _volumes(),
        "containers": [_container(model)],
    }


def _zones(service: str) -> dict[str, Any]:
    """Spread over zones where there is room: a zone that is down must not keep a release from starting."""
    pods = {"matchLabels": {"serving.kserve.io/inferenceservice": service}}
    return {"maxSkew": 1, "topologyKey": ZONE, "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": pods}


def _volumes() -> list[dict[str, Any]]:
    secret = settings().serve_token_secret
    scratch = {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}
    return [scratch, *([{"name": "token", "secret": {"secretName": secret}}] if secret else [])]


def _container(model: RegisteredModel) -> Container:
    here = settings()
    size = {"cpu": here.serve_cpu, "memory": here.serve_memory}
    variables = {"STORAGE_URI": model.bundle_uri, **server_settings(model.portfolio)}
    args, mounts = ["--model_dir=/mnt/models"], [_mount("tmp", "/tmp", read_only=False)]  # noqa: S108  # an emptyDir
    if here.serve_token_secret:
        args += [f"--token_file={TOKEN_FOLDER}/{TOKEN_KEY}"]
        mounts += [_mount("token", TOKEN_FOLDER, read_only=True)]
    return {
        "name": "kserve-container",
        "image": here.serve_image,
        "args": args,
        "env": [{"name": name, "value": value} for name, value in variables.items()],
        "ports": [{"containerPort": PORT, "protocol": "TCP"}],
        "resources": {"requests": size, "limits": size},
        # The server listens once the model is loaded and warm, so that ready means just that.
        "startupProbe": _probe(READY, period=1, failures=120),
        "readinessProbe": _probe(READY, period=2, failures=3),
        "livenessProbe": _probe(LIVE, period=10, failures=3, seconds=5),
        "securityContext": {
            "runAsNonRoot": True,
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": mounts,
    }


def _probe(path: str, *, period: int, failures: int, seconds: int = 1) -> Probe:
    asked: dict[str, str | int] = {"path": path, "port": PORT}
    return {"httpGet": asked, "periodSeconds": period, "failureThreshold": failures, "timeoutSeconds": seconds}


def _mount(name: str, path: str, *, read_only: bool) -> dict[str, str | bool]:
    return {"name": name, "mountPath": path, "readOnly": read_only}


def server_settings(portfolio: str) -> dict[str, str]:
    """Return what the model servers of a portfolio are told: where they look ids up and where they log predictions."""
    here = settings()
    found = {}
    if table := table_name(portfolio):
        found = {"CREDIT_ONLINE_TABLE": table, "CREDIT_ONLINE_TIMEOUT_MS": f"{here.online_timeout_ms:g}"}
    if here.prediction_log:
        found["CREDIT_PREDICTION_LOG"] = here.prediction_log
    return found


class ServingSpec(NamedTuple):
    """What a predictor spec serves, and how; two that are equal are the same to a release."""

    image: str | None
    bundle_uri: str | None
    settings: dict[str, str | None]
    args: list[str]
    sizes: dict[str, Any]
    resources: dict[str, dict[str, Decimal]]


def served(spec: Mapping[str, Any]) -> ServingSpec:
    """Return what a predictor spec serves; fields that we do not set are left out, as the webhook may default them."""
    container: dict[str, Any] = next(iter(spec.get("containers", [])), {})
    environment = {variable["name"]: variable.get("value") for variable in container.get("env", [])}
    return ServingSpec(
        image=container.get("image"),
        bundle_uri=environment.get("STORAGE_URI"),
        settings={name: value for name, value in environment.items() if name.startswith("CREDIT_")},
        args=container.get("args", []),
        sizes={name: spec.get(name) for name in SIZES},
        resources={kind: _amounts(container.get("resources", {}).get(kind, {})) for kind in ("requests", "limits")},
    )


def _amounts(resources: Mapping[str, str]) -> dict[str, Decimal]:
    """The API may write an amount in another way: `1000m` is `1`."""
    return {name: parse_quantity(amount) for name, amount in resources.items()}


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
