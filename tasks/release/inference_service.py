"""The InferenceService of a portfolio: the serve image and a model in one predictor spec."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple, TypedDict

from kubernetes.utils.quantity import parse_quantity

from tasks.errors import ReleaseError
from tasks.lake.online_table import table_name
from tasks.naming import dashed
from tasks.sagemaker.registry import RegisteredModel
from tasks.settings import settings

GROUP, VERSION, PLURAL = "serving.kserve.io", "v1beta1", "inferenceservices"
MODEL_NAME = "credit-model"
# As long as MODEL_NAME, so that a name that fits for one fits for both.
TRIAL_NAME = "credit-trial"
PORT = 8080
# Where Istio's agent finds the server's metrics, which it offers with its own on port 15020
# (https://istio.io/latest/docs/ops/integrations/prometheus/). KServe's own annotation means queue-proxy's port.
_METRICS = {"prometheus.io/scrape": "true", "prometheus.io/port": str(PORT), "prometheus.io/path": "/metrics"}
# Knative labels a revision's host `latest-NAME-predictor`, and a label has at most 63 characters.
LONGEST_PORTFOLIO = 63 - len(f"latest-{MODEL_NAME}--predictor")
READY, LIVE = "/v2/health/ready", "/v2/health/live"
NODE_GROUP = "credit/node-group"
ZONE = "topology.kubernetes.io/zone"
TOKEN_FOLDER, TOKEN_KEY = "/var/run/secrets/credit", "token"  # a path, not a token
# Compared between two specs besides image, bundle and our variables; the webhook sets no defaults for these.
SIZES = ("minReplicas", "maxReplicas", "scaleTarget", "nodeSelector")
Resources = dict[str, str]


class Probe(TypedDict):
    """A health or readiness probe; times in seconds."""

    httpGet: dict[str, str | int]
    periodSeconds: int
    failureThreshold: int
    timeoutSeconds: int


class Container(TypedDict):
    """The model server's container, with every field that we set."""

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
    """`spec.predictor`, always with the same fields, because a merge patch removes only what it names."""

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
    """Return the InferenceService's name: `credit-model-uci-credit-card`.

    Raises:
        ReleaseError: the portfolio's name is too long for the host names that Knative makes of it.
    """
    if len(portfolio) > LONGEST_PORTFOLIO:
        raise ReleaseError(
            f"portfolio {portfolio}: its name has {len(portfolio)} characters and an endpoint's at most "
            f"{LONGEST_PORTFOLIO}, because Knative puts it into labels of 63; give the contract a shorter name"
        )
    return f"{MODEL_NAME}-{dashed(portfolio)}"


def trial_name(portfolio: str) -> str:
    """Return the name of the service in which a model is tested that no revision can be compared with."""
    return service_name(portfolio).replace(MODEL_NAME, TRIAL_NAME, 1)


def predictor(model: RegisteredModel, service: str = "") -> Predictor:
    """Return `spec.predictor`; a change of image, bundle or settings makes a new revision.

    Args:
        model: the model to serve.
        service: name of the InferenceService, if it is not the portfolio's own.
    """
    here = settings()
    return {
        "serviceAccountName": here.service_account,
        "minReplicas": here.serve_min_replicas,
        "maxReplicas": here.serve_max_replicas,
        "scaleMetric": "concurrency",
        "scaleTarget": here.serve_concurrency,
        # Seconds; also the time Knative gives an ending pod, of which the server needs 21 at most.
        "timeout": 30,
        "nodeSelector": {NODE_GROUP: here.serve_node_group},
        "tolerations": [
            {"key": NODE_GROUP, "operator": "Equal", "value": here.serve_node_group, "effect": "NoSchedule"}
        ],
        "topologySpreadConstraints": [_zones(service or service_name(model.portfolio))],
        "volumes": _volumes(),
        "containers": [_container(model)],
    }


def _zones(service: str) -> dict[str, Any]:
    """Return a constraint that prefers to spread pods over zones; a zone that is down must not block a release."""
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
        # The server listens only once the model is loaded and warm, so ready means ready to answer.
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
    """Return the variables of a portfolio's model servers for look-ups by id and the prediction log."""
    here = settings()
    found = {}
    if table := table_name(portfolio):
        found = {"CREDIT_ONLINE_TABLE": table, "CREDIT_ONLINE_TIMEOUT_MS": f"{here.online_timeout_ms:g}"}
    if here.prediction_log:
        found["CREDIT_PREDICTION_LOG"] = here.prediction_log
    return found


class ServingSpec(NamedTuple):
    """What a predictor spec serves, and how; to a release, two equal ones are the same."""

    image: str | None
    bundle_uri: str | None
    settings: dict[str, str | None]
    args: list[str]
    sizes: dict[str, Any]
    resources: dict[str, dict[str, Decimal]]


def served(spec: Mapping[str, Any]) -> ServingSpec:
    """Return what a predictor spec serves; fields that we do not set are ignored, because the webhook may set them."""
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
    """Return amounts as numbers: the API may rewrite `1` as `1000m`.

    >>> _amounts({"cpu": "1000m"}) == _amounts({"cpu": "1"})
    True
    """
    return {name: parse_quantity(amount) for name, amount in resources.items()}


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Return what two predictor specs serve differently, for people."""
    before, after = served(one)._asdict(), served(other)._asdict()
    return [f"{name}: {before[name]} -> {after[name]}" for name in before if before[name] != after[name]]


def version_in(spec: Mapping[str, Any]) -> str | None:
    """Return the model version that a predictor spec serves, None if its bundle is not one of ours.

    >>> version_in({"containers": [{"env": [{"name": "STORAGE_URI", "value": "s3://b/models/case/3f1c/"}]}]})
    '3f1c'
    """
    uri = served(spec).bundle_uri or ""
    return uri.rstrip("/").rpartition("/")[2] or None


def inference_service(model: RegisteredModel, name: str = "") -> dict[str, Any]:
    """Return the whole object, for a first release or a trial.

    Args:
        model: the model to serve.
        name: name of the object, if it is not the portfolio's own.
    """
    name = name or service_name(model.portfolio)
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "InferenceService",
        "metadata": {
            "name": name,
            "namespace": settings().namespace,
            "labels": {"credit/portfolio": model.portfolio},
            "annotations": {
                "serving.kserve.io/deploymentMode": "Knative",
                "serving.kserve.io/enable-tag-routing": "true",
                **_METRICS,
            },
        },
        "spec": {"predictor": predictor(model, name)},
    }
