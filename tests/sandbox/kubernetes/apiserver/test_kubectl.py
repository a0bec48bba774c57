"""An unmodified kubectl against the sandbox's API.

KUBECTL names one or more programs, separated by colons; without it, the one in the path is used.
"""

import json
import os
import shutil
import subprocess

import pytest
import urllib3

from tests.sandbox.kubernetes import api_process

NAMED = [path for path in os.environ.get("KUBECTL", "").split(":") if path]
PROGRAMS = NAMED or [path for path in [shutil.which("kubectl")] if path]
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not PROGRAMS, reason="there is no kubectl in the path, and KUBECTL names none"),
]
SERVICE = {
    "apiVersion": "serving.kserve.io/v1beta1",
    "kind": "InferenceService",
    "metadata": {"name": "credit", "namespace": "ml"},
    "spec": {
        "predictor": {"minReplicas": 1, "containers": [{"name": "kserve-container", "image": "x/credit-serve:1"}]}
    },
}
STATUS = {
    "url": "http://credit.ml.example.com",
    "conditions": [{"type": "Ready", "status": "True"}],
    "components": {
        "predictor": {
            "traffic": [
                {"tag": "prev", "percent": 90, "revisionName": "credit-predictor-00001"},
                {"latestRevision": True, "percent": 10, "revisionName": "credit-predictor-00002"},
            ]
        }
    },
}


ABOUT = {"kind": "InferenceService", "apiVersion": "serving.kserve.io/v1beta1"}


class Kubectl:
    """One kubectl with a kubeconfig of its own."""

    def __init__(self, program, host, folder):
        self.folder = folder
        self.environment = {**os.environ, "KUBECONFIG": str(folder / "kubeconfig"), "HOME": str(folder)}
        context = {"name": "s", "context": {"cluster": "s", "user": "s", "namespace": "ml"}}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "s", "cluster": {"server": host}}],
            "users": [{"name": "s", "user": {}}],
            "contexts": [context],
            "current-context": "s",
        }
        (folder / "kubeconfig").write_text(json.dumps(config))
        self.program = program

    def __call__(self, *arguments, code=0, **environment):
        done = subprocess.run(
            [self.program, *arguments],
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert code in (done.returncode, None), done.stdout + done.stderr
        return done.stdout + done.stderr

    def file(self, thing):
        path = self.folder / "thing.json"
        path.write_text(json.dumps(thing))
        return str(path)


@pytest.fixture(scope="module", params=PROGRAMS)
def kubectl(request, tmp_path_factory):
    with api_process.serving() as host:
        yield Kubectl(request.param, host, tmp_path_factory.mktemp("kubectl"))


@pytest.fixture
def service(kubectl):
    kubectl("apply", "-f", kubectl.file(SERVICE))
    yield
    kubectl("delete", "isvc", "credit", "--ignore-not-found")


def changed(**predictor):
    return {**SERVICE, "spec": {"predictor": {**SERVICE["spec"]["predictor"], **predictor}}}


def test_apply_creates_changes_and_leaves_alone(kubectl):
    path = kubectl.file(SERVICE)
    assert "credit created" in kubectl("apply", "-f", path)
    assert "credit unchanged" in kubectl("apply", "-f", path)
    assert "credit configured" in kubectl("apply", "-f", kubectl.file(changed(minReplicas=2)))
    assert kubectl("get", "isvc", "credit", "-o", "jsonpath={.spec.predictor.minReplicas}") == "2"
    assert "credit" in kubectl("delete", "-f", path)


def test_apply_names_what_the_schema_refuses(kubectl, service):
    said = kubectl("apply", "-f", kubectl.file(changed(minReplicas="two")), code=1)
    assert "spec.predictor.minReplicas" in said


def test_server_side_apply_reports_conflicts_and_takes_over_by_force(kubectl):
    first = kubectl.file(SERVICE)
    assert "serverside-applied" in kubectl("apply", "--server-side", "--field-manager=first", "-f", first)
    other = kubectl.file(changed(minReplicas=3))
    said = kubectl("apply", "--server-side", "--field-manager=second", "-f", other, code=1)
    assert 'conflict with "first"' in said
    assert ".spec.predictor.minReplicas" in said
    forced = kubectl("apply", "--server-side", "--field-manager=second", "--force-conflicts", "-f", other)
    assert "serverside-applied" in forced
    kubectl("delete", "isvc", "credit")


def test_get_wide_shows_kserves_columns(kubectl, service):
    patch = [{"op": "add", "path": "/status", "value": STATUS}]
    host = json.loads((kubectl.folder / "kubeconfig").read_text())["clusters"][0]["cluster"]["server"]
    write_status(host, patch)
    head, row = kubectl("get", "isvc", "-o", "wide").splitlines()
    assert head.split() == [
        "NAME",
        "URL",
        "READY",
        "PREV",
        "LATEST",
        "PREVROLLEDOUTREVISION",
        "LATESTREADYREVISION",
        "AGE",
    ]
    revisions = ["credit-predictor-00001", "credit-predictor-00002"]
    assert row.split()[:-1] == ["credit", "http://credit.ml.example.com", "True", "90", "10", *revisions]


def write_status(host, patch):
    path = "/apis/serving.kserve.io/v1beta1/namespaces/ml/inferenceservices/credit/status"
    headers = {"Content-Type": "application/json-patch+json"}
    assert urllib3.PoolManager().request("PATCH", host + path, body=json.dumps(patch), headers=headers).status == 200


def test_describe_shows_the_object_and_its_events(kubectl, service):
    uid = kubectl("get", "isvc", "credit", "-o", "jsonpath={.metadata.uid}")
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "credit.1", "namespace": "ml"},
        "involvedObject": {**ABOUT, "name": "credit", "namespace": "ml", "uid": uid},
        "reason": "InferenceServiceReady",
        "message": "credit is ready",
        "type": "Normal",
    }
    kubectl("create", "-f", kubectl.file(event))
    said = kubectl("describe", "isvc", "credit")
    assert "Min Replicas:  1" in said
    assert "credit is ready" in said
    assert "credit is ready" in kubectl("get", "events")
    if "unknown command" not in kubectl("events", "--help", code=None):  # Debian's has no such command yet
        assert "credit is ready" in kubectl("events", "--for", "inferenceservice/credit")
    kubectl("delete", "event", "credit.1")


