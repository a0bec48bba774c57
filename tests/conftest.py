"""What every test may use: where the real data lie."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def uci_csv() -> Path:
    """The UCI file; tests that need it are skipped where it is not at hand."""
    path = os.environ.get("UCI_CSV", "")
    if not path or not Path(path).is_file():
        pytest.skip("set UCI_CSV to the UCI 'default of credit card clients' file to run this test")
    return Path(path)
