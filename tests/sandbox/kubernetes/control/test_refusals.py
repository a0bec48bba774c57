"""What Knative's webhook refuses, and deletion."""

from pathlib import Path

import pytest
import yaml

from sandbox.kubernetes.apiserver.errors import NotFoundError
from sandbox.kubernetes.apiserver.resources import (
    CONFIG_MAPS,
    CONFIGURATIONS,
    FEATURES,
    INGRESSES,
    KNATIVE_SERVICES,
    ROUTES,
)
from tests.sandbox.kubernetes.scripted import NAME, NAMESPACE, READY, Scripted, condition, message, predictor, revision

ROOT = Path(__file__).parents[4]
DENIED = (
    'admission webhook "validation.webhook.serving.knative.dev" denied the request: validation failed: '
    "must not set the field(s): spec.template.spec"
)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("hostNetwork", True),
        ("restartPolicy", "Always"),
        ("terminationGracePeriodSeconds", 60),
        ("affinity", {"nodeAffinity": {}}),
        ("priorityClassName", "high"),
        ("runtimeClassName", "gvisor"),
        ("automountServiceAccountToken", True),
        ("dnsPolicy", "Default"),
    ],
)
def test_a_refused_field_shows_in_the_conditions(field, value):
    """After `predictor.go`: `PredictorReady` is False with reason `ReconcileFailed` and the webhook's message."""
    world = Scripted()
    world.create(predictor(**{field: value}))
    world.settle()
    assert condition(world.status, "PredictorReady") == ("False", "ReconcileFailed")
    assert message(world.status, "PredictorReady") == f"fails to reconcile predictor: {DENIED}.{field}"
    assert condition(world.status, "Ready") == ("False", "ReconcileFailed")
    assert world.revisions() == []


def test_a_refused_change_leaves_the_serving_revision_alone():
    world = Scripted()
    world.serving(predictor("one"))
    world.patch(predictor("two", hostNetwork=True))
    world.settle()
    wrapped = f"fails to reconcile predictor: fails to reconcile knative service: {DENIED}.hostNetwork"
    assert message(world.status, "PredictorReady") == wrapped
    assert world.status["observedGeneration"] == 1
    assert world.traffic() == [(revision(1), 100)]
    world.patch({"hostNetwork": None})
    world.settle()
    world.reaches(2, READY)
    assert condition(world.status, "Ready") == ("True", "")


def test_several_refused_fields_are_named_together():
    world = Scripted()
    world.create(predictor(restartPolicy="Always", hostPID=True))
    world.settle()
    assert message(world.status, "PredictorReady").endswith(
        "spec.template.spec.hostPID, spec.template.spec.restartPolicy"
    )


def test_a_host_path_volume_is_refused():
    world = Scripted()
    volume = {"name": "data", "hostPath": {"path": "/data"}}
    made = predictor(volumes=[volume])
    made["containers"][0]["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
    world.create(made)
    world.settle()
    text = message(world.status, "PredictorReady")
    assert "HostPath volume support is disabled, but found HostPath volume data" in text
    assert "spec.template.spec.volumes[0].hostPath" in text


@pytest.mark.parametrize("field", ["nodeSelector", "tolerations", "topologySpreadConstraints"])
def test_a_field_behind_a_flag_is_refused_while_the_flag_is_off(field):
    values = {
        "nodeSelector": {"pool": "models"},
        "tolerations": [{"key": "pool", "operator": "Exists"}],
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}],
    }
    world = Scripted()
    world.create(predictor(**{field: values[field]}))
    features = world.store.get(CONFIG_MAPS, "knative-serving", "config-features")
    world.store.replace(CONFIG_MAPS, {**features, "data": {}})
    world.settle()
    assert message(world.status, "PredictorReady").endswith(f"spec.template.spec.{field}")
    del features["metadata"]["resourceVersion"]
    world.store.replace(CONFIG_MAPS, features)
    world.settle()
    world.reaches(1, READY)
    assert condition(world.status, "Ready") == ("True", "")


def test_the_flags_are_those_of_our_deployment():
    written = yaml.safe_load((ROOT / "deployments" / "kserve" / "knative-features.yaml").read_text())
    assert written["data"] == FEATURES


