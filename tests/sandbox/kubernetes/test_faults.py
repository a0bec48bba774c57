"""Faults that tests order: how they are chosen, counted and timed, and what clients of the API see of them."""

import json
import os
import re
import time

import pytest
import urllib3
from kubernetes import client

from sandbox.kubernetes.faults import Fault, FaultError, Faults
from tests.sandbox.kubernetes import api_process, real_api

PATH = "/apis/serving.kserve.io/v1beta1/namespaces/ml/inferenceservices"
MERGE = {"Content-Type": "application/merge-patch+json"}


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_a_fault_meets_as_many_requests_as_it_is_ordered_for():
    faults = Faults()
    faults.order(Fault("lost", count=2))
    taken = [len(faults.take("patch", "inferenceservices", "credit")) for _ in range(3)]
    assert taken == [1, 1, 0]


def test_a_fault_ends_after_its_time():
    clock = Clock()
    faults = Faults(clock)
    faults.order(Fault("busy", count=None, seconds=5))
    clock.now = 4.9
    assert faults.take("get", "inferenceservices", "credit")
    clock.now = 5.0
    assert not faults.take("get", "inferenceservices", "credit")


@pytest.mark.parametrize(
    ("wanted", "met"),
    [
        ({}, True),
        ({"verb": "patch"}, True),
        ({"verb": "get"}, False),
        ({"resource": "inferenceservices", "name": "credit"}, True),
        ({"resource": "configmaps"}, False),
        ({"name": "other"}, False),
    ],
)
def test_a_fault_waits_for_its_request(wanted, met):
    assert Fault("lost", **wanted).meets("patch", "inferenceservices", "credit") is met


def test_the_gateway_fails_for_its_service_and_the_api_does_not():
    faults = Faults()
    faults.order(Fault("gateway", name="credit", count=1))
    assert not faults.take("get", "inferenceservices", "credit")
    assert not faults.gateway_fails("other")
    assert [faults.gateway_fails("credit"), faults.gateway_fails("credit")] == [True, False]


@pytest.mark.parametrize("wrong", [{"action": "explode"}, {"action": "hang", "when": "never"}])
def test_an_order_that_nobody_can_follow_is_refused(wrong):
    with pytest.raises(FaultError):
        Fault(**wrong)


@pytest.fixture(scope="module")
def host():
    with api_process.serving(webhooks=True) as found:
        yield found


@pytest.fixture
def http(host):
    pool = urllib3.PoolManager(retries=False)

    def ask(method, path=PATH, body=None, **more):
        return pool.request(method, host + path, json=body, **{"timeout": 5, **more})

    yield ask
    ask("DELETE", "/sandbox/faults")


@pytest.fixture
def order(http):
    return lambda **fault: http("POST", "/sandbox/faults", fault)


@pytest.fixture
def credit(http):
    thing = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "metadata": {"name": "credit"}}
    thing["spec"] = {"predictor": {"containers": [{"name": "kserve-container", "image": "x/y:1"}]}}
    assert http("POST", body=thing).status == 201
    yield
    http("DELETE", f"{PATH}/credit")


def patch(http, **predictor):
    return http("PATCH", f"{PATH}/credit", {"spec": {"predictor": predictor}}, headers=MERGE)


def predictor(http):
    return http("GET", f"{PATH}/credit").json()["spec"]["predictor"]


@pytest.mark.integration
def test_an_answer_can_be_lost_after_the_request_was_carried_out(http, order, credit):
    order(action="lost", verb="patch")
    with pytest.raises(urllib3.exceptions.ProtocolError):
        patch(http, minReplicas=2)
    assert predictor(http)["minReplicas"] == 2


@pytest.mark.integration
@pytest.mark.parametrize(("when", "stored"), [("before", False), ("after", True)])
def test_a_request_can_hang_before_or_after_it_is_carried_out(http, order, credit, when, stored):
    order(action="hang", verb="patch", when=when, pause=1.0)
    with pytest.raises(urllib3.exceptions.ReadTimeoutError):
        http("PATCH", f"{PATH}/credit", {"spec": {"predictor": {"minReplicas": 2}}}, headers=MERGE, timeout=0.4)
    assert ("minReplicas" in predictor(http)) is stored


