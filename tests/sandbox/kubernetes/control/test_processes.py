"""The processes of a revision as one state, and whose turn it is."""

from types import SimpleNamespace

import pytest

from sandbox.kubernetes.control.pods import PodState
from sandbox.kubernetes.kserve.podspec import read_template
from sandbox.kubernetes.kserve.processes import RevisionPods

READY, RUNNING = PodState("Ready"), PodState("Running")
FAILED = PodState("Failed", "out of memory", 137)


def revision_pods(*states):
    return RevisionPods([SimpleNamespace(state=state) for state in states])


@pytest.mark.parametrize(
    ("states", "phase", "copies"),
    [
        ((READY, READY), "Ready", 2),
        ((READY, RUNNING), "Running", 2),
        ((READY, FAILED), "Failed", 2),
        ((RUNNING, FAILED), "Failed", 2),
    ],
)
def test_a_revision_is_ready_once_all_its_pods_are(states, phase, copies):
    state = revision_pods(*states).state
    assert (state.phase, state.copies) == (phase, copies)


def test_a_revision_that_was_ready_stays_so_as_long_as_one_pod_is():
    pods = revision_pods(READY, READY)
    assert pods.state.copies == 2
    pods.pods[0].state = FAILED
    assert pods.state == PodState("Ready", copies=1)
    pods.pods[1].state = FAILED
    assert pods.state.exit_code == 137


def test_requests_go_to_ready_pods_in_turn():
    pods = revision_pods(READY, FAILED, READY)
    first, _, third = pods.pods
    assert [pods.next() is pod for pod in (first, third, first, third)] == [True] * 4
    assert revision_pods(FAILED).next() is None


def test_a_template_is_read_from_a_revision():
    container = {
        "name": "kserve-container",
        "image": "registry/credit-serve:1",
        "args": ["--model_dir=/mnt/models"],
        "env": [{"name": "STORAGE_URI", "value": "s3://models/v1/"}],
        "readinessProbe": {"httpGet": {"path": "/ready"}, "timeoutSeconds": 2},
    }
    annotations = {"autoscaling.knative.dev/min-scale": "3"}
    spec = {"containers": [container], "serviceAccountName": "credit-serve", "timeoutSeconds": 30}
    template = read_template({"metadata": {"name": "r", "annotations": annotations}, "spec": spec})
    assert (template.storage_uri, template.env) == ("s3://models/v1/", {"STORAGE_URI": "/mnt/models"})
    assert (template.probe_path, template.probe_timeout, template.grace) == ("/ready", 2.0, 30.0)
    assert (template.service_account, template.copies) == ("credit-serve", 3)
