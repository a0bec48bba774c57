"""KServe's derivation of a status, with the cases of its `inference_service_status_test.go`."""

import pytest

from sandbox.kubernetes.control.conditions import Conditions
from sandbox.kubernetes.kserve.status import component, propagate, propagate_model

ENDED = {"exitCode": 1, "message": "For testing"}
CRASHING = {
    "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "For testing"}},
    "lastState": {"terminated": {**ENDED, "reason": "CrashLoopBackOff"}},
}
ERROR = {"state": {"terminated": {**ENDED, "reason": "Error"}}, "lastState": {}}
FAILURE = {"reason": "ModelLoadFailed", "message": "For testing", "exitCode": 1}
BLOCKED = ("FailedToLoad", "BlockedByFailedLoad", FAILURE)


def managed(status="Unknown"):
    return Conditions([{"type": "Ready", "status": status}], ("PredictorReady", "IngressReady"), "")


def pod(*, init=None, container=None):
    statuses = {"phase": "Running", "conditions": []}
    if init is not None:
        statuses["initContainerStatuses"] = [{"name": "storage-initializer", **init}]
    if container is not None:
        statuses["containerStatuses"] = [{"name": "kserve-container", **container}]
    return {"status": statuses}


def service(status="True"):
    return {"status": {"conditions": [{"type": "Ready", "status": status}]}}


@pytest.mark.parametrize(
    ("pods", "knative", "expected"),
    [
        pytest.param([], "True", ("Pending", "InProgress", None), id="no pods"),
        pytest.param([], "False", ("FailedToLoad", "BlockedByFailedLoad", None), id="no pods, and Knative failed"),
        pytest.param(
            [pod(container={"state": {}, "lastState": {}})], "True", ("Pending", "InProgress", None), id="pending"
        ),
        pytest.param([pod(container=ERROR)], "True", BLOCKED, id="container error"),
        pytest.param([pod(container=CRASHING)], "True", BLOCKED, id="container crashes again and again"),
        pytest.param([pod(init=ERROR)], "True", BLOCKED, id="initializer error"),
        pytest.param([pod(init=CRASHING)], "True", BLOCKED, id="initializer crashes again and again"),
        pytest.param(
            [pod(init={"state": {"running": {}}, "lastState": {}})],
            "True",
            ("Loading", "InProgress", None),
            id="initializer runs",
        ),
    ],
)
def test_model_status_by_the_newest_pod(pods, knative, expected):
    status = {}
    assert propagate_model(status, managed("False"), pods, service(knative))
    model = status["modelStatus"]
    assert (model["states"]["targetModelState"], model["transitionStatus"], model.get("lastFailureInfo")) == expected
    assert model["states"]["activeModelState"] == ""


def test_an_initializer_that_runs_again_after_an_error_decides_nothing_yet():
    status = {}
    again = {"state": {"running": {}}, "lastState": CRASHING["lastState"]}
    assert not propagate_model(status, managed("False"), [pod(init=again)], service("False"))
    assert "states" not in status["modelStatus"]


@pytest.mark.parametrize("given", [service(), None], ids=["Knative", "Standard"])
def test_a_ready_service_has_loaded_its_model(given):
    status = {}
    component(status).update(latestReadyRevision="r1", latestCreatedRevision="r1")
    running = pod(container={"state": {"running": {}}, "lastState": {}})
    assert propagate_model(status, managed("True"), [running], given)
    assert status["modelStatus"]["states"] == {"activeModelState": "Loaded", "targetModelState": "Loaded"}
    assert status["modelStatus"]["transitionStatus"] == "UpToDate"


def test_a_service_that_is_ready_with_an_earlier_revision_has_not_loaded_its_model():
    status = {}
    component(status).update(latestReadyRevision="r1", latestCreatedRevision="r2")
    running = pod(container={"state": {"running": {}}, "lastState": {}})
    assert propagate_model(status, managed("True"), [running], service())
    assert status["modelStatus"]["transitionStatus"] == "InProgress"


def test_other_containers_are_ignored():
    status = {}
    other = {"status": {"phase": "Running", "containerStatuses": [{"name": "other", **ERROR}]}}
    assert propagate_model(status, managed("False"), [other], service())
    assert "states" not in status["modelStatus"]


@pytest.mark.parametrize(
    ("before", "created", "percent"),
    [({}, "", 100), ({"latestRolledoutRevision": "r1"}, "r1", 90)],
    ids=["latest revision", "rolled-out revision"],
)
def test_a_ready_knative_service_makes_the_predictor_ready(before, created, percent):
    conditions = managed()
    status = {"components": {"predictor": before}}
    traffic = [{"revisionName": "r1", "percent": percent, "latestRevision": True}]
    kinds = ("Foo", "RoutesReady", "ConfigurationsReady", "Ready")
    theirs = {
        "conditions": [{"type": kind, "status": "True"} for kind in kinds],
        "latestReadyRevisionName": "r1",
        "latestCreatedRevisionName": created,
        "traffic": traffic,
        "url": "http://test-predictor.default.example.com",
        "observedGeneration": 7,
    }
    propagate(status, conditions, {"status": theirs})
    assert conditions.has("PredictorReady", "True")
    assert component(status)["traffic"] == traffic
    assert component(status)["latestRolledoutRevision"] == "r1"
    assert status["observedGeneration"] == 7


def test_a_change_of_traffic_alone_does_not_roll_an_unready_revision_out():
    status = {"components": {"predictor": {"latestRolledoutRevision": "r1", "latestReadyRevision": "r1"}}}
    traffic = [{"revisionName": "r1", "percent": 100, "latestRevision": True}]
    theirs = {"latestReadyRevisionName": "r1", "latestCreatedRevisionName": "r2", "traffic": traffic}
    propagate(status, managed(), {"status": theirs})
    assert component(status)["latestRolledoutRevision"] == "r1"
    assert "previousRolledoutRevision" not in component(status)