def test_diff_shows_what_apply_would_change(kubectl, service):
    assert kubectl("diff", "-f", kubectl.file(SERVICE)) == ""
    said = kubectl("diff", "-f", kubectl.file(changed(minReplicas=5)), code=1)
    assert "-    minReplicas: 1" in said
    assert "+    minReplicas: 5" in said


def test_edit_stores_what_the_editor_writes(kubectl, service):
    editor = kubectl.folder / "editor"
    editor.write_text('#!/bin/sh\nsed -i "s/minReplicas: 1/minReplicas: 4/" "$1"\n')
    editor.chmod(0o755)
    assert "credit edited" in kubectl("edit", "isvc", "credit", EDITOR=str(editor))
    assert kubectl("get", "isvc", "credit", "-o", "jsonpath={.spec.predictor.minReplicas}") == "4"


def test_wait_sees_a_condition(kubectl, service):
    host = json.loads((kubectl.folder / "kubeconfig").read_text())["clusters"][0]["cluster"]["server"]
    kubectl("wait", "isvc/credit", "--for=condition=Ready", "--timeout=1s", code=1)
    write_status(host, [{"op": "add", "path": "/status", "value": STATUS}])
    assert "condition met" in kubectl("wait", "isvc/credit", "--for=condition=Ready", "--timeout=5s")


@pytest.mark.parametrize(("path", "field"), [("isvc.spec.predictor", "canaryTrafficPercent"), ("configmap", "data")])
def test_explain_lists_fields(kubectl, path, field):
    assert field in kubectl("explain", path)


def test_explain_describes_a_field(kubectl):
    said = " ".join(kubectl("explain", "isvc.spec.predictor.canaryTrafficPercent").split())
    assert "defines the traffic split percentage between the candidate revision and the last ready revision" in said


def test_auth_says_what_one_may_do(kubectl):
    assert "yes" in kubectl("auth", "can-i", "patch", "inferenceservices")
    assert "*" in kubectl("auth", "can-i", "--list")


def test_patch_label_and_annotate(kubectl, service):
    kubectl("patch", "isvc", "credit", "--type=merge", "-p", '{"spec":{"predictor":{"maxReplicas":3}}}')
    kubectl("label", "isvc", "credit", "team=risk")
    kubectl("annotate", "isvc", "credit", "note=x")
    assert "credit" in kubectl("get", "isvc", "-l", "team=risk", "-o", "name")


def test_core_objects_are_applied_with_strategic_merge_patches(kubectl):
    thing = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "values", "namespace": "ml"}}
    kubectl("apply", "-f", kubectl.file(thing | {"data": {"a": "1", "b": "2"}}))
    kubectl("apply", "-f", kubectl.file(thing | {"data": {"a": "1"}}))
    assert json.loads(kubectl("get", "cm", "values", "-o", "json"))["data"] == {"a": "1"}
    kubectl("delete", "cm", "values")


def test_namespaces_and_configmaps_are_made_from_the_command_line(kubectl):
    """Newer kubectls send these as protobuf."""
    assert "namespace/team created" in kubectl("create", "namespace", "team")
    assert "created" in kubectl("create", "configmap", "-n", "team", "values", "--from-literal=a=b")
    assert json.loads(kubectl("get", "cm", "-n", "team", "values", "-o", "json"))["data"] == {"a": "b"}
    assert "Terminating" in kubectl("delete", "namespace", "team", "--wait=false") + kubectl("get", "namespaces")


def test_api_resources_are_listed(kubectl):
    said = kubectl("api-resources")
    assert "inferenceservices" in said
    assert "configmaps" in said


def test_delete_waits_until_it_is_gone(kubectl, service):
    assert "deleted" in kubectl("delete", "isvc", "credit", "--wait=true", "--timeout=10s")
    assert "NotFound" in kubectl("get", "isvc", "credit", code=1)
