"""The release's role on a real API server: its verbs are enough for what a release asks, and none is too much."""

import uuid

import pytest
from kubernetes import client

from tasks.errors import ReleaseError
from tasks.release import kserve
from tasks.settings import settings
from tests.deployments.rbac import ACCOUNT, BINDING, ROLE, VERBS, grant
from tests.sandbox.kubernetes import real_api

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not real_api.has_context("flow"), reason="needs REAL_KUBECONFIG with a context `flow`, the account ml/flow"
    ),
]


@pytest.fixture(scope="module")
def admin():
    connected = real_api.connect()
    real_api.install(connected, "ml")
    return connected


@pytest.fixture(scope="module")
def flow():
    return real_api.connect("flow")


@pytest.fixture
def namespace(admin):
    """A namespace of the test's own, where the role can be changed."""
    name = f"rbac-{uuid.uuid4().hex[:8]}"
    client.CoreV1Api(admin).create_namespace({"metadata": {"name": name}})
    yield name
    client.CoreV1Api(admin).delete_namespace(name)


@pytest.fixture
def release(rendered, stage, flow, namespace):
    """Ask of the API server what a release and its undoing ask."""
    stage.setattr(kserve, "api", lambda: client.CustomObjectsApi(flow))
    stage.setenv("CREDIT_NAMESPACE", namespace)

    def run():
        service = rendered()
        assert service["metadata"]["namespace"] == settings().namespace == namespace
        name = service["metadata"]["name"]
        assert kserve.read(name) is None
        kserve.create(service)
        predictor = service["spec"]["predictor"] | {"canaryTrafficPercent": 0}
        kserve.change(name, predictor, expecting=lambda spec: "canaryTrafficPercent" not in spec)
        changed = kserve.change(name, {"canaryTrafficPercent": None}, expecting=lambda spec: True)
        kserve.delete(name)
        return service, changed

    return run


def test_the_role_is_enough_and_no_field_is_lost_on_the_way(namespace, release):
    grant(namespace)
    asked, stored = release()
    assert stored["spec"] == asked["spec"]
    assert stored["metadata"]["labels"] == asked["metadata"]["labels"]


@pytest.mark.parametrize("verb", VERBS)
def test_without_any_one_verb_it_is_not(namespace, release, verb):
    grant(namespace, [other for other in VERBS if other != verb])
    with pytest.raises(ReleaseError, match=f"403 .*grant the flow's role the verb {verb} on inferenceservices"):
        release()


def test_it_opens_nothing_else(flow, namespace):
    grant(namespace)
    core, custom, gvp = client.CoreV1Api(flow), client.CustomObjectsApi(flow), ("serving.kserve.io", "v1beta1")
    calls = [
        lambda: core.list_namespaced_secret(namespace),
        lambda: core.list_namespaced_pod(namespace),
        lambda: core.list_namespaced_config_map(namespace),
        lambda: custom.list_namespaced_custom_object(*gvp, namespace, "inferenceservices"),
        lambda: custom.get_namespaced_custom_object(*gvp, "kube-system", "inferenceservices", "x"),
        lambda: custom.patch_namespaced_custom_object_status(*gvp, namespace, "inferenceservices", "x", {"status": {}}),
        lambda: client.RbacAuthorizationV1Api(flow).list_namespaced_role(namespace),
    ]
    for call in calls:
        with pytest.raises(client.ApiException) as refused:
            call()
        assert refused.value.status == 403


def test_the_binding_is_for_the_account_of_the_file():
    assert {"kind": "ServiceAccount", **ACCOUNT["metadata"]} in BINDING["subjects"]
    assert BINDING["roleRef"]["name"] == ROLE["metadata"]["name"]
