"""Revisions that start slowly, fail, come back, and end: Knative's rules with scripted pods."""

import pytest

from sandbox.kubernetes.apiserver.resources import CONFIGURATIONS, REVISIONS
from sandbox.kubernetes.control.loops import Loops, PodState
from tests.sandbox.kubernetes.scripted import (
    NAME,
    NAMESPACE,
    READY,
    Scripted,
    condition,
    message,
    predictor,
    revision,
)

CRASHED = PodState("Failed", "no licence file", 3)
NO_IMAGE = PodState("Failed", "no such image", reason="ImagePullBackOff")
STORED = {"name": "STORAGE_URI", "value": "s3://models/v1/"}


@pytest.fixture
def world():
    made = Scripted()
    made.serving(predictor("one"))
    return made


def with_model(image="one"):
    made = predictor(image)
    made["containers"][0]["env"] = [STORED]
    return made


def by_digest():
    made = predictor()
    made["containers"][0]["image"] = f"registry.example/credit-serve@sha256:{'0' * 64}"
    return made


def model(world):
    return world.status["modelStatus"]


def transition(world):
    return model(world)["transitionStatus"], model(world)["states"]["targetModelState"]


def configuration_ready(world):
    return condition(world.status, "PredictorConfigurationReady")


def test_the_latest_ready_revision_is_the_newest_ready_one(world):
    """After `configuration.go`, `findAndSetLatestReadyRevision`: a challenger that is ready first wins."""
    world.patch(predictor("two"))
    world.settle()
    world.patch(predictor("three"))
    world.settle()
    world.reaches(2, READY)
    assert world.component["latestReadyRevision"] == revision(2)
    assert world.traffic() == [(revision(2), 100)]
    world.reaches(3, READY)
    assert world.component["latestReadyRevision"] == revision(3)


def test_an_older_revision_that_is_ready_late_does_not_replace_a_newer_one(world):
    world.patch(predictor("two"))
    world.settle()
    world.patch(predictor("three"))
    world.settle()
    world.reaches(3, READY)
    world.reaches(2, READY)
    assert world.component["latestReadyRevision"] == revision(3)


def test_a_failed_latest_ready_revision_is_not_replaced_by_an_older_one(world):
    """After `configuration.go`, `getSortedCreatedRevisions`: the search starts at the last ready generation."""
    world.patch(predictor("two"))
    world.settle()
    world.reaches(2, READY)
    world.reaches(2, CRASHED)
    assert world.component["latestReadyRevision"] == revision(2)
    assert world.loops.routed(NAMESPACE, NAME) == [(revision(2), 100)]


def test_a_starting_revision_counts_as_routed(world):
    """After `metasync.go`: the latest created revision is active, so that it need not start again."""
    world.patch(predictor("two", canaryTrafficPercent=0))
    world.settle()
    labels = [world.child(REVISIONS, revision(number))["metadata"]["labels"] for number in (1, 2)]
    assert [each["serving.knative.dev/routingState"] for each in labels] == ["active", "active"]


def test_the_progress_deadline_counts_only_until_a_revision_was_ready(world):
    world.now += 700
    world.reaches(1, PodState("Pending"))
    assert condition(world.child(REVISIONS, revision(1))["status"], "Ready") == ("True", "")


def test_loops_write_nothing_while_a_failure_lasts(world):
    world.patch(predictor("two"))
    world.settle()
    world.reaches(2, CRASHED)
    world.now += 5
    assert not any(world.step(*world.loops.NAMES))


def test_a_revision_goes_on_starting_when_the_specification_has_moved_on(world):
    world.patch(predictor("two"))
    world.settle()
    world.patch(predictor("three"))
    world.settle()
    world.now += 500
    world.settle()
    assert world.pods.running == {revision(1), revision(2), revision(3)}


def test_a_revision_that_never_starts_ends_after_the_progress_deadline(world):
    """After `scaler.go`: 30 seconds after the deadline, because the Deployment is judged first."""
    world.patch(predictor("two", annotations={"serving.knative.dev/progress-deadline": "60s"}))
    world.settle()
    world.reaches(2, PodState("Running"))
    world.now += 61
    world.settle()
    assert configuration_ready(world) == ("False", "RevisionFailed")
    assert "has timed out progressing" in message(world.status, "PredictorConfigurationReady")
    assert revision(2) in world.pods.running
    world.now += 30
    world.settle()
    assert world.pods.stopped == [revision(2)]


