"""The API's contract through the official client; the same tests pass on a real API server."""

import json
import time
import uuid

import pytest
from kubernetes import client, watch

pytestmark = pytest.mark.integration

GVP = ("serving.kserve.io", "v1beta1", "ml", "inferenceservices")


@pytest.fixture
def custom(api):
    return client.CustomObjectsApi(api)


@pytest.fixture
def name():
    return f"m{uuid.uuid4().hex[:8]}"


def body(name, **predictor):
    predictor = predictor or {"containers": [{"name": "kserve-container", "image": "x/credit-serve:1"}]}
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": name, "labels": {"test": name}},
        "spec": {"predictor": predictor},
    }


@pytest.fixture
def only_sandbox(request):
    if "real" in request.node.callspec.id:
        pytest.skip("a real API server keeps more history and sends a bookmark a minute")


@pytest.fixture
def made(custom, name):
    return custom.create_namespaced_custom_object(*GVP, body(name))


def refused(code, reason, call, *args, **kwargs):
    """Check that a call is refused; return the Status object."""
    with pytest.raises(client.ApiException) as caught:
        call(*args, **kwargs)
    status = json.loads(caught.value.body)
    assert (caught.value.status, status["reason"], status["kind"]) == (code, reason, "Status")
    return status


def test_a_created_object_gets_its_metadata(made, name):
    metadata = made["metadata"]
    assert (metadata["name"], metadata["namespace"], metadata["generation"]) == (name, "ml", 1)
    assert uuid.UUID(metadata["uid"])
    assert int(metadata["resourceVersion"]) > 0
    assert metadata["creationTimestamp"].endswith("Z")


def test_get_returns_what_create_returned(custom, made, name):
    assert custom.get_namespaced_custom_object(*GVP, name) == made


def test_creating_twice_conflicts(custom, made, name):
    status = refused(409, "AlreadyExists", custom.create_namespaced_custom_object, *GVP, body(name))
    assert status["message"] == f'inferenceservices.serving.kserve.io "{name}" already exists'


def test_a_missing_object_is_not_found(custom):
    status = refused(404, "NotFound", custom.get_namespaced_custom_object, *GVP, "nobody")
    assert status["message"] == 'inferenceservices.serving.kserve.io "nobody" not found'


def test_a_missing_namespace_is_not_found(custom, name):
    gvp = (GVP[0], GVP[1], "nowhere", GVP[3])
    status = refused(404, "NotFound", custom.create_namespaced_custom_object, *gvp, body(name))
    assert status["message"] == 'namespaces "nowhere" not found'


def test_a_name_can_be_generated(custom):
    thing = body("x")
    thing["metadata"] = {"generateName": "made-"}
    assert custom.create_namespaced_custom_object(*GVP, thing)["metadata"]["name"].startswith("made-")


def test_an_object_without_a_name_is_refused(custom):
    thing = body("x")
    thing["metadata"] = {}
    refused(422, "Invalid", custom.create_namespaced_custom_object, *GVP, thing)


def test_another_kind_is_refused(custom, name):
    thing = body(name) | {"kind": "Deployment"}
    refused(422, "Invalid", custom.create_namespaced_custom_object, *GVP, thing)


def test_fields_of_the_wrong_type_are_named(custom, name):
    predictor = {"containers": [{"name": "kserve-container", "image": 7}], "minReplicas": "one"}
    status = refused(422, "Invalid", custom.create_namespaced_custom_object, *GVP, body(name, **predictor))
    fields = {cause["field"] for cause in status["details"]["causes"]}
    assert fields == {"spec.predictor.containers[0].image", "spec.predictor.minReplicas"} or fields == {
        "spec.predictor.containers.image",
        "spec.predictor.minReplicas",
    }
    assert status["message"].startswith(f'InferenceService.serving.kserve.io "{name}" is invalid: ')


def test_a_missing_required_field_is_named(custom, name):
    thing = body(name) | {"spec": {}}
    status = refused(422, "Invalid", custom.create_namespaced_custom_object, *GVP, thing)
    assert [cause["field"] for cause in status["details"]["causes"]] == ["spec.predictor"]


