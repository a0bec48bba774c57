"""One sandbox for all end-to-end tests, with a small portfolio trained and released in it."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from prefect.client.orchestration import SyncPrefectClient

from sandbox.flow_runs import now
from sandbox.stack import Sandbox
from tests.e2e import portfolio
from tests.e2e.runs import Runs
from tests.e2e.world import World

ROWS = 6_000
SEED = 11


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put test_iam last, because it checks the calls that all other tests caused."""
    items.sort(key=lambda item: item.path.name == "test_iam.py")


@pytest.fixture(scope="session")
def first_applicants() -> list[portfolio.Row]:
    """Return the applicants that the lake starts with."""
    return portfolio.applicants(ROWS, first_id=1, seed=SEED)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory, first_applicants: list[portfolio.Row]) -> Iterator[World]:
    """Yield a sandbox whose portfolio has been ingested, trained on and released, all through the Prefect API."""
    state = tmp_path_factory.mktemp("world")
    with ExitStack() as stack:
        sandbox = stack.enter_context(IsolatedSandbox(state))
        client = stack.enter_context(SyncPrefectClient(sandbox.environment["PREFECT_API_URL"]))
        world = World(state, sandbox.environment, Runs(client))
        uri = world.put(f"import/{portfolio.NAME}/applications/first.csv", portfolio.as_csv(first_applicants))
        world.runs.completed("ingest", uri=uri, retrain=False)
        since = now()
        world.runs.completed("train", portfolio=portfolio.NAME)
        world.runs.triggered("release", since)
        yield world


class IsolatedSandbox:
    """A sandbox with the faulty serve image; its environment variables do not leak into this process."""

    def __init__(self, state: Path) -> None:
        self._sandbox = Sandbox(state, say=lambda _line: None)
        # The real server serves bundles whose model card asks for no fault.
        images = state / "images.json"
        images.write_text(json.dumps({"credit-serve": [sys.executable, "-m", "tests.e2e.faulty_server"]}))
        self._images = str(images)

    def __enter__(self) -> Sandbox:
        before = dict(os.environ)
        os.environ["SANDBOX_IMAGES"] = self._images
        # Slow loops have tests of their own, in simulated time; here they would only add minutes.
        os.environ["SANDBOX_CONTROLLER"] = json.dumps({"all": 0.03})
        try:
            return self._sandbox.__enter__()
        finally:
            os.environ.clear()
            os.environ.update(before)

    def __exit__(self, *_error: object) -> None:
        self._sandbox.stop()


@pytest.fixture
def trained_world(quiet_world: World) -> World:
    """Return the sandbox when nothing runs and the newest model has been trained on all outcomes."""
    if not quiet_world.trained_files() >= quiet_world.ingested_files():
        quiet_world.runs.completed("train", portfolio=portfolio.NAME, approval="manual")
        quiet_world.runs.quiet()
    return quiet_world


@pytest.fixture
def quiet_world(world: World) -> World:
    """Return the sandbox when no flow runs."""
    world.runs.quiet()
    return world
