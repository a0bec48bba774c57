"""A release changes only what nobody else has changed, whatever the controller writes meanwhile."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config

from tasks.errors import ConflictError, ReleaseError
from tasks.release import kserve
from tasks.settings import Settings
from tests.conftest import Aws
from tests.sandbox.kubernetes.cluster_process import GVP, Cluster

pytestmark = pytest.mark.xdist_group("platform")
NAME = "credit-model-x"
CANARY = "canaryTrafficPercent"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, aws: Aws, platform: Settings) -> Iterator[Cluster]:
    assert platform.namespace == "ml"
    state: Path = tmp_path_factory.mktemp("cluster")
    running = Cluster(state, aws.endpoint)
    with pytest.MonkeyPatch.context() as environment:
        # The client library reads KUBECONFIG once, when it is imported.
        environment.setattr(kserve, "api", lambda: running.custom)
        yield running
    running.stop()


@pytest.fixture
def service(cluster: Cluster) -> Iterator[Cluster]:
    container = {"name": "c", "image": "1.dkr.ecr.eu-west-1.amazonaws.com/good:1"}
    cluster.create(NAME, {"containers": [container], CANARY: 1})
    yield cluster
    cluster.delete(NAME)


def percent(cluster: Cluster) -> Any:
    return cluster.get(NAME)["spec"]["predictor"].get(CANARY)


def test_somebody_elses_change_is_not_overwritten(service):
    service.patch(NAME, {CANARY: 7})
    with pytest.raises(ConflictError, match="changed by another writer"):
        kserve.change(NAME, {CANARY: 50}, expecting=lambda spec: spec[CANARY] == 1)
    assert percent(service) == 7


def test_null_removes_a_field(service):
    kserve.change(NAME, {CANARY: None}, expecting=lambda spec: spec[CANARY] == 1)
    assert "containers" in service.get(NAME)["spec"]["predictor"]
    assert percent(service) is None


def test_of_two_that_change_the_same_at_once_one_does(service):
    def attempt(wanted: int) -> bool:
        try:
            kserve.change(NAME, {CANARY: wanted}, expecting=lambda spec: spec[CANARY] == 1)
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        won = [wanted for wanted, done in zip(range(10, 18), pool.map(attempt, range(10, 18)), strict=True) if done]
    assert won == [percent(service)]


def test_a_version_that_moves_all_the_time_is_caught_up_with(service):
    enough = threading.Event()
    custom = client.CustomObjectsApi(config.new_client_from_config(service.ready["kubeconfig"]))

    def write() -> None:
        number = 0
        while not enough.wait(0.005):
            number += 1
            custom.patch_namespaced_custom_object_status(*GVP, NAME, {"status": {"observedGeneration": number}})

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(2, 22):
            kserve.change(NAME, {CANARY: number}, expecting=lambda spec, last=number - 1: spec[CANARY] == last)
    finally:
        enough.set()
        writer.join()
    assert percent(service) == 21


def test_a_cluster_without_kserve_is_told_from_one_without_the_service(cluster, monkeypatch):
    assert kserve.read("nothing") is None
    monkeypatch.setattr(kserve, "GROUP", "serving.nobody.io")
    with pytest.raises(ReleaseError, match=r"404 .*install KServe"):
        kserve.read(NAME)


def test_a_service_whose_traffic_cannot_be_shared_is_refused(cluster):
    container = {"name": "c", "image": "1.dkr.ecr.eu-west-1.amazonaws.com/good:1"}
    cluster.create(NAME, {"containers": [container]}, annotations={"serving.kserve.io/deploymentMode": "RawDeployment"})
    try:
        cluster.wait(NAME, lambda status: status["deploymentMode"])
        with pytest.raises(ReleaseError, match="mode Standard, where canaryTrafficPercent is silently ignored"):
            kserve.require_knative(kserve.read(NAME), NAME)
    finally:
        cluster.delete(NAME)


def test_what_is_not_there_cannot_be_changed(cluster):
    with pytest.raises(ReleaseError, match="is gone"):
        kserve.change("credit-model-nobody", {CANARY: 1}, expecting=lambda _: True)
