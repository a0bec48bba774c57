"""The controller's rules of Knative mode, with real processes behind the cluster's API."""

import contextlib
import json
import time
import uuid

import httpx
import psutil
import pytest
from kubernetes import client

GVP = ("serving.kserve.io", "v1beta1", "ml", "inferenceservices")
TAGS = {"serving.kserve.io/enable-tag-routing": "true"}


def predictor(image="good", storage=None, probe="/ready", **more):
    container = {"name": "c", "image": f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/{image}:1"}
    container["readinessProbe"] = {"httpGet": {"path": probe, "port": 8080}}
    if storage:
        container |= {"args": ["/mnt/models"], "env": [{"name": "STORAGE_URI", "value": storage}]}
    return {"containers": [container], **more}


def coloured(colour):
    thing = predictor()
    thing["containers"][0]["env"] = [{"name": "COLOUR", "value": colour}]
    return thing


def component(status):
    return status["components"]["predictor"]


def conditions(status):
    return {c["type"]: c["status"] for c in status["conditions"]}


def revision(name, number):
    return f"{name}-predictor-{number:05d}"


def serves(name, number):
    """Return a check that a revision is the latest one, that the service is ready, and that its model is loaded."""

    def holds(status):
        names = {component(status)[k] for k in ("latestCreatedRevision", "latestReadyRevision")}
        loaded = status["modelStatus"]["transitionStatus"] == "UpToDate"
        return names == {revision(name, number)} and conditions(status)["Ready"] == "True" and loaded

    return holds


def blocked(status):
    return status["modelStatus"]["transitionStatus"] == "BlockedByFailedLoad"


def splits(*wanted):
    """Return a check that the traffic is split into these (revision, percent) pairs, and that this is in effect."""

    def holds(status):
        shares = [(t["revisionName"], t["percent"]) for t in component(status)["traffic"]]
        return shares == list(wanted) and conditions(status)["Ready"] == "True"

    return holds


def ask(url, path="/", **more):
    return httpx.post(f"{url}{path}", timeout=10, **more)


@pytest.fixture
def name(cluster):
    chosen = f"m{uuid.uuid4().hex[:8]}"
    yield chosen
    with contextlib.suppress(client.ApiException):
        cluster.delete(chosen)


def test_a_first_deployment_takes_all_traffic(cluster, name):
    cluster.create(name, predictor(canaryTrafficPercent=10))
    status = cluster.wait(name, serves(name, 1))
    assert component(status)["latestRolledoutRevision"] == revision(name, 1)
    assert {t["revisionName"] for t in component(status)["traffic"]} == {revision(name, 1)}
    assert status["modelStatus"]["transitionStatus"] == "UpToDate"
    assert status["deploymentMode"] == "Knative"
    assert status["url"] == component(status)["url"]
    assert status["address"]["url"] == f"http://{name}.ml.svc.cluster.local"
    assert conditions(status) == {
        "IngressReady": "True",
        "LatestDeploymentReady": "True",
        "PredictorConfigurationReady": "True",
        "PredictorReady": "True",
        "PredictorRouteReady": "True",
        "Ready": "True",
        "RoutesReady": "True",
        "Stopped": "False",
    }
    answer = ask(status["url"])
    assert answer.json()["revision"] == answer.headers["K-Revision"] == revision(name, 1)


def canary(cluster, name):
    """Create two revisions, the second at 0 %."""
    cluster.create(name, coloured("one"), TAGS)
    cluster.wait(name, serves(name, 1))
    cluster.patch(name, coloured("two") | {"canaryTrafficPercent": 0})
    return cluster.wait(name, serves(name, 2))


def test_a_new_revision_at_zero_percent_is_reachable_only_by_its_tag(cluster, name):
    status = canary(cluster, name)
    latest, previous = component(status)["traffic"]
    assert (latest["tag"], latest["percent"], latest["latestRevision"]) == ("latest", 0, True)
    assert (previous["tag"], previous["percent"], previous["latestRevision"]) == ("prev", 100, False)
    assert ask(latest["url"]).json()["env"] == "two"
    assert ask(previous["url"]).json()["env"] == "one"
    assert {ask(status["url"]).json()["env"] for _ in range(10)} == {"one"}


def test_a_change_of_percent_creates_no_revision(cluster, name):
    canary(cluster, name)
    cluster.patch(name, {"canaryTrafficPercent": 50})
    status = cluster.wait(name, splits((revision(name, 2), 50), (revision(name, 1), 50)))
    assert component(status)["latestCreatedRevision"] == revision(name, 2)
    colours = [ask(status["url"]).json()["env"] for _ in range(80)]
    assert 15 < colours.count("two") < 65


def test_promotion_advances_the_rolled_out_revisions(cluster, name):
    first = canary(cluster, name)
    cluster.patch(name, {"canaryTrafficPercent": 100})
    status = cluster.wait(name, lambda s: component(s)["latestRolledoutRevision"] == revision(name, 2))
    assert component(status)["previousRolledoutRevision"] == revision(name, 1)
    cluster.patch(name, {"canaryTrafficPercent": None})
    status = cluster.wait(name, splits((revision(name, 2), 100)))
    assert status["url"] == first["url"]
    assert ask(status["url"]).json()["env"] == "two"


def test_a_rollback_after_promotion_serves_the_previous_revision(cluster, name):
    canary(cluster, name)
    cluster.patch(name, {"canaryTrafficPercent": 100})
    cluster.wait(name, lambda s: component(s)["latestRolledoutRevision"] == revision(name, 2))
    cluster.patch(name, {"canaryTrafficPercent": 0})
    status = cluster.wait(name, splits((revision(name, 2), 0), (revision(name, 1), 100)))
    assert component(status)["latestRolledoutRevision"] == revision(name, 1)
    assert ask(status["url"]).json()["env"] == "one"


def test_a_crashing_revision_is_blocked_and_the_old_one_serves(cluster, name):
    cluster.create(name, predictor())
    cluster.wait(name, serves(name, 1))
    cluster.patch(name, predictor("crashing"))
    status = cluster.wait(name, lambda s: blocked(s) and conditions(s)["Ready"] == "False")
    assert "no licence file" in status["modelStatus"]["lastFailureInfo"]["message"]
    assert status["modelStatus"]["lastFailureInfo"]["exitCode"] == 1
    assert component(status)["latestReadyRevision"] == revision(name, 1)
    assert ask(status["url"]).json()["revision"] == revision(name, 1)
    cluster.patch(name, predictor())
    status = cluster.wait(name, serves(name, 3))
    assert status["modelStatus"]["transitionStatus"] == "UpToDate"


def test_without_a_percent_traffic_moves_once_the_revision_is_ready(cluster, name):
    cluster.create(name, coloured("one"))
    url = cluster.wait(name, serves(name, 1))["url"]
    cluster.patch(name, coloured("two"))
    status = cluster.wait(name, serves(name, 2))
    assert component(status)["previousRolledoutRevision"] == revision(name, 1)
    assert ask(url).json()["env"] == "two"


def test_a_revision_that_never_becomes_ready_fails_at_the_deadline(cluster, name):
    cluster.create(name, predictor("hanging"), {"serving.knative.dev/progress-deadline": "1s"})
    status = cluster.wait(name, lambda s: conditions(s)["PredictorConfigurationReady"] == "False")
    failed = {c["type"]: c for c in status["conditions"]}["PredictorConfigurationReady"]
    assert failed["reason"] == "RevisionFailed"
    assert "has timed out progressing" in failed["message"]
    assert "url" not in status


def test_an_unknown_image_fails_like_a_pull(cluster, name):
    cluster.create(name, predictor("nobody"))
    status = cluster.wait(name, blocked)
    message = {c["type"]: c for c in status["conditions"]}["PredictorConfigurationReady"]["message"]
    assert "Unable to fetch image" in message
    assert "nobody" in message


def test_a_framework_without_runtime_is_an_invalid_spec(cluster, name):
    cluster.create(name, {"model": {"modelFormat": {"name": "lightgbm"}, "storageUri": "s3://b/x/"}})
    status = cluster.wait(name, lambda s: s["modelStatus"]["transitionStatus"] == "InvalidSpec")
    assert status["modelStatus"]["lastFailureInfo"]["reason"] == "NoSupportingRuntime"


@pytest.fixture
def bucket(cluster):
    chosen = f"models-{uuid.uuid4().hex[:8]}"
    cluster.s3.create_bucket(Bucket=chosen, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    return chosen


def test_the_model_is_fetched_from_s3(cluster, name, bucket):
    cluster.s3.put_object(Bucket=bucket, Key="m/v1/version.txt", Body=b"one")
    cluster.s3.put_object(Bucket=bucket, Key="m/v1/deep/er.txt", Body=b"x")
    cluster.create(name, predictor(storage=f"s3://{bucket}/m/v1/"))
    status = cluster.wait(name, serves(name, 1))
    assert ask(status["url"]).json()["model"] == "one"


def test_a_missing_model_blocks_the_revision(cluster, name, bucket):
    cluster.create(name, predictor(storage=f"s3://{bucket}/m/v1/"))
    status = cluster.wait(name, blocked)
    assert status["modelStatus"]["lastFailureInfo"]["reason"] == "ModelLoadFailed"
    assert "No model found in m/v1/" in status["modelStatus"]["lastFailureInfo"]["message"]


def test_a_model_that_does_not_load_blocks_the_revision_and_shows_its_output(cluster, name, bucket):
    cluster.s3.put_object(Bucket=bucket, Key="m/v1/version.txt", Body=b"broken")
    cluster.create(name, predictor(storage=f"s3://{bucket}/m/v1/"))
    assert "model is broken" in cluster.wait(name, blocked)["modelStatus"]["lastFailureInfo"]["message"]


def test_standard_mode_ignores_the_canary_percent(cluster, name):
    mode = {"serving.kserve.io/deploymentMode": "RawDeployment"}
    cluster.create(name, coloured("one"), mode)
    status = cluster.wait(name, lambda s: conditions(s)["Ready"] == "True")
    assert status["deploymentMode"] == "Standard"
    assert set(component(status)) == {"url"}
    cluster.patch(name, coloured("two") | {"canaryTrafficPercent": 0})
    cluster.wait(name, lambda _: ask(status["url"]).json()["env"] == "two")


def test_an_exited_process_is_restarted(cluster, name):
    cluster.create(name, predictor())
    url = cluster.wait(name, serves(name, 1))["url"]
    before = ask(url).json()["pid"]
    assert ask(url, "/die").status_code == 502
    after = ask(url)
    assert after.status_code == 200
    assert after.json()["pid"] != before


def test_unneeded_revisions_are_stopped(cluster, name):
    pids = []
    cluster.create(name, coloured("1"))
    for number in range(1, 4):
        url = cluster.wait(name, serves(name, number))["url"]
        pids.append(ask(url).json()["pid"])
        cluster.patch(name, coloured(str(number + 1)))
    cluster.wait(name, serves(name, 4))
    assert psutil.pid_exists(pids[2])  # it stays for a while, as in Knative, for a quick rollback
    cluster.wait(name, lambda _: not any(psutil.pid_exists(pid) for pid in pids))


def test_deleting_stops_the_process_and_its_children(cluster, name):
    spawning = predictor()
    spawning["containers"][0]["env"] = [{"name": "SPAWN", "value": "1"}]
    cluster.create(name, spawning)
    url = cluster.wait(name, serves(name, 1))["url"]
    pid = ask(url).json()["pid"]
    family = [psutil.Process(pid), *psutil.Process(pid).children()]
    assert len(family) == 2
    cluster.delete(name)
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive
    deadline = time.monotonic() + 10
    while not closed(url):
        assert time.monotonic() < deadline


def closed(url):
    try:
        ask(url)
    except httpx.ConnectError:
        return True
    return False


def test_an_annotation_creates_a_revision_as_in_kserve(cluster, name):
    cluster.create(name, predictor())
    cluster.wait(name, serves(name, 1))
    patch = {"metadata": {"annotations": {"note": "anything"}}}
    cluster.custom.patch_namespaced_custom_object(*GVP, name, patch)
    cluster.wait(name, serves(name, 2))


def test_the_configuration_can_keep_an_annotation_off_the_template(cluster, name):
    core = client.CoreV1Api(cluster.api)
    section = json.dumps({"serviceAnnotationDisallowedList": ["note-to-self"]})
    core.patch_namespaced_config_map("inferenceservice-config", "kserve", {"data": {"inferenceService": section}})
    cluster.create(name, predictor())
    cluster.wait(name, serves(name, 1))
    patch = {
        "metadata": {"annotations": {"note-to-self": "anything"}},
        "spec": {"predictor": {"canaryTrafficPercent": 9}},
    }
    cluster.custom.patch_namespaced_custom_object(*GVP, name, patch)
    status = cluster.wait(name, lambda s: len(component(s)["traffic"]) == 2 and conditions(s)["Ready"] == "True")
    assert component(status)["latestCreatedRevision"] == revision(name, 1)


def test_knatives_objects_can_be_read_through_the_api(cluster, name):
    cluster.create(name, predictor())
    cluster.wait(name, serves(name, 1))
    knative = ("serving.knative.dev", "v1", "ml")
    for plural in ("services", "configurations", "routes"):
        made = cluster.custom.get_namespaced_custom_object(*knative, plural, f"{name}-predictor")
        assert conditions(made["status"])["Ready"] == "True"
    made = cluster.custom.get_namespaced_custom_object(*knative, "revisions", revision(name, 1))
    assert conditions(made["status"])["Ready"] == "True"
    chosen = {"label_selector": f"serving.kserve.io/inferenceservice={name}"}
    [pod] = client.CoreV1Api(cluster.api).list_namespaced_pod("ml", **chosen).items
    assert pod.status.container_statuses[0].ready


def test_two_replicas_share_the_requests(cluster, name):
    cluster.create(name, predictor(minReplicas=2, maxReplicas=3))
    url = cluster.wait(name, serves(name, 1))["url"]
    assert len({ask(url).json()["pid"] for _ in range(6)}) == 2


def test_a_loop_that_is_away_stops_a_change_and_carries_on(cluster, name):
    core = client.CoreV1Api(cluster.api)
    cluster.create(name, coloured("one"), TAGS)
    cluster.wait(name, serves(name, 1))
    pause = {"metadata": {"name": "sandbox-controller"}, "data": {"away.configuration": "2"}}
    core.create_namespaced_config_map("kserve", pause)
    try:
        start = time.monotonic()
        cluster.patch(name, coloured("two"))
        status = cluster.wait(name, lambda s: conditions(s)["Ready"] == "Unknown")
        assert component(status)["latestCreatedRevision"] == revision(name, 1)
        cluster.wait(name, serves(name, 2))
        assert time.monotonic() - start > 2
    finally:
        core.delete_namespaced_config_map("sandbox-controller", "kserve")


def test_what_knative_refuses_is_a_condition(cluster, name):
    cluster.create(name, predictor(hostNetwork=True))
    status = cluster.wait(name, lambda s: conditions(s)["PredictorReady"] == "False")
    found = {c["type"]: c for c in status["conditions"]}["PredictorReady"]
    assert found["reason"] == "ReconcileFailed"
    assert found["message"].endswith("must not set the field(s): spec.template.spec.hostNetwork")
