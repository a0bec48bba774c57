"""A roll-out step by step: what each loop writes, and what a client sees in between."""

import pytest

from sandbox.kubernetes.apiserver.resources import CONFIGURATIONS, INGRESSES, KNATIVE_SERVICES, REVISIONS, ROUTES
from tests.sandbox.kubernetes.scripted import (
    NAME,
    NAMESPACE,
    READY,
    TAGS,
    Scripted,
    condition,
    message,
    predictor,
    revision,
)


@pytest.fixture
def world():
    made = Scripted()
    made.serving(predictor("one"), annotations=TAGS)
    return made


def ready(world):
    return condition(world.status, "Ready")


def test_a_first_revision_takes_all_traffic_whatever_the_percent():
    """After `ksvc_reconciler.go`: without a rolled-out revision there is no split, and then it names one revision."""
    world = Scripted()
    world.serving(predictor(canaryTrafficPercent=10))
    assert world.traffic() == [(revision(1), 10), (revision(1), 90)]
    assert world.component["latestRolledoutRevision"] == revision(1)
    assert "previousRolledoutRevision" not in world.component
    assert world.loops.routed(NAMESPACE, NAME) == [(revision(1), 100)]


def test_children_have_owners_generations_and_numbered_names(world):
    owners = [
        world.child(resource)["metadata"]["ownerReferences"][0]["kind"]
        for resource in (KNATIVE_SERVICES, CONFIGURATIONS, ROUTES, INGRESSES)
    ]
    assert owners == ["InferenceService", "Service", "Service", "Route"]
    made = world.child(REVISIONS, revision(1))
    assert made["metadata"]["ownerReferences"][0]["kind"] == "Configuration"
    assert made["metadata"]["labels"]["serving.knative.dev/configurationGeneration"] == "1"
    assert [pod["metadata"]["labels"]["serving.knative.dev/revision"] for pod in world.pod_objects()] == [revision(1)]


def test_the_status_is_the_old_one_until_the_change_has_passed_the_loops(world):
    """After `ksvc_reconciler.go`: KServe updates the Service and copies the status it has had before."""
    before = world.status
    world.patch(predictor("two", canaryTrafficPercent=0))
    world.step("kserve")
    assert world.status == before
    assert world.child(KNATIVE_SERVICES)["metadata"]["generation"] == 2
    assert world.status["observedGeneration"] == 1


def test_ready_is_unknown_for_each_reason_of_a_change_of_traffic(world):
    """The reasons of `service_lifecycle.go` and `route_lifecycle.go`, in the order in which the loops get there."""
    world.patch(predictor("two", canaryTrafficPercent=0))
    world.settle()
    world.reaches(2, READY)
    assert ready(world) == ("True", "")
    world.patch({"canaryTrafficPercent": 10})
    seen = []
    for loops in (
        ("kserve", "service", "kserve"),
        ("route", "service", "kserve"),
        ("ingress", "route", "service", "kserve"),
        ("ingress", "route", "service", "kserve"),
    ):
        world.step(*loops)
        seen.append(ready(world))
    assert seen == [
        ("Unknown", "OutOfDate"),
        ("Unknown", "IngressNotConfigured"),
        ("Unknown", "Uninitialized"),
        ("True", ""),
    ]
    assert world.status["observedGeneration"] == 3


def test_traffic_is_not_migrated_while_the_route_names_the_earlier_revision(world):
    """After `service.go`, `checkRoutesNotReady`."""
    world.patch(predictor("two"))
    world.settle()
    world.becomes(2, READY)
    world.step("revision", "configuration", "service", "kserve")
    assert ready(world) == ("Unknown", "TrafficNotMigrated")
    assert message(world.status, "PredictorReady") == "Traffic is not yet migrated to the latest revision."


def test_the_status_names_the_new_shares_before_the_gateway_has_them(world):
    """After `route.go`: the traffic of the status is written before the Ingress is ready."""
    world.patch(predictor("two", canaryTrafficPercent=0))
    world.settle()
    world.reaches(2, READY)
    world.patch({"canaryTrafficPercent": 50})
    world.step("kserve", "service", "route", "service", "kserve")
    assert world.traffic() == [(revision(2), 50), (revision(1), 50)]
    assert world.loops.routed(NAMESPACE, NAME) == [(revision(1), 100)]
    world.step("ingress")
    assert world.loops.routed(NAMESPACE, NAME) == [(revision(2), 50), (revision(1), 50)]


def test_template_and_traffic_reach_the_service_in_one_update(world):
    world.patch(predictor("two", canaryTrafficPercent=0))
    world.step("kserve")
    spec = world.child(KNATIVE_SERVICES)["spec"]
    assert spec["template"]["spec"]["containers"][0]["image"].endswith("/two:1")
    assert [(t.get("revisionName"), t["percent"], t["tag"]) for t in spec["traffic"]] == [
        (None, 0, "latest"),
        (revision(1), 100, "prev"),
    ]


def test_a_template_equal_to_an_older_one_is_a_new_revision(world):
    world.patch(predictor("two"))
    world.settle()
    world.reaches(2, READY)
    world.patch(predictor("one"))
    world.settle()
    assert world.component["latestCreatedRevision"] == revision(3)
    assert world.revisions() == [revision(1), revision(2), revision(3)]