def test_quantities_may_be_numbers(custom, name):
    container = {"name": "kserve-container", "image": "x/y:1", "resources": {"limits": {"cpu": 1, "memory": "1Gi"}}}
    made = custom.create_namespaced_custom_object(*GVP, body(name, containers=[container]))
    assert made["spec"]["predictor"]["containers"][0]["resources"]["limits"] == {"cpu": 1, "memory": "1Gi"}


def test_unknown_fields_are_pruned(custom, name):
    thing = body(name)
    thing["spec"]["predictor"]["canaryTraffic"] = 10
    thing["spec"]["nonsense"] = {}
    made = custom.create_namespaced_custom_object(*GVP, thing)
    assert set(made["spec"]) == {"predictor"}
    assert set(made["spec"]["predictor"]) == {"containers"}


def test_a_merge_patch_sets_and_null_removes(custom, made, name):
    patch = {"spec": {"predictor": {"canaryTrafficPercent": 10, "maxReplicas": 2}}}
    patched = custom.patch_namespaced_custom_object(*GVP, name, patch)
    assert patched["spec"]["predictor"]["canaryTrafficPercent"] == 10
    patched = custom.patch_namespaced_custom_object(*GVP, name, {"spec": {"predictor": {"canaryTrafficPercent": None}}})
    assert patched["spec"]["predictor"] == made["spec"]["predictor"] | {"maxReplicas": 2}
    assert patched["metadata"]["generation"] == 3


def test_a_patch_that_changes_nothing_keeps_the_version(custom, made, name):
    patched = custom.patch_namespaced_custom_object(*GVP, name, {"metadata": {"labels": {"test": name}}})
    assert patched["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


def test_metadata_leaves_the_generation_alone(custom, made, name):
    patched = custom.patch_namespaced_custom_object(*GVP, name, {"metadata": {"annotations": {"a": "b"}}})
    assert patched["metadata"]["generation"] == 1
    assert patched["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]


def json_patch(custom, name, operations):
    return custom.patch_namespaced_custom_object(*GVP, name, operations, _content_type="application/json-patch+json")


def test_a_json_patch_applies(custom, made, name):
    operations = [
        {"op": "test", "path": "/metadata/resourceVersion", "value": made["metadata"]["resourceVersion"]},
        {"op": "add", "path": "/spec/predictor/canaryTrafficPercent", "value": 20},
    ]
    assert json_patch(custom, name, operations)["spec"]["predictor"]["canaryTrafficPercent"] == 20


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/metadata/generation", "value": 99},
        {"op": "remove", "path": "/spec/predictor/canaryTrafficPercent"},
    ],
)
def test_a_json_patch_that_does_not_apply_is_invalid(custom, made, name, operation):
    refused(422, "Invalid", json_patch, custom, name, [operation])


def test_a_stale_version_in_a_patch_conflicts(custom, made, name):
    custom.patch_namespaced_custom_object(*GVP, name, {"spec": {"predictor": {"maxReplicas": 2}}})
    stale = {
        "metadata": {"resourceVersion": made["metadata"]["resourceVersion"]},
        "spec": {"predictor": {"timeout": 9}},
    }
    status = refused(409, "Conflict", custom.patch_namespaced_custom_object, *GVP, name, stale)
    assert "the object has been modified" in status["message"]


def test_an_invalid_patch_changes_nothing(custom, made, name):
    patch = {"spec": {"predictor": {"canaryTrafficPercent": "ten"}}}
    refused(422, "Invalid", custom.patch_namespaced_custom_object, *GVP, name, patch)
    assert custom.get_namespaced_custom_object(*GVP, name) == made


def test_replace_needs_the_current_version(custom, made, name):
    changed = body(name, minReplicas=2, **made["spec"]["predictor"])
    refused(422, "Invalid", custom.replace_namespaced_custom_object, *GVP, name, changed)
    changed["metadata"]["resourceVersion"] = made["metadata"]["resourceVersion"]
    replaced = custom.replace_namespaced_custom_object(*GVP, name, changed)
    assert replaced["spec"]["predictor"]["minReplicas"] == 2
    assert replaced["metadata"]["uid"] == made["metadata"]["uid"]
    refused(409, "Conflict", custom.replace_namespaced_custom_object, *GVP, name, changed)


