"""What the real server of the contract cannot show, because it is too old or because it would take too long."""

import json

import pytest
import urllib3

from tests.sandbox.kubernetes import api_process

pytestmark = pytest.mark.integration
PATH = "/apis/serving.kserve.io/v1beta1/namespaces/ml/inferenceservices"


@pytest.fixture(scope="module")
def ask():
    pool = urllib3.PoolManager(retries=False)
    with api_process.serving(history=20) as host:
        yield lambda method, path, body=None, **headers: pool.request(
            method, host + path, body=None if body is None else json.dumps(body), headers=headers, timeout=5
        )


def isvc(name, **predictor):
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": name},
        "spec": {"predictor": {"containers": [{"name": "kserve-container", "image": "x/y:1"}], **predictor}},
    }


@pytest.fixture
def made(ask):
    names = ["page-a", "page-b", "page-c"]
    for name in names:
        assert ask("POST", PATH, isvc(name)).status == 201
    yield
    for name in names:
        ask("DELETE", f"{PATH}/{name}")


def changed(ask, times):
    for count in range(times):
        ask("PATCH", f"{PATH}/page-a", {"spec": {"predictor": {"maxReplicas": count}}}, **MERGE)


MERGE = {"Content-Type": "application/merge-patch+json"}


def test_each_page_is_of_the_moment_of_the_first(ask, made):
    first = ask("GET", f"{PATH}?limit=2").json()
    ask("DELETE", f"{PATH}/page-c")
    ask("POST", PATH, isvc("page-d"))
    second = ask("GET", f"{PATH}?limit=2&continue={first['metadata']['continue']}").json()
    assert [item["metadata"]["name"] for item in second["items"]] == ["page-c"]
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    ask("DELETE", f"{PATH}/page-d")


def test_a_page_of_a_moment_long_ago_has_expired_and_names_a_token_to_go_on_with(ask, made):
    token = ask("GET", f"{PATH}?limit=1").json()["metadata"]["continue"]
    changed(ask, 25)
    answer = ask("GET", f"{PATH}?limit=1&continue={token}")
    assert (answer.status, answer.json()["reason"]) == (410, "Expired")
    rest = ask("GET", f"{PATH}?continue={answer.json()['metadata']['continue']}").json()
    assert [item["metadata"]["name"] for item in rest["items"]] == ["page-b", "page-c"]


def test_a_list_of_the_future_times_out(ask):
    answer = ask("GET", f"{PATH}?resourceVersion=999999")
    assert (answer.status, answer.json()["reason"]) == (504, "Timeout")
    assert answer.json()["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


def test_a_watch_from_long_ago_ends_with_an_error(ask, made):
    changed(ask, 25)
    [line] = ask("GET", f"{PATH}?watch=1&resourceVersion=2&timeoutSeconds=1").data.splitlines()
    event = json.loads(line)
    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")


def test_unknown_fields_are_warned_of(ask):
    answer = ask("POST", f"{PATH}?dryRun=All", isvc("x", canaryTraffic=1))
    assert answer.status == 201
    assert answer.headers["Warning"] == '299 - "unknown field \\"spec.predictor.canaryTraffic\\""'


@pytest.mark.parametrize(("level", "status"), [("Strict", 400), ("Ignore", 201), ("Odd", 422)])
def test_the_client_says_how_strict_the_server_is(ask, level, status):
    answer = ask("POST", f"{PATH}?dryRun=All&fieldValidation={level}", isvc("x", canaryTraffic=1))
    assert answer.status == status
    assert "Warning" not in answer.headers
    if level == "Strict":
        assert 'strict decoding error: unknown field "spec.predictor.canaryTraffic"' in answer.json()["message"]


def test_a_strict_patch_with_an_unknown_field_is_invalid(ask, made):
    body = {"spec": {"predictor": {"canaryTraffic": 1}}}
    answer = ask("PATCH", f"{PATH}/page-a?fieldValidation=Strict", body, **MERGE)
    assert (answer.status, answer.json()["reason"]) == (422, "Invalid")


def test_apply_refuses_what_the_definition_does_not_declare(ask):
    body = isvc("x", canaryTraffic=1)
    answer = ask("PATCH", f"{PATH}/x?fieldManager=me", body, **{"Content-Type": "application/apply-patch+yaml"})
    assert answer.status == 500
    assert answer.json()["message"].endswith(".spec.predictor.canaryTraffic: field not declared in schema")


def test_two_managers_apply_one_variable_each(ask):
    """The list keys of KServe's definition count, which Kubernetes 1.20 does not follow for custom resources."""
    headers = {"Content-Type": "application/apply-patch+yaml"}
    for manager, name in (("first", "A"), ("second", "B")):
        body = {**isvc("x"), "spec": {"predictor": {"model": {"env": [{"name": name, "value": "1"}]}}}}
        body["spec"]["predictor"]["model"]["modelFormat"] = {"name": "lightgbm"}
        answer = ask(
            "PATCH", f"{PATH}/shared?fieldManager={manager}", {**body, "metadata": {"name": "shared"}}, **headers
        )
        assert answer.status in (200, 201)
    assert [each["name"] for each in answer.json()["spec"]["predictor"]["model"]["env"]] == ["A", "B"]
    owners = {each["manager"]: each["fieldsV1"] for each in answer.json()["metadata"]["managedFields"]}
    variables = owners["second"]["f:spec"]["f:predictor"]["f:model"]["f:env"]
    assert variables == {'k:{"name":"B"}': {".": {}, "f:name": {}, "f:value": {}}}
    ask("DELETE", f"{PATH}/shared")


def test_a_status_has_owners_of_its_own(ask, made):
    ask("PATCH", f"{PATH}/page-a/status?fieldManager=controller", {"status": {"url": "http://x"}}, **MERGE)
    entries = ask("GET", f"{PATH}/page-a").json()["metadata"]["managedFields"]
    [entry] = [entry for entry in entries if entry["manager"] == "controller"]
    assert (entry["subresource"], entry["fieldsV1"]) == ("status", {"f:status": {".": {}, "f:url": {}}})


def test_a_watch_with_initial_events_says_when_they_are_all_there(ask, made):
    query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1"
    events = [json.loads(line) for line in ask("GET", f"{PATH}?{query}").data.splitlines()]
    assert [event["type"] for event in events[:4]] == ["ADDED", "ADDED", "ADDED", "BOOKMARK"]
    assert events[3]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_initial_events_need_a_rule_for_the_version(ask):
    assert ask("GET", f"{PATH}?watch=1&sendInitialEvents=true&timeoutSeconds=1").status == 422


@pytest.mark.parametrize("path", ["/openapi/v2", "/openapi/v3/apis/serving.kserve.io/v1beta1"])
def test_the_schema_is_published(ask, path):
    document = ask("GET", path).json()
    schemas = document.get("definitions") or document["components"]["schemas"]
    predictor = schemas["io.kserve.serving.v1beta1.InferenceService"]["properties"]["spec"]["properties"]["predictor"]
    percent = predictor["properties"]["canaryTrafficPercent"]
    assert (percent["type"], percent["format"]) == ("integer", "int64")
    assert "traffic split percentage" in percent["description"]