@pytest.mark.integration
@pytest.mark.parametrize(
    ("action", "code", "reason"), [("busy", 429, "TooManyRequests"), ("unavailable", 503, "ServiceUnavailable")]
)
def test_the_server_can_be_busy_for_a_while(http, order, credit, action, code, reason):
    order(action=action, verb="patch", count=2, retry_after=3)
    for _ in range(2):
        answer = patch(http, minReplicas=2)
        assert (answer.status, answer.json()["reason"], answer.headers["Retry-After"]) == (code, reason, "3")
    assert "minReplicas" not in predictor(http)
    assert patch(http, minReplicas=2).status == 200


@pytest.mark.integration
def test_the_server_can_be_unavailable_for_some_seconds(http, order):
    order(action="unavailable", count=None, seconds=0.3)
    assert http("GET").status == 503
    time.sleep(0.35)
    assert http("GET").status == 200


@pytest.mark.integration
def test_the_webhook_can_be_down(http, order, credit):
    order(action="webhook", count=1)
    answer = patch(http, minReplicas=2)
    assert answer.status == 500
    assert answer.json()["message"].startswith(
        'Internal error occurred: failed calling webhook "inferenceservice.kserve-webhook-server.defaulter"'
    )
    assert answer.json()["message"].endswith("connect: connection refused")


@pytest.mark.integration
def test_somebody_else_can_edit_just_before_a_request(http, order, credit):
    version = http("GET", f"{PATH}/credit").json()["metadata"]["resourceVersion"]
    order(action="edit", verb="patch", patch={"metadata": {"annotations": {"by": "somebody"}}})
    body = {"metadata": {"resourceVersion": version}, "spec": {"predictor": {"minReplicas": 2}}}
    assert http("PATCH", f"{PATH}/credit", body, headers=MERGE).status == 409
    assert http("GET", f"{PATH}/credit").json()["metadata"]["annotations"] == {"by": "somebody"}


@pytest.mark.integration
def test_somebody_else_can_edit_just_after_a_request(http, order, credit):
    order(action="edit", verb="patch", when="after", patch={"spec": {"predictor": {"minReplicas": 7}}})
    assert patch(http, minReplicas=2).json()["spec"]["predictor"]["minReplicas"] == 2
    assert predictor(http)["minReplicas"] == 7


@pytest.mark.integration
def test_orders_are_listed_and_dropped(http, order):
    order(action="lost", name="nobody")
    assert [each["action"] for each in http("GET", "/sandbox/faults").json()] == ["lost"]
    assert http("DELETE", "/sandbox/faults").json() == []


@pytest.mark.integration
def test_an_unknown_order_is_refused(order):
    assert order(action="explode").status == 400
    assert order(kind="lost").status == 400


@pytest.mark.integration
@pytest.mark.skipif(not real_api.REAL, reason="REAL_KUBECONFIG names no real API server")
def test_a_webhook_that_is_down_reads_as_on_a_real_server(http, order):
    """The real server (1.20) does not yet say `failed to call webhook`, and its webhook is at another address."""
    order(action="webhook", count=1)
    ours = http("POST", body={}).json()
    theirs = refused_by_the_real_one()
    address = re.compile(r'(failed to call webhook: )?Post ".*": dial tcp [0-9.:]+: ')
    assert address.sub("", ours["message"]) == address.sub("", theirs["message"])
    assert (ours["code"], ours["reason"]) == (theirs["code"], theirs["reason"])
    assert [sorted(cause) for cause in ours["details"]["causes"]] == [sorted(c) for c in theirs["details"]["causes"]]


def refused_by_the_real_one():
    """Install a webhook behind a closed port for one request; return the answer."""
    api = real_api.connect()
    hooks = client.AdmissionregistrationV1Api(api)
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
    hook = {
        "name": "inferenceservice.kserve-webhook-server.defaulter",
        "clientConfig": {"url": "https://127.0.0.1:1/mutate"},
        "rules": [rule],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "namespaceSelector": {"matchLabels": {"webhook": "down"}},
    }
    name = f"down-{os.getpid()}"
    client.CoreV1Api(api).create_namespace({"metadata": {"name": name, "labels": {"webhook": "down"}}})
    hooks.create_mutating_webhook_configuration({"metadata": {"name": name}, "webhooks": [hook]})
    try:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:  # the server takes a moment to follow its configuration
            try:
                client.CoreV1Api(api).create_namespaced_config_map(name, {"metadata": {"generateName": "x-"}})
            except client.ApiException as error:
                return json.loads(error.body)
        raise AssertionError("the webhook was never called")
    finally:
        hooks.delete_mutating_webhook_configuration(name)