def test_the_status_is_its_own_subresource(custom, made, name):
    status = {"url": "http://x", "modelStatus": {"transitionStatus": "UpToDate"}}
    patched = custom.patch_namespaced_custom_object_status(
        *GVP, name, {"status": status, "spec": {"predictor": {"maxReplicas": 9}}}
    )
    assert patched["status"] == status
    assert patched["spec"] == made["spec"]
    assert patched["metadata"]["generation"] == 1
    patched = custom.patch_namespaced_custom_object(
        *GVP, name, {"status": {"url": "http://y"}, "spec": {"predictor": {"maxReplicas": 9}}}
    )
    assert patched["status"] == status
    assert patched["spec"]["predictor"]["maxReplicas"] == 9
    assert custom.get_namespaced_custom_object_status(*GVP, name)["status"] == status


def test_a_status_in_a_new_object_is_dropped(custom, name):
    made = custom.create_namespaced_custom_object(*GVP, body(name) | {"status": {"url": "http://x"}})
    assert "status" not in made


def test_a_dry_run_stores_nothing(custom, name):
    made = custom.create_namespaced_custom_object(*GVP, body(name), dry_run="All")
    assert made["metadata"]["uid"]
    refused(404, "NotFound", custom.get_namespaced_custom_object, *GVP, name)
    stored = custom.create_namespaced_custom_object(*GVP, body(name))
    patch = {"spec": {"predictor": {"maxReplicas": 3}}}
    patched = custom.patch_namespaced_custom_object(*GVP, name, patch, dry_run="All")
    assert patched["spec"]["predictor"]["maxReplicas"] == 3
    custom.delete_namespaced_custom_object(*GVP, name, dry_run="All")
    assert custom.get_namespaced_custom_object(*GVP, name) == stored


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("test={0}", True),
        ("test=={0},colour!=red", True),
        ("test!={0}", False),
        ("test in ({0}, other)", True),
        ("test notin ({0})", False),
        ("test", True),
        ("!test", False),
    ],
)
def test_label_selectors(custom, made, name, selector, found):
    items = custom.list_namespaced_custom_object(*GVP, label_selector=selector.format(name))["items"]
    assert (name in {item["metadata"]["name"] for item in items}) is found


def test_a_field_selector_on_the_name(custom, made, name):
    items = custom.list_namespaced_custom_object(*GVP, field_selector=f"metadata.name={name}")["items"]
    assert [item["metadata"]["uid"] for item in items] == [made["metadata"]["uid"]]


def test_list_of_all_namespaces(custom, made, name):
    listed = custom.list_cluster_custom_object(GVP[0], GVP[1], GVP[3])
    assert listed["kind"] == "InferenceServiceList"
    assert name in {item["metadata"]["name"] for item in listed["items"]}


def test_delete(custom, made, name):
    answer = custom.delete_namespaced_custom_object(*GVP, name)
    assert answer["status"] == "Success"
    assert answer["details"]["uid"] == made["metadata"]["uid"]
    refused(404, "NotFound", custom.delete_namespaced_custom_object, *GVP, name)


def test_delete_checks_its_preconditions(custom, made, name):
    options = client.V1DeleteOptions(preconditions=client.V1Preconditions(uid=str(uuid.uuid4())))
    refused(409, "Conflict", custom.delete_namespaced_custom_object, *GVP, name, body=options)


def test_a_finalizer_holds_the_object(custom, made, name):
    custom.patch_namespaced_custom_object(*GVP, name, {"metadata": {"finalizers": ["test/hold"]}})
    custom.delete_namespaced_custom_object(*GVP, name)
    assert custom.get_namespaced_custom_object(*GVP, name)["metadata"]["deletionTimestamp"]
    custom.patch_namespaced_custom_object(*GVP, name, {"metadata": {"finalizers": None}})
    refused(404, "NotFound", custom.get_namespaced_custom_object, *GVP, name)


def changes(custom, selector, version, seconds=1, **more):
    stream = watch.Watch().stream(
        custom.list_namespaced_custom_object,
        *GVP,
        label_selector=selector,
        resource_version=version,
        timeout_seconds=seconds,
        **more,
    )
    return [(event["type"], event["object"]) for event in stream]


