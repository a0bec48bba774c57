"""A pytest plugin for moto's suites: those tests that moto has run against AWS itself, against the sandbox."""

import os
import time

import pytest

pytest_plugins = ("time_limit", "quick_clients")
_LONGEST_PAUSE = 0.2
_sleep = time.sleep


def pytest_configure(config: pytest.Config) -> None:
    """Have the tests talk to AWS's address instead of moto's mock, without AWS's long pauses."""
    config.addinivalue_line("markers", "aws_verified: moto has run this test against AWS")
    os.environ["MOTO_TEST_ALLOW_AWS_REQUEST"] = "true"
    time.sleep = lambda seconds: _sleep(min(seconds, _LONGEST_PAUSE))
