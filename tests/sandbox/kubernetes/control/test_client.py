"""What Knative's generated code does around each reconciliation (`pkg/reconciler/reconcile_common.go`)."""

import pytest

from sandbox.kubernetes.apiserver.resources import EVENTS, ROUTES, initial_objects
from sandbox.kubernetes.apiserver.store import Store
from sandbox.kubernetes.control.client import Client, ReconcileError, child_name


@pytest.fixture
def client():
    store = Store()
    for resource, thing in initial_objects("ml"):
        store.create(resource, thing)
    return Client(store, lambda: 1_700_000_000.9)


def route(client):
    return client.create(ROUTES, {"metadata": {"name": "r", "namespace": "ml"}, "spec": {"traffic": []}})


def ready(client):
    status = client.find(ROUTES, "ml", "r")["status"]
    return next(c for c in status["conditions"] if c["type"] == "Ready")


def test_a_new_generation_that_sets_no_condition_is_unknown(client):
    client.reconcile(ROUTES, route(client), ("Child",), lambda *_: None)
    assert (ready(client)["status"], ready(client)["reason"]) == ("Unknown", "NewObservedGenFailure")
    assert ready(client)["lastTransitionTime"] == "2023-11-14T22:13:20Z"
    assert client.find(ROUTES, "ml", "r")["status"]["observedGeneration"] == 1


def test_the_status_is_written_and_an_event_recorded_when_a_reconciliation_fails(client):
    def fail(status, conditions):
        conditions.mark_false("Child", "Broken")
        raise ReconcileError("no such child")

    made = route(client)
    client.reconcile(ROUTES, made, ("Child",), fail)
    client.reconcile(ROUTES, client.find(ROUTES, "ml", "r"), ("Child",), fail)
    assert ready(client)["reason"] == "Broken"
    [event] = client.store.list(EVENTS, "ml")
    assert (event["type"], event["reason"], event["message"]) == ("Warning", "InternalError", "no such child")
    assert event["involvedObject"]["kind"] == "Route"


def test_names_of_children_are_hashed_where_they_would_be_too_long():
    """With the expectation of `kmeta.ChildName`: 63 characters that end in the suffix."""
    name = child_name("p" * 60, "-00001")
    assert len(name) == 63
    assert name.startswith("p" * 25)
    assert name.endswith("-00001")