def test_a_revision_without_traffic_ends_after_the_idle_time(world):
    world.patch(predictor("two"))
    world.settle()
    world.reaches(2, READY)
    world.now += 89
    world.settle()
    assert world.pods.stopped == []
    world.now += 2
    world.settle()
    assert world.pods.stopped == [revision(1)]
    assert [pod["metadata"]["labels"]["serving.knative.dev/revision"] for pod in world.pod_objects()] == [revision(2)]
    assert condition(world.child(REVISIONS, revision(1))["status"], "Active") == ("False", "NoTraffic")
    assert condition(world.child(REVISIONS, revision(1))["status"], "Ready") == ("True", "")


def test_a_revision_that_gets_traffic_again_starts_again(world):
    world.patch(predictor("two", canaryTrafficPercent=100))
    world.settle()
    world.reaches(2, READY)
    world.now += 200
    world.settle()
    world.now += 200
    world.settle()
    assert world.pods.running == {revision(2)}
    world.becomes(1, PodState("Pending"))
    world.patch({"canaryTrafficPercent": 0})
    world.settle()
    world.now += 1
    world.settle()
    assert world.pods.running == {revision(1), revision(2)}
    assert world.loops.routed(NAMESPACE, NAME) == [(revision(1), 100)]


def test_a_crash_blocks_the_model_and_the_earlier_revision_serves(world):
    world.patch(predictor("two"))
    world.settle()
    world.reaches(2, CRASHED)
    assert transition(world) == ("BlockedByFailedLoad", "FailedToLoad")
    assert model(world)["lastFailureInfo"] == {
        "reason": "ModelLoadFailed",
        "message": "no licence file",
        "exitCode": 3,
    }
    assert configuration_ready(world) == ("False", "RevisionFailed")
    assert message(world.status, "PredictorConfigurationReady") == (
        f'Revision "{revision(2)}" failed with message: Container failed with: no licence file.'
    )
    assert condition(world.status, "Ready")[0] == "False"
    assert world.traffic() == [(revision(1), 100)]
    assert "LatestCreatedFailed" in world.events()


def test_a_revision_that_crashed_first_can_still_start(world):
    world.patch(predictor("two"))
    world.settle()
    world.reaches(2, CRASHED)
    world.reaches(2, READY._replace(exit_code=3))
    assert configuration_ready(world) == ("True", "")
    assert world.traffic() == [(revision(2), 100)]


def test_a_ready_revision_can_fail_later_and_come_back(world):
    """After `reconcile_resources.go` and `configuration_lifecycle.go`."""
    world.reaches(1, CRASHED)
    assert condition(world.status, "Ready")[0] == "False"
    assert configuration_ready(world) == ("False", "RevisionFailed")
    assert condition(world.status, "PredictorRouteReady") == ("False", "RevisionMissing")
    assert condition(world.child(CONFIGURATIONS)["status"], "Ready") == ("False", "RevisionFailed")
    assert world.component["latestReadyRevision"] == revision(1)
    assert world.loops.routed(NAMESPACE, NAME) == [(revision(1), 100)]
    assert {"LatestReadyFailed", "InferenceServiceNotReady"} <= world.events()
    world.reaches(1, READY)
    assert condition(world.status, "Ready") == ("True", "")


def test_pods_that_vanish_without_an_end_do_not_unready_a_revision(world):
    """After `revision_lifecycle.go`: only an exit or an unschedulable pod does once the initial scale was reached."""
    world.reaches(1, PodState("Pending"))
    assert condition(world.status, "Ready") == ("True", "")
    assert condition(world.child(REVISIONS, revision(1))["status"], "Active") == ("Unknown", "Queued")
    world.reaches(1, PodState("Pending", "0/3 nodes are available", reason="Unschedulable"))
    assert condition(world.child(REVISIONS, revision(1))["status"], "Ready") == ("False", "Unschedulable")


def test_a_failed_previous_revision_fails_the_route(world):
    """After `route/traffic`: each target of a Route must be ready."""
    world.patch(predictor("two", canaryTrafficPercent=10))
    world.settle()
    world.reaches(2, READY)
    world.reaches(1, CRASHED)
    assert condition(world.status, "PredictorRouteReady") == ("False", "RevisionMissing")
    assert message(world.status, "PredictorRouteReady") == f'Revision "{revision(1)}" failed to become ready.'
    assert configuration_ready(world) == ("True", "")


