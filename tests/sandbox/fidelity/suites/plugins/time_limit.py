"""A pytest plugin that fails a test after two minutes, so that one which waits for ever does not hold up the rest."""

import signal
from collections.abc import Generator
from types import FrameType
from typing import NoReturn

import pytest

SECONDS = 120


def _expire(number: int, frame: FrameType | None) -> NoReturn:
    raise TimeoutError(f"not done after {SECONDS} seconds")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Run the test under an alarm."""
    before = signal.signal(signal.SIGALRM, _expire)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