def test_a_watch_resumes_from_a_version(custom, made, name):
    custom.patch_namespaced_custom_object(*GVP, name, {"spec": {"predictor": {"maxReplicas": 2}}})
    custom.delete_namespaced_custom_object(*GVP, name)
    seen = changes(custom, f"test={name}", made["metadata"]["resourceVersion"])
    assert [kind for kind, _ in seen] == ["MODIFIED", "DELETED"]
    assert seen[0][1]["spec"]["predictor"]["maxReplicas"] == 2


def test_a_watch_without_a_version_starts_with_the_existing_objects(custom, made, name):
    start = time.monotonic()
    seen = changes(custom, f"test={name}", None)
    assert [(kind, thing["metadata"]["name"]) for kind, thing in seen] == [("ADDED", name)]
    assert 0.8 < time.monotonic() - start < 4


def test_an_object_that_leaves_the_selection_is_deleted_for_its_watcher(custom, made, name):
    custom.patch_namespaced_custom_object(*GVP, name, {"metadata": {"labels": {"test": "else"}}})
    assert [k for k, _ in changes(custom, f"test={name}", made["metadata"]["resourceVersion"])] == ["DELETED"]


def test_an_old_version_has_expired(only_sandbox, custom, name):
    first = custom.create_namespaced_custom_object(*GVP, body(name))
    for count in range(250):
        custom.patch_namespaced_custom_object(*GVP, name, {"spec": {"predictor": {"maxReplicas": count}}})
    with pytest.raises(client.ApiException) as caught:
        changes(custom, f"test={name}", first["metadata"]["resourceVersion"])
    assert caught.value.status == 410


def test_bookmarks_let_a_quiet_watch_resume(only_sandbox, custom, made, name):
    """A bookmark gives a watcher without events the current version."""
    response = custom.list_namespaced_custom_object(
        *GVP, watch=True, allow_watch_bookmarks=True, timeout_seconds=1,
        label_selector="test=nothing", resource_version=made["metadata"]["resourceVersion"], _preload_content=False,
    )  # fmt: skip
    custom.patch_namespaced_custom_object(*GVP, name, {"spec": {"predictor": {"maxReplicas": 3}}})
    lines = [json.loads(line) for line in response.read().splitlines()]
    assert {line["type"] for line in lines} == {"BOOKMARK"}
    assert int(lines[-1]["object"]["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])


def test_core_objects_have_no_generation_and_accept_partial_maps(api, name):
    core = client.CoreV1Api(api)
    made = core.create_namespaced_config_map("ml", client.V1ConfigMap(metadata={"name": name}, data={"a": "1"}))
    assert made.metadata.generation is None
    assert core.patch_namespaced_config_map(name, "ml", {"data": {"b": "2"}}).data == {"a": "1", "b": "2"}
    assert core.delete_namespaced_config_map(name, "ml").status == "Success"


def test_namespaces(api, name):
    core = client.CoreV1Api(api)
    core.create_namespace(client.V1Namespace(metadata={"name": name}))
    assert core.read_namespace(name).metadata.name == name
    with pytest.raises(client.ApiException, match="AlreadyExists"):
        core.create_namespace(client.V1Namespace(metadata={"name": name}))


def test_discovery(api):
    groups = {group.name for group in client.ApisApi(api).get_api_versions().groups}
    assert {"serving.kserve.io", "apiextensions.k8s.io"} <= groups
    resources = client.CustomObjectsApi(api).get_api_resources("serving.kserve.io", "v1beta1").resources
    assert {resource.name for resource in resources} == {"inferenceservices", "inferenceservices/status"}
    assert client.VersionApi(api).get_code().major == "1"


def test_the_definition_is_readable(api):
    read = client.ApiextensionsV1Api(api).read_custom_resource_definition("inferenceservices.serving.kserve.io")
    assert read.spec.names.kind == "InferenceService"
    predictor = read.spec.versions[0].schema.open_apiv3_schema.properties["spec"].properties["predictor"]
    assert predictor.properties["canaryTrafficPercent"].type == "integer"
