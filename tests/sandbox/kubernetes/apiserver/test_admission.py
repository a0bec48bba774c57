"""KServe's webhooks: what they set and what they refuse, in the words of its Go source (`pkg/apis/serving/v1beta1`)."""

import copy

import pytest

from sandbox.kubernetes.apiserver.admission import check_inference_service, default_inference_service
from sandbox.kubernetes.apiserver.errors import ForbiddenError

CONTAINER = {"name": "kserve-container", "image": "x/credit-serve:1"}
MODE = "serving.kserve.io/deploymentMode"


def isvc(predictor, name="model", annotations=None, **spec):
    metadata = {"name": name, **({"annotations": annotations} if annotations else {})}
    return {"metadata": metadata, "spec": {"predictor": predictor, **spec}}


def defaulted(predictor, **more):
    thing = isvc(copy.deepcopy(predictor), **more)
    default_inference_service(thing, None)
    return thing


def refusal(thing, old=None):
    with pytest.raises(ForbiddenError) as caught:
        check_inference_service(thing, old)
    assert caught.value.code == 403
    head = 'admission webhook "inferenceservice.kserve-webhook-server.validator" denied the request: '
    assert caught.value.message.startswith(head)
    return caught.value.message.removeprefix(head)


ONE_OF = (
    "exactly one of [Name, SKLearn, XGBoost, Tensorflow, PyTorch, Triton, ONNX, HuggingFace, PMML, LightGBM, Paddle, "
    "Model, StorageUris, StorageContainerName, WorkerSpec, PodSpec] must be specified in PredictorSpec"
)


@pytest.mark.parametrize(
    ("predictor", "message"),
    [
        ({}, ONE_OF),
        ({"containers": [CONTAINER], "model": {"modelFormat": {"name": "lightgbm"}}}, ONE_OF),
        (
            {"containers": [CONTAINER], "minReplicas": 3, "maxReplicas": 2},
            "'MinReplicas' cannot be greater than MaxReplicas",
        ),
        ({"containers": [CONTAINER], "minReplicas": -1}, "'MinReplicas' cannot be less than 0"),
        ({"containers": [CONTAINER], "maxReplicas": -1}, "'MaxReplicas' cannot be less than 0"),
        ({"containers": [CONTAINER], "containerConcurrency": -1}, "parallelism cannot be less than 0"),
        ({"containers": [CONTAINER], "logger": {"url": "http://x"}}, "invalid logger type"),
        ({"containers": [CONTAINER], "logger": {"mode": "all", "storage": {}}}, "invalid logger storage configuration"),
        ({"containers": [CONTAINER], "scaleMetric": "cpu"}, "[cpu] is not a supported metric"),
        (
            {"containers": [CONTAINER], "deploymentStrategy": {}},
            "customizing deploymentStrategy is only supported for raw deployment mode",
        ),
        (
            {"containers": [{**CONTAINER, "env": [{"name": "PROTOCOL", "value": "v9"}]}]},
            "invalid protocol v1, v2. Must be one of [v9]",
        ),
        (
            {"containers": [{**CONTAINER, "env": [{"name": "PYTHONPATH", "value": "/x"}]}]},
            'the InferenceService "model" is invalid: setting PYTHONPATH in container "kserve-container" is not '
            "allowed for security reasons",
        ),
        (
            {"model": {"name": "x", "modelFormat": {"name": "lightgbm"}}},
            "the 'name' field is not allowed in standard predictor",
        ),
        (
            {"containers": [CONTAINER, {"name": "transformer-container", "env": [{"name": "STORAGE_URI"}]}]},
            "storage uri should not be specified in transformer container",
        ),
    ],
)
def test_the_webhook_refuses_an_invalid_predictor(predictor, message):
    assert refusal(isvc(predictor)) == message


@pytest.mark.parametrize("percent", [101, -1])
def test_the_webhook_takes_any_canary_percent_and_leaves_it_to_knative(percent):
    check_inference_service(isvc({"containers": [CONTAINER], "canaryTrafficPercent": percent}), None)


@pytest.mark.parametrize("name", ["1model", "my.model"])
def test_the_webhook_refuses_names_that_the_api_server_takes(name):
    assert "name must consist of lower case alphanumeric characters or '-'" in refusal(
        isvc({"containers": [CONTAINER]}, name)
    )


def test_the_webhook_refuses_an_unknown_autoscaler():
    annotations = {"serving.kserve.io/autoscalerClass": "kpa"}
    thing = isvc({"containers": [CONTAINER]}, annotations=annotations)
    assert refusal(thing) == "[kpa] is not a supported autoscaler class type"


def test_canary_specifications_need_standard_mode():
    canary = [{"predictor": {"name": "c", "containers": [CONTAINER]}, "trafficPercent": 10}]
    thing = isvc({"containers": [CONTAINER]}, canary=canary)
    assert refusal(thing) == "canary is only supported in Standard deployment mode"


def test_the_mode_cannot_change_once_the_status_has_it():
    old = {**isvc({"containers": [CONTAINER]}), "status": {"deploymentMode": "Knative"}}
    new = isvc({"containers": [CONTAINER]}, annotations={MODE: "Standard"})
    assert refusal(new, old) == "update rejected: deploymentMode cannot be changed from 'Knative' to 'Standard'"


def test_nothing_is_checked_in_what_is_being_deleted():
    thing = isvc({})
    thing["metadata"]["deletionTimestamp"] = "2026-11-27T00:00:00Z"
    check_inference_service(thing, isvc({}))


def test_a_lone_container_is_renamed_and_limited():
    [container] = defaulted({"containers": [{"name": "mine", "image": "x/y:1"}]})["spec"]["predictor"]["containers"]
    assert container["name"] == "kserve-container"
    assert container["resources"] == {
        "limits": {"cpu": "1", "memory": "2Gi"},
        "requests": {"cpu": "1", "memory": "2Gi"},
    }


def test_resources_of_ones_own_stay():
    given = {"limits": {"cpu": "4"}, "requests": {"memory": "1Gi"}}
    [container] = defaulted({"containers": [{**CONTAINER, "resources": given}]})["spec"]["predictor"]["containers"]
    assert container["resources"] == {
        "limits": {"cpu": "4", "memory": "2Gi"},
        "requests": {"cpu": "1", "memory": "1Gi"},
    }


@pytest.mark.parametrize(
    ("old", "new"), [("Serverless", "Knative"), ("RawDeployment", "Standard"), ("Knative", "Knative")]
)
def test_old_names_of_modes_become_new_ones(old, new):
    assert defaulted({"containers": [CONTAINER]}, annotations={MODE: old})["metadata"]["annotations"][MODE] == new


@pytest.mark.parametrize(
    ("framework", "protocol"), [("lightgbm", None), ("sklearn", None), ("onnx", "v2"), ("triton", "v2")]
)
def test_a_framework_becomes_a_model_of_its_format(framework, protocol):
    thing = defaulted({framework: {"storageUri": "s3://a/b/"}})
    predictor = thing["spec"]["predictor"]
    assert framework not in predictor
    assert predictor["model"]["modelFormat"] == {"name": framework}
    assert predictor["model"]["storageUri"] == "s3://a/b/"
    assert predictor["model"].get("protocolVersion") == protocol
    assert thing["metadata"]["annotations"]["modelFormat"] == framework