def test_a_change_of_percent_alone_creates_no_revision(world):
    world.patch({"canaryTrafficPercent": 50})
    world.settle()
    assert world.revisions() == [revision(1)]
    assert world.child(CONFIGURATIONS)["metadata"]["generation"] == 1
    assert world.child(KNATIVE_SERVICES)["metadata"]["generation"] == 2


def test_a_loop_that_was_away_sees_only_the_newest_state(world):
    for number in range(5):
        world.patch(predictor(f"image-{number}"))
        world.step("kserve")
    world.settle()
    assert world.revisions() == [revision(1), revision(2)]


def test_rolled_out_revisions_follow_promotion_and_rollback(world):
    """After `PropagateStatus` in `inference_service_status.go`."""
    world.patch(predictor("two", canaryTrafficPercent=0))
    world.settle()
    world.reaches(2, READY)
    world.patch({"canaryTrafficPercent": 100})
    world.settle()
    assert world.component["latestRolledoutRevision"] == revision(2)
    assert world.component["previousRolledoutRevision"] == revision(1)
    world.patch({"canaryTrafficPercent": 0})
    world.settle()
    assert world.component["latestRolledoutRevision"] == revision(1)
    assert world.loops.routed(NAMESPACE, NAME) == [(revision(1), 100)]


def test_tags_have_urls_and_routes_of_their_own(world):
    world.patch(predictor("two", canaryTrafficPercent=0))
    world.settle()
    world.reaches(2, READY)
    assert [(t["tag"], t["url"]) for t in world.component["traffic"]] == [
        ("latest", "http://latest-m-predictor.ml.example.com"),
        ("prev", "http://prev-m-predictor.ml.example.com"),
    ]
    assert world.loops.routed(NAMESPACE, NAME, "latest") == [(revision(2), 100)]
    assert world.loops.routed(NAMESPACE, NAME, "prev") == [(revision(1), 100)]


def test_urls_are_kserves_and_stay_once_they_are_set(world):
    """After `ingress_reconciler.go`: the predictor's URL without `-predictor`, and a cluster-local address."""
    assert world.status["url"] == "http://m.ml.example.com"
    assert world.status["address"] == {"url": "http://m.ml.svc.cluster.local"}
    assert world.component["url"] == "http://m-predictor.ml.example.com"
    assert world.component["address"] == {"url": "http://m-predictor.ml.svc.cluster.local"}
    before = {key: world.status[key] for key in ("url", "address")}
    world.patch(predictor("two"))
    world.settle()
    assert ready(world)[0] == "Unknown"
    assert condition(world.status, "IngressReady") == ("True", "")
    assert {key: world.status[key] for key in ("url", "address")} == before


def test_a_service_without_a_ready_revision_has_no_url():
    world = Scripted()
    world.create(predictor())
    world.settle()
    assert "url" not in world.status
    assert condition(world.status, "IngressReady") == ("Unknown", "Predictor ingress not created")
    assert condition(world.child(ROUTES)["status"], "IngressReady") == ("Unknown", "IngressNotConfigured")


@pytest.mark.parametrize(("length", "works"), [(46, True), (47, False)])
def test_a_tag_whose_host_name_has_a_label_over_63_characters_breaks_the_route(length, works):
    """After `route.go` and `domains.go`: `latest-NAME-predictor` must be a DNS label."""
    name = "m" * length
    world = Scripted()
    world.create(predictor(), name=name, annotations=TAGS)
    world.settle(name=name)
    world.pods.states[f"{name}-predictor-00001"] = READY
    world.settle(name=name)
    status = world.isvc(name)["status"]
    assert condition(status, "PredictorReady") == (("True", "") if works else ("False", "ErrorConfig"))
    if not works:
        assert "must be no more than 63 characters" in message(status, "PredictorRouteReady")


def test_events_are_recorded_once(world):
    assert {"Created", "RevisionReady", "ConfigurationReady", "LatestReadyUpdate", "InferenceServiceReady"} <= (
        world.events()
    )
    assert "InternalError" not in world.events()


def test_settled_loops_write_nothing(world):
    world.now += 1
    assert not any(world.step(*world.loops.NAMES))


def test_an_unknown_loop_is_an_error(world):
    with pytest.raises(ValueError, match="no loop 'labeler'; there are kserve"):
        world.step("labeler")


def test_standard_mode_has_a_deployment_and_ignores_the_percent():
    """After `PropagateRawStatus`: the pods of the new template take over once they are ready."""
    world = Scripted()
    world.create(predictor("one"), annotations={"serving.kserve.io/deploymentMode": "RawDeployment"})
    world.settle()
    assert condition(world.status, "PredictorReady") == ("False", "MinimumReplicasUnavailable")
    [first] = world.pods.running
    world.pods.states[first] = READY
    world.settle()
    assert condition(world.status, "Ready") == ("True", "")
    assert set(world.component) == {"url"}
    world.patch(predictor("two", canaryTrafficPercent=0))
    world.settle()
    assert world.loops.routed(NAMESPACE, NAME) == [(first, 100)]
    [second] = world.pods.running - {first}
    world.pods.states[second] = READY
    world.settle()
    assert world.loops.routed(NAMESPACE, NAME) == [(second, 100)]
    assert world.pods.stopped == [first]
    world.delete()
    world.settle()
    assert (world.pods.running, world.pod_objects()) == (set(), [])
