"""Settings of a release without an account."""

from collections.abc import Iterator

import pytest

from tasks.settings import Settings, settings
from tests.tasks.release.simulation import SETTINGS


@pytest.fixture
def release_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Set what a release needs, and nothing that leads anywhere."""
    for name, value in SETTINGS.items():
        monkeypatch.setenv(f"CREDIT_{name.upper()}", value)
    settings.cache_clear()
    yield settings()
    settings.cache_clear()
