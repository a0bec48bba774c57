"""Manifests hold against Kubernetes' schemas, what the release renders also against KServe's models and webhook."""

import re
import shutil
import subprocess

import kubernetes_validate
import pytest
import yaml
from pydantic import ValidationError

from deployments import templates
from sandbox.kubernetes.apiserver.admission import inference_service as webhook
from sandbox.kubernetes.apiserver.resources import INFERENCE_SERVICES
from sandbox.kubernetes.apiserver.schema import schema_of
from sandbox.kubernetes.apiserver.validation import prune, validate
from tasks.settings import Settings
from tests.deployments.conftest import FOLDER, documents

KUBERNETES = templates.parameters("serving")["KubernetesVersion"]["Default"]
FILES = [path for path in sorted(FOLDER.glob("*.yaml")) if path.stem not in ("kustomization", "knative-features")]
OBJECTS = {f"{thing['kind']}/{thing['metadata']['name']}": thing for path in FILES for thing in documents(path)}
# Knative refuses these pod fields without a feature flag: its `fieldmask.go` and the ConfigMap `config-features`.
FLAGS = {
    "affinity": "affinity",
    "hostAliases": "hostaliases",
    "nodeSelector": "nodeselector",
    "tolerations": "tolerations",
    "topologySpreadConstraints": "topologyspreadconstraints",
    "securityContext": "securitycontext",
    "priorityClassName": "priorityclassname",
    "initContainers": "init-containers",
}
NEVER = {"terminationGracePeriodSeconds", "automountServiceAccountToken", "hostNetwork", "restartPolicy", "dnsPolicy"}


@pytest.fixture(params=["", "serve-token"], ids=["open", "token"])
def service(request, rendered):
    return rendered(SERVE_TOKEN_SECRET=request.param, SERVE_MIN_REPLICAS="2", ONLINE_TABLES="prod")


@pytest.mark.parametrize("name", OBJECTS)
def test_core_kinds_fit_kubernetes_own_schemas(name):
    kubernetes_validate.validate(OBJECTS[name], KUBERNETES, strict=True)


def test_a_wrong_field_would_be_noticed():
    broken = OBJECTS["PodDisruptionBudget/credit-serve"] | {"spec": {"maxUnavailible": 1}}
    with pytest.raises(kubernetes_validate.ValidationError, match="maxUnavailible"):
        kubernetes_validate.validate(broken, KUBERNETES, strict=True)


def test_the_service_fits_kserves_models(service):
    schema = schema_of(INFERENCE_SERVICES.model)
    assert validate(service, schema) == []
    assert prune(service, schema) == service  # else a field is misspelt, and the API server would drop it


def test_the_service_passes_kserves_webhook(service):
    before = str(service)
    webhook(service, None)
    assert str(service) == before


def pod(service):
    fields = schema_of("V1PodSpec")["properties"]
    spec = {name: value for name, value in service["spec"]["predictor"].items() if name in fields}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": spec}


def test_its_pod_fits_kubernetes_own_schema(service):
    kubernetes_validate.validate(pod(service), KUBERNETES, strict=True)


def test_knative_takes_every_field_of_the_pod(service):
    [features] = documents(FOLDER / "knative-features.yaml")
    fields = set(pod(service)["spec"])
    needed = {f"kubernetes.podspec-{FLAGS[field]}" for field in fields & set(FLAGS)}
    assert set(features["data"]) == needed
    assert set(features["data"].values()) == {"enabled"}
    assert not fields & NEVER


def test_image_by_digest_and_a_bundle_address_that_matches_no_other(service):
    [container] = service["spec"]["predictor"]["containers"]
    assert re.fullmatch(r".+@sha256:[0-9a-f]{64}", container["image"])
    assert next(v["value"] for v in container["env"] if v["name"] == "STORAGE_URI").endswith("/")


def test_nothing_of_the_pod_can_be_written_but_scratch(service):
    predictor = service["spec"]["predictor"]
    [container] = predictor["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    writable = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"] if not mount["readOnly"]}
    assert writable == {"tmp": "/tmp"}
    assert {volume["name"] for volume in predictor["volumes"]} == {m["name"] for m in container["volumeMounts"]}


def test_the_policies_reach_the_pods_of_every_portfolio(service):
    """KServe copies the labels of the InferenceService to its pods."""
    for name in ("PodDisruptionBudget/credit-serve", "NetworkPolicy/credit-serve"):
        spec = OBJECTS[name]["spec"]
        selector = spec.get("selector") or spec["podSelector"]
        assert [e["key"] for e in selector["matchExpressions"] if e["operator"] == "Exists"] == ["credit/portfolio"]
    assert "credit/portfolio" in service["metadata"]["labels"]


def test_the_service_runs_as_the_account_in_the_namespace_that_are_there(service):
    account = OBJECTS[f"ServiceAccount/{service['spec']['predictor']['serviceAccountName']}"]
    assert account["metadata"]["namespace"] == service["metadata"]["namespace"]
    assert f"Namespace/{service['metadata']['namespace']}" in OBJECTS


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SERVE_MIN_REPLICAS", "0"),
        ("SERVE_MAX_REPLICAS", "0"),
        ("SERVE_MIN_REPLICAS", "5"),
        ("SERVE_CPU", "half"),
        ("SERVE_MEMORY", "1G"),
        ("SERVE_NODE_GROUP", ""),
        ("SERVE_TOKEN_SECRET", "Serve_Token"),
    ],
)
def test_settings_that_a_cluster_would_refuse_are_refused_here(stage, name, value):
    stage.setenv(f"CREDIT_{name}", value)
    with pytest.raises(ValidationError, match=name.lower() if value != "5" else "is below CREDIT_SERVE_MIN_REPLICAS 5"):
        Settings()


def kustomized(folder):
    if not shutil.which("kubectl"):
        pytest.skip("kubectl renders kustomizations, and is not here")
    done = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def variables(folder):
    return dict(line.split("=", 1) for line in (folder / "stage.env").read_text().splitlines())


@pytest.mark.integration
@pytest.mark.parametrize("folder", [FOLDER, FOLDER / "istio"], ids=lambda path: path.name)
def test_a_stages_values_are_filled_in_and_nothing_else_is_added(folder):
    found = kustomized(folder)
    named = {(thing["kind"], thing["metadata"]["name"]) for thing in found}
    paths = [path for path in folder.glob("*.yaml") if path.stem not in ("kustomization", "knative-features")]
    assert named == {(thing["kind"], thing["metadata"]["name"]) for path in paths for thing in documents(path)}
    text = yaml.safe_dump_all(found, width=1000)
    for name, value in variables(folder).items():
        assert value in text
        assert name not in text


def test_the_mesh_lets_nobody_in_by_namespace_alone_who_may_have_come_from_outside():
    """The gateway and Knative's activator carry requests from outside, and so open nothing of the server's own."""
    [policy] = documents(FOLDER / "istio" / "authorization.yaml")
    for rule in policy["spec"]["rules"]:
        spaces = {space for entry in rule.get("from", []) for space in entry["source"].get("namespaces", [])}
        [operation] = [entry["operation"] for entry in rule["to"]]
        if spaces & {"istio-system", "knative-serving"}:
            assert operation["paths"] == ["/healthz"] or operation["ports"] == ["9090"]
