"""Field sets, merging and ownership. The expected values are what a real API server (1.20) answered for ConfigMaps."""

import pytest

from sandbox.kubernetes.apiserver.errors import ConflictError
from sandbox.kubernetes.apiserver.fields.apply import applier, apply
from sandbox.kubernetes.apiserver.fields.managed import Writer, after_update
from sandbox.kubernetes.apiserver.fields.paths import from_fields, readable, to_fields
from sandbox.kubernetes.apiserver.resources import CONFIG_MAPS
from sandbox.kubernetes.apiserver.rest.strategic import strategic_merge_patch

UIDS = ["00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"]
EMPTY = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "values"}}


def intent(*, owners=(), finalizers=(), **data):
    metadata = {"name": "values"}
    if owners:
        metadata["ownerReferences"] = [
            {"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": UIDS[number - 1]} for number in owners
        ]
    if finalizers:
        metadata["finalizers"] = list(finalizers)
    return {**EMPTY, "metadata": metadata, **({"data": data} if data else {})}


def applied(live, manager, wanted, force=False):
    return apply(live, wanted, CONFIG_MAPS.schema, applier(manager, "v1"), force=force)


def owned(thing):
    return {entry["manager"]: entry["fieldsV1"] for entry in thing["metadata"]["managedFields"]}


def test_a_writer_owns_what_it_applies():
    assert owned(applied(EMPTY, "first", intent(a="1"))) == {"first": {"f:data": {"f:a": {}}}}


def test_a_plain_write_also_owns_the_maps_that_it_makes():
    [entry] = after_update({"metadata": {}}, intent(a="1"), CONFIG_MAPS.schema, Writer("me", api_version="v1"))
    assert entry["fieldsV1"] == {"f:data": {".": {}, "f:a": {}}}
    assert (entry["manager"], entry["operation"]) == ("me", "Update")


def test_another_value_for_anothers_field_conflicts():
    live = applied(EMPTY, "first", intent(a="1"))
    with pytest.raises(ConflictError) as caught:
        applied(live, "second", intent(a="2"))
    assert caught.value.message == 'Apply failed with 1 conflict: conflict with "first": .data.a'
    [cause] = caught.value.status()["details"]["causes"]
    assert cause == {"reason": "FieldManagerConflict", "message": 'conflict with "first"', "field": ".data.a"}


def test_several_conflicts_are_listed_by_owner():
    live = applied(EMPTY, "first", intent(a="1", b="1"))
    with pytest.raises(ConflictError) as caught:
        applied(live, "second", intent(a="2", b="2"))
    text = 'Apply failed with 2 conflicts: conflicts with "first":\n- .data.a\n- .data.b'
    assert caught.value.message == text


def test_force_takes_the_field_over():
    live = applied(applied(EMPTY, "first", intent(a="1", b="1")), "second", intent(a="2"), force=True)
    assert live["data"] == {"a": "2", "b": "1"}
    assert owned(live) == {"first": {"f:data": {"f:b": {}}}, "second": {"f:data": {"f:a": {}}}}


def test_the_same_value_is_shared_and_goes_with_its_last_owner():
    live = applied(applied(EMPTY, "first", intent(a="1")), "second", intent(a="1"))
    live = applied(live, "first", intent())
    assert live["data"] == {"a": "1"}
    assert applied(live, "second", intent()).get("data", {}) == {}


def test_a_field_that_nobody_applies_stays():
    live = {**applied(EMPTY, "first", intent(a="1")), "data": {"a": "1", "found": "2"}}
    assert applied(live, "first", intent())["data"] == {"found": "2"}


def test_list_items_with_keys_have_owners_each():
    live = applied(applied(EMPTY, "first", intent(owners=[1])), "second", intent(owners=[2]))
    assert [owner["uid"] for owner in live["metadata"]["ownerReferences"]] == UIDS
    assert owned(live)["second"] == {
        "f:metadata": {
            "f:ownerReferences": {
                f'k:{{"uid":"{UIDS[1]}"}}': {".": {}, "f:apiVersion": {}, "f:kind": {}, "f:name": {}, "f:uid": {}}
            }
        }
    }
    left = applied(live, "first", intent())
    assert [owner["uid"] for owner in left["metadata"]["ownerReferences"]] == UIDS[1:]


def test_items_of_a_set_have_owners_each():
    live = applied(
        applied(EMPTY, "first", intent(finalizers=["a.b/x"])), "second", intent(finalizers=["a.b/x", "a.b/y"])
    )
    assert live["metadata"]["finalizers"] == ["a.b/x", "a.b/y"]
    live = applied(live, "first", intent())
    assert live["metadata"]["finalizers"] == ["a.b/x", "a.b/y"]
    assert applied(live, "second", intent(finalizers=["a.b/y"]))["metadata"]["finalizers"] == ["a.b/y"]


def test_a_field_set_survives_its_written_form():
    fields = {"f:data": {".": {}, "f:a": {}}, "f:metadata": {"f:finalizers": {'v:"a.b/x"': {}}}}
    assert to_fields(from_fields(fields)) == fields


def test_a_path_is_readable():
    assert readable(("f:env", 'k:{"name":"A"}', "f:value")) == '.env[name="A"].value'


@pytest.mark.parametrize(
    ("patch", "left"),
    [
        ({"metadata": {"ownerReferences": [{"name": "b", "uid": UIDS[1]}]}}, [("b", UIDS[1]), ("a", UIDS[0])]),
        ({"metadata": {"ownerReferences": [{"name": "x", "uid": UIDS[0]}]}}, [("x", UIDS[0])]),
        ({"metadata": {"ownerReferences": [{"$patch": "delete", "uid": UIDS[0]}]}}, []),
        ({"metadata": {"ownerReferences": [{"$patch": "replace"}, {"name": "c", "uid": UIDS[1]}]}}, [("c", UIDS[1])]),
    ],
)
def test_a_strategic_merge_patch_merges_lists_by_their_key(patch, left):
    patched = strategic_merge_patch(intent(owners=[1]), patch, CONFIG_MAPS.schema)
    assert [(owner["name"], owner["uid"]) for owner in patched["metadata"]["ownerReferences"]] == left


@pytest.mark.parametrize(
    ("patch", "left"),
    [
        ({"data": {"b": "2"}}, {"a": "1", "b": "2"}),
        ({"data": {"a": None}}, {}),
        ({"data": {"$patch": "replace", "c": "3"}}, {"c": "3"}),
        ({"data": {"$retainKeys": ["c"], "c": "3"}}, {"c": "3"}),
    ],
)
def test_a_strategic_merge_patch_follows_its_directives(patch, left):
    assert strategic_merge_patch(intent(a="1"), patch, CONFIG_MAPS.schema)["data"] == left