def test_an_image_by_digest_that_cannot_be_pulled_shows_at_the_progress_deadline():
    """After `resolve.go`: a digest is not resolved, so only the pull fails."""
    world = Scripted()
    world.create(by_digest())
    world.settle()
    world.reaches(1, NO_IMAGE)
    world.now += 599
    world.settle()
    assert configuration_ready(world) == ("Unknown", "")
    assert transition(world) == ("InProgress", "Pending")
    world.now += 2
    world.settle()
    assert configuration_ready(world) == ("False", "RevisionFailed")
    assert "no such image" in message(world.status, "PredictorConfigurationReady")
    assert "lastFailureInfo" not in model(world)


def test_an_image_by_tag_that_cannot_be_resolved_shows_at_once():
    world = Scripted()
    world.create(predictor("nobody"))
    world.settle()
    world.reaches(1, NO_IMAGE)
    assert configuration_ready(world) == ("False", "RevisionFailed")
    text = message(world.status, "PredictorConfigurationReady")
    assert 'Unable to fetch image "registry.example/nobody:1"' in text
    assert transition(world) == ("BlockedByFailedLoad", "FailedToLoad")
    assert "lastFailureInfo" not in model(world)
    assert world.pod_objects() == []


def test_a_model_that_loads_is_loading():
    world = Scripted()
    world.create(with_model())
    world.settle()
    world.reaches(1, PodState("Loading"))
    assert transition(world) == ("InProgress", "Loading")
    world.reaches(1, PodState("Running"))
    assert transition(world) == ("InProgress", "Pending")
    world.reaches(1, READY)
    assert transition(world) == ("UpToDate", "Loaded")
    assert model(world)["copies"] == {"failedCopies": 0, "totalCopies": 1}


def test_a_model_that_cannot_be_fetched_blocks_while_knative_still_waits():
    """After `PropagateModelStatus` and `reconcile_resources.go`: Knative does not look at init containers."""
    world = Scripted()
    world.create(with_model())
    world.settle()
    failed = PodState("Failed", "No model found in v1/", 1, initializing=True)
    world.reaches(1, failed)
    assert transition(world) == ("BlockedByFailedLoad", "FailedToLoad")
    assert model(world)["lastFailureInfo"]["message"] == "No model found in v1/"
    assert configuration_ready(world) == ("Unknown", "")
    before = world.status
    world.reaches(1, failed._replace(phase="Loading"))
    assert world.status == before
    world.now += 601
    world.reaches(1, failed)
    assert configuration_ready(world) == ("False", "RevisionFailed")


def test_a_success_keeps_the_last_failure(world):
    world.patch(predictor("two"))
    world.settle()
    world.reaches(2, CRASHED)
    world.patch(predictor("three"))
    world.settle()
    world.reaches(3, READY)
    assert transition(world) == ("UpToDate", "Loaded")
    assert model(world)["lastFailureInfo"]["exitCode"] == 3


def test_a_model_format_without_runtime_is_an_invalid_specification():
    """After `predictor.go`: the error is an event, and no Knative Service is made."""
    world = Scripted()
    world.create({"model": {"modelFormat": {"name": "lightgbm"}, "storageUri": "s3://b/x/"}})
    world.settle()
    assert transition(world) == ("InvalidSpec", "FailedToLoad")
    assert model(world)["lastFailureInfo"]["reason"] == "NoSupportingRuntime"
    assert condition(world.status, "PredictorReady") == ("Unknown", "")
    assert "InternalError" in world.events()


def test_two_replicas_are_two_pods_and_two_copies():
    world = Scripted()
    world.create(predictor(minReplicas=2))
    world.settle()
    world.reaches(1, PodState("Ready", copies=2))
    assert len(world.pod_objects()) == 2
    assert model(world)["copies"]["totalCopies"] == 2
    assert world.child(REVISIONS, revision(1))["status"]["actualReplicas"] == 2


def test_loops_that_start_again_go_on_where_the_objects_are(world):
    world.patch(predictor("two"))
    world.settle()
    world.reaches(2, READY)
    world.now += 1
    world.settle()
    world.now += 200
    world.settle()
    assert world.pods.running == {revision(2)}
    before = world.status
    world.loops = Loops(world.store, world.pods, lambda: world.now)
    world.settle()
    assert world.status == before
    assert world.loops.routed(NAMESPACE, NAME) == [(revision(2), 100)]
    assert world.pods.running == {revision(2)}
