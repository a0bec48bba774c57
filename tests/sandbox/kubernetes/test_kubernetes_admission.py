"""KServe's webhook rules, through the official client."""

import pytest
from kubernetes import client

pytestmark = pytest.mark.integration

GVP = ("serving.kserve.io", "v1beta1", "ml", "inferenceservices")
CONTAINER = {"name": "kserve-container", "image": "x/credit-serve:1"}


def dry_run(api, predictor, name="model"):
    thing = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "spec": {"predictor": predictor}}
    thing["metadata"] = {"name": name}
    return client.CustomObjectsApi(api).create_namespaced_custom_object(*GVP, thing, dry_run="All")


@pytest.mark.parametrize(
    ("predictor", "message"),
    [
        ({}, "exactly one of"),
        ({"containers": [CONTAINER], "model": {"modelFormat": {"name": "lightgbm"}}}, "exactly one of"),
        ({"containers": [CONTAINER], "minReplicas": 3, "maxReplicas": 2}, "greater than maxReplicas"),
        ({"containers": [CONTAINER], "minReplicas": -1}, "less than 0"),
        ({"containers": [CONTAINER], "canaryTrafficPercent": 101}, "between 0 and 100"),
        ({"containers": [CONTAINER], "logger": {"url": "http://x"}}, "logger.mode"),
    ],
)
def test_the_webhook_refuses_an_invalid_predictor(sandbox_api, predictor, message):
    with pytest.raises(client.ApiException, match=message) as caught:
        dry_run(sandbox_api, predictor)
    assert caught.value.status == 403


@pytest.mark.parametrize("name", ["1model", "Model", "model-", "my.model"])
def test_the_webhook_refuses_an_invalid_name(sandbox_api, name):
    with pytest.raises(client.ApiException, match="name must consist of"):
        dry_run(sandbox_api, {"containers": [CONTAINER]}, name)


def test_a_lone_container_is_renamed(sandbox_api):
    made = dry_run(sandbox_api, {"containers": [{"name": "mine", "image": "x/y:1"}]})
    assert made["spec"]["predictor"]["containers"][0]["name"] == "kserve-container"


def test_the_mode_cannot_change_once_the_status_has_it(sandbox_api):
    custom = client.CustomObjectsApi(sandbox_api)
    thing = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "metadata": {"name": "fixed"}}
    custom.create_namespaced_custom_object(*GVP, thing | {"spec": {"predictor": {"containers": [CONTAINER]}}})
    status = {"deploymentMode": "Knative", "modelStatus": {"transitionStatus": "UpToDate"}}
    custom.patch_namespaced_custom_object_status(*GVP, "fixed", {"status": status})
    patch = {"metadata": {"annotations": {"serving.kserve.io/deploymentMode": "Standard"}}}
    with pytest.raises(client.ApiException, match="cannot be changed from 'Knative' to 'Standard'"):
        custom.patch_namespaced_custom_object(*GVP, "fixed", patch)
