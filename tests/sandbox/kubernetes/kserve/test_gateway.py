"""The gateway during changes: requests in flight, large bodies, many connections, and a clean shutdown."""

import json
import os
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from tests.sandbox.kubernetes.cluster_process import Cluster


def predictor(colour):
    probe = {"httpGet": {"path": "/ready", "port": 8080}}
    env = [{"name": "COLOUR", "value": colour}, {"name": "SPAWN", "value": "1"}]
    return {"containers": [{"name": "c", "image": "x/good:1", "readinessProbe": probe, "env": env}]}


def ready(number):
    def holds(status):
        component = status["components"]["predictor"]
        conditions = {c["type"]: c["status"] for c in status["conditions"]}
        return component["latestReadyRevision"].endswith(f"-{number:05d}") and conditions["Ready"] == "True"

    return holds


@pytest.fixture
def service(cluster):
    name = f"g{uuid.uuid4().hex[:8]}"
    cluster.create(name, predictor("one"))
    yield name, cluster.wait(name, ready(1))["url"]
    cluster.delete(name)


def test_requests_in_flight_survive_a_route_change(cluster, service):
    name, url = service
    with ThreadPoolExecutor(8) as pool:
        slow = [pool.submit(httpx.post, f"{url}/slow", timeout=10) for _ in range(8)]
        time.sleep(0.3)
        for number in (2, 3):  # the third replaces the first while it still answers
            cluster.patch(name, predictor(str(number)))
            cluster.wait(name, ready(number))
        answers = [future.result() for future in slow]
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json()["env"] for answer in answers} == {"one"}


def test_no_request_fails_while_revisions_change(cluster, service):
    name, url = service
    stop, codes = threading.Event(), []

    def hammer() -> None:
        with httpx.Client() as http:
            while not stop.is_set():
                codes.append(http.post(f"{url}/predict", content=b"x" * 100).status_code)

    threads = [threading.Thread(target=hammer) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(2, 5):
        cluster.patch(name, predictor(str(number)))
        cluster.wait(name, ready(number))
    stop.set()
    for thread in threads:
        thread.join()
    assert set(codes) == {200}
    assert len(codes) > 50


def test_bodies_and_headers_are_forwarded_unchanged(service):
    _, url = service
    size = 5 << 20
    answer = httpx.post(f"{url}/a/b?c=d%20e", content=os.urandom(size), headers={"X-Echo": "here"}, timeout=20)
    assert answer.json()["length"] == size
    assert answer.headers["X-Echo"] == "here"
    assert httpx.get(f"{url}/a/b?c=d%20e").json()["path"] == "/a/b?c=d%20e"


def test_a_connection_is_kept_alive(service):
    _, url = service
    with httpx.Client() as http:
        start = time.monotonic()
        for _ in range(200):
            assert http.post(url).status_code == 200
    assert time.monotonic() - start < 3


def test_a_revision_serves_after_idle_connections_were_closed(service):
    _, url = service
    with httpx.Client(timeout=5) as http:
        for pause in (0, 2.5, 0):
            time.sleep(pause)
            assert http.post(url).status_code == 200


@pytest.mark.parametrize("number", [15, 2], ids=["SIGTERM", "SIGINT"])
def test_no_process_is_left_after_a_signal(tmp_path, aws, number, request):
    cluster = Cluster(tmp_path, aws.endpoint)
    request.addfinalizer(cluster.process.kill)  # in case the test fails before its signal
    for name in ("one", "two"):
        cluster.create(name, predictor(name))
        cluster.wait(name, ready(1))
    family = psutil.Process(cluster.process.pid).children(recursive=True)
    assert len(family) == 4
    cluster.process.send_signal(number)
    assert cluster.process.wait(15) == 0
    # Without an init process an orphan may remain a zombie; it no longer runs.
    assert not [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def test_the_kubeconfig_names_the_namespace(cluster):
    written = json.loads(Path(cluster.ready["kubeconfig"]).read_text())
    assert written["contexts"][0]["context"]["namespace"] == "ml"
    assert written["clusters"][0]["cluster"]["server"] == cluster.ready["server"]
