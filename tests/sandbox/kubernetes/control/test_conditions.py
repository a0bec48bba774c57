"""How `Ready` follows from its dependents: the rules of Knative's `apis/condition_set.go`."""

from sandbox.kubernetes.control.conditions import Conditions, groomed


def conditions(before=(), time="2026-01-01T00:00:01Z"):
    return Conditions(before, ("First", "Second"), time)


def ready(managed):
    found = managed.get("Ready")
    return found["status"], found.get("reason", "")


def test_initial_conditions_are_unknown():
    managed = conditions()
    managed.initialize()
    assert {c["type"]: c["status"] for c in managed.listed()} == dict.fromkeys(("First", "Ready", "Second"), "Unknown")


def test_a_dependent_that_is_new_is_true_if_ready_is():
    managed = conditions([{"type": "Ready", "status": "True"}])
    managed.initialize()
    assert managed.has("First", "True")


def test_ready_is_true_only_when_all_dependents_are():
    managed = conditions()
    managed.initialize()
    managed.mark_true("First")
    assert ready(managed) == ("Unknown", "")
    managed.mark_true("Second")
    assert ready(managed) == ("True", "")


def test_false_wins_over_unknown():
    managed = conditions()
    managed.initialize()
    managed.mark_false("First", "Broken", "why")
    managed.mark_unknown("Second", "Slow", "wait")
    assert ready(managed) == ("False", "Broken")
    managed.mark_true("First")
    assert ready(managed) == ("Unknown", "Slow")


def test_the_latest_of_two_false_dependents_gives_the_reason():
    managed = conditions()
    managed.initialize()
    managed.mark_false("First", "Earlier")
    managed.mark_false("Second", "Later")
    managed.mark_true("Other")
    assert ready(managed) == ("False", "Later")


def test_a_condition_that_ready_does_not_depend_on_is_informational():
    managed = conditions()
    managed.initialize()
    managed.mark_true("First")
    managed.mark_true("Second")
    managed.mark_false("Other", "Whatever")
    assert managed.get("Other")["severity"] == "Info"
    assert ready(managed) == ("True", "")


def test_an_unchanged_condition_keeps_its_transition_time():
    before = [{"type": "First", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]
    managed = conditions(before)
    managed.mark_true("First")
    assert managed.get("First") == before[0]
    managed.mark_unknown("First")
    managed.mark_true("First")
    assert groomed([managed.get("First")], before) == before


def test_a_service_recovers_in_the_order_in_which_its_children_do():
    """The steps of `TestFailureRecovery` in Knative's `service_lifecycle_test.go`."""
    managed = conditions()
    managed.initialize()
    seen = []
    for mark, kind in (
        (managed.mark_false, "First"),
        (managed.mark_false, "Second"),
        (managed.mark_true, "First"),
        (managed.mark_true, "Second"),
    ):
        mark(kind)
        seen.append(ready(managed)[0])
    assert seen == ["False", "False", "False", "True"]
