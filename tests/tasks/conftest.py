"""AWS on loopback with an estate in it, one for each test process; every test has its own portfolio's files."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import estate
from sandbox.aws.server import AwsServer
from tasks import storage
from tasks.settings import Settings, settings

ROOT = Path(__file__).parents[2]
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": estate.REGION}


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The platform's settings in a sandbox account."""
    before = dict(os.environ)
    server = AwsServer(state=tmp_path_factory.mktemp("aws"), port=0)
    server.start()
    os.environ.update(KEYS, AWS_ENDPOINT_URL=server.endpoint, PREFECT_SERVER_ANALYTICS_ENABLED="false")
    os.environ.update(estate.build(ROOT, "http://127.0.0.1:9/api"))
    settings.cache_clear()
    storage.client.cache_clear()
    yield settings()
    server.stop()
    os.environ.clear()
    os.environ.update(before)
