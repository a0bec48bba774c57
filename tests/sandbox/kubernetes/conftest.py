"""Fixtures of the Kubernetes tests: the API alone (or a real API server), and the whole cluster as a process."""

from collections.abc import Iterator

import pytest
from kubernetes import client

from tests.conftest import Aws
from tests.sandbox.kubernetes import api_process, real_api
from tests.sandbox.kubernetes.cluster_process import Cluster


@pytest.fixture(scope="session")
def sandbox_host() -> Iterator[str]:
    """Yield the address of the API alone, with KServe's webhooks."""
    with api_process.serving(history=200, webhooks=True) as host:
        yield host


@pytest.fixture(scope="session")
def sandbox_api(sandbox_host: str) -> client.ApiClient:
    return client.ApiClient(client.Configuration(host=sandbox_host))


def _real_api() -> client.ApiClient:
    connected = real_api.connect()
    real_api.install(connected, "ml", "kserve")
    return connected


@pytest.fixture(scope="session", params=["sandbox", "real"] if real_api.REAL else ["sandbox"])
def api(request: pytest.FixtureRequest) -> client.ApiClient:
    """Return a client of the sandbox's API and, with REAL_KUBECONFIG set, of a real API server."""
    return request.getfixturevalue("sandbox_api") if request.param == "sandbox" else _real_api()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory, aws: Aws) -> Iterator[Cluster]:
    """Yield the whole cluster as a process started by its command line."""
    running = Cluster(tmp_path_factory.mktemp("cluster"), aws.endpoint)
    yield running
    running.stop()
