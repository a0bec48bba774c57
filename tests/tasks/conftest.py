"""The platform's settings in a sandbox account with an estate in it, once for each test process."""

from collections.abc import Iterator

import pytest

from sandbox import estate
from tasks import s3
from tasks.settings import Settings, settings
from tests.conftest import ROOT, Aws


@pytest.fixture(scope="session")
def platform(aws: Aws) -> Iterator[Settings]:
    """The platform's settings in the sandbox account; nobody listens for its events."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in estate.build(ROOT, "http://127.0.0.1:9/api").items():
            environment.setenv(name, value)
        environment.setenv("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
        settings.cache_clear()
        s3.client.cache_clear()
        yield settings()