@pytest.mark.parametrize(
    ("deadline", "fault"), [("soon", "invalid value: soon"), ("1500ms", "is not at second precision")]
)
def test_a_wrong_progress_deadline_is_refused(deadline, fault):
    world = Scripted()
    world.create(predictor(), annotations={"serving.knative.dev/progress-deadline": deadline})
    world.settle()
    assert fault in message(world.status, "PredictorReady")


def test_a_name_whose_service_is_longer_than_63_characters_is_refused():
    world = Scripted()
    name = "m" * 54
    world.create(predictor(), name=name)
    world.settle(name=name)
    assert "must be no more than 63 characters" in message(world.isvc(name)["status"], "PredictorReady")


def test_the_template_has_the_defaults_of_kserve_and_knative():
    """After `predictor.go`, `SetAutoScalingAnnotations` and `revision_defaults.go`."""
    world = Scripted()
    made = predictor(minReplicas=2, maxReplicas=4, timeout=30)
    made["containers"][0]["env"] = [{"name": "STORAGE_URI", "value": "s3://models/v1/"}]
    world.create(made)
    world.step("kserve")
    template = world.child(KNATIVE_SERVICES)["spec"]["template"]
    assert template["metadata"]["annotations"] == {
        "autoscaling.knative.dev/class": "kpa.autoscaling.knative.dev",
        "autoscaling.knative.dev/min-scale": "2",
        "autoscaling.knative.dev/max-scale": "4",
        "internal.serving.kserve.io/storage-initializer-sourceuri": "s3://models/v1/",
    }
    assert template["metadata"]["labels"] == {"serving.kserve.io/inferenceservice": NAME, "component": "predictor"}
    spec = template["spec"]
    assert (spec["timeoutSeconds"], spec["responseStartTimeoutSeconds"], spec["containerConcurrency"]) == (30, 30, 0)
    assert spec["enableServiceLinks"] is False
    [container] = spec["containers"]
    assert {"name": "INFERENCE_SERVICE_NAME", "value": NAME} in container["env"]
    assert container["readinessProbe"] == {"tcpSocket": {"port": 0}, "successThreshold": 1}


def test_what_the_sandbox_cannot_run_is_refused_clearly():
    world = Scripted()
    made = predictor()
    made["containers"][0]["command"] = ["sh"]
    world.create(made)
    world.settle()
    assert "sandbox: container kserve-container: command is not supported" in message(world.status, "PredictorReady")


def test_a_deleted_service_is_readable_until_kserves_loop_has_run():
    """After `controller.go`: the finalizer goes in the next reconciliation."""
    world = Scripted()
    world.serving(predictor())
    assert world.isvc()["metadata"]["finalizers"] == ["inferenceservice.finalizers"]
    world.delete()
    assert "deletionTimestamp" in world.isvc()["metadata"]
    assert world.loops.routed(NAMESPACE, NAME) == [(revision(1), 100)]
    world.step("kserve")
    with pytest.raises(NotFoundError):
        world.isvc()


def test_children_and_pods_of_a_deleted_service_go():
    world = Scripted()
    world.serving(predictor())
    world.delete()
    world.settle()
    for resource in (KNATIVE_SERVICES, CONFIGURATIONS, ROUTES, INGRESSES):
        with pytest.raises(NotFoundError):
            world.child(resource)
    assert (world.revisions(), world.pod_objects()) == ([], [])
    assert world.pods.stopped == [revision(1)]
    assert world.loops.routed(NAMESPACE, NAME) == []


def test_a_service_created_again_at_once_starts_from_its_first_revision():
    world = Scripted()
    world.serving(predictor("one"))
    world.delete()
    world.step("kserve")
    world.create(predictor("two"))
    world.pods.states.clear()
    world.settle()
    world.reaches(1, READY)
    assert world.revisions() == [revision(1)]
    assert condition(world.status, "Ready") == ("True", "")
    assert world.pods.running == {revision(1)}


def test_a_child_of_another_service_is_not_taken_over():
    """After `service.go`: it stays as it is until the garbage collector has it."""
    world = Scripted()
    world.serving(predictor("one"))
    world.delete()
    world.step("kserve", "service")
    world.create(predictor("two"))
    world.step("kserve", "service", "kserve")
    assert condition(world.status, "PredictorConfigurationReady") == ("False", "NotOwned")
