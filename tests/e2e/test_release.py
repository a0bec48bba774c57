"""Failed releases leave the champion with all the traffic, and nothing that blocks the next release."""

import os
import signal
from uuid import UUID

import psutil
import pytest
from prefect.client.schemas.objects import FlowRun

from tests.e2e import portfolio
from tests.e2e.load import Load
from tests.e2e.models import register_twin
from tests.e2e.processes import with_variable
from tests.e2e.runs import eventually
from tests.e2e.world import SERVICE, World

SLOW_STEPS = list(range(1, 101))  # enough steps to interrupt the release in the middle
pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("e2e"), pytest.mark.timeout(500)]


def start_slow_release(world: World, version: str) -> UUID:
    """Start a release and wait until the new version has some of the traffic."""
    run = world.runs.start("release", portfolio=portfolio.NAME, version=version, steps=SLOW_STEPS)
    eventually(lambda: (world.canary_percent() or 0) >= 3, "a release in the middle", seconds=120)
    return run


def clients(world: World) -> Load:
    """Return clients that send requests to the endpoint all the time and count the failures."""
    return Load(world, per_second=30, clients=2, timeout=10)


def message(run: FlowRun) -> str:
    """Return the message of a failed run."""
    assert run.state is not None
    assert run.state.is_failed(), run.state
    return str(run.state.message)


def flow_processes(run: UUID) -> list[psutil.Process]:
    """Return the processes of a flow run."""
    return with_variable("PREFECT__FLOW_RUN_ID", str(run))


def assert_serves_alone(world: World, version: str, *, instead_of: str) -> None:
    """Check that one version has all the traffic and that the other's release left nothing behind."""
    assert world.leftovers() == {}
    assert {world.serving() for _ in range(20)} == {version}
    eventually(lambda: instead_of not in world.loaded(), f"no process with {instead_of}")
    assert "released_at" not in world.models()[instead_of]["CustomerMetadataProperties"]


def test_a_tampered_model_is_not_released(quiet_world: World) -> None:
    champion = quiet_world.serving()
    version = register_twin(quiet_world, tampered=True)
    run = quiet_world.runs.run("release", portfolio=portfolio.NAME, version=version)
    assert run.state is not None
    assert run.state.is_failed()
    assert "model.txt was changed" in str(run.state.message)
    assert_serves_alone(quiet_world, champion, instead_of=version)


def test_an_image_that_cannot_be_pulled_is_not_released(quiet_world: World) -> None:
    champion, version = quiet_world.serving(), register_twin(quiet_world)
    missing = quiet_world.environment["CREDIT_SERVE_IMAGE"].replace("credit-serve", "credit-none")
    env = {"CREDIT_SERVE_IMAGE": missing}
    # Knative does not resolve an image by digest: a failed pull shows only at the progress deadline of ten minutes.
    limits = {"ready_seconds": 15.0}
    run = quiet_world.runs.run("release", env=env, portfolio=portfolio.NAME, version=version, limits=limits)
    assert "not reached within 15 s" in message(run)
    assert_serves_alone(quiet_world, champion, instead_of=version)


def revisions(world: World) -> set[str]:
    """Return the revisions that have traffic."""
    return set(world.shares())


def test_a_model_that_fails_under_half_of_the_traffic_is_rolled_back(quiet_world: World) -> None:
    champion, spec = quiet_world.serving(), quiet_world.isvc()["spec"]["predictor"]
    champions = revisions(quiet_world)
    version = register_twin(quiet_world, fault="busy 12")
    with clients(quiet_world) as load:
        limits = {"dwell_seconds": 6.0, "max_slowdown": 50.0, "tolerated_ms": 500.0}
        run = quiet_world.runs.run("release", portfolio=portfolio.NAME, version=version, limits=limits)
    assert "at 50 %" in message(run)
    assert "answers are 5xx" in message(run)
    assert_serves_alone(quiet_world, champion, instead_of=version)
    assert quiet_world.isvc()["spec"]["predictor"] == spec
    assert any(name.startswith(SERVICE) for name in load.failures)
    assert not (champions | revisions(quiet_world)) & set(load.failures)
    assert load.failures.total() < 0.5 * load.answers.total()


@pytest.mark.parametrize(("fault", "words"), [("slow 0.05", "shadow: the challenger's median"), ("wrong 0.001", "PD")])
def test_a_slow_or_wrong_model_gets_no_traffic(quiet_world: World, fault: str, words: str) -> None:
    champion, version = quiet_world.serving(), register_twin(quiet_world, fault=fault)
    with clients(quiet_world) as load:
        run = quiet_world.runs.run("release", portfolio=portfolio.NAME, version=version)
    assert words in message(run)
    assert load.failures == {}
    assert set(load.answers) == {champion}
    assert_serves_alone(quiet_world, champion, instead_of=version)


def test_a_bundle_of_another_version_gets_no_traffic(quiet_world: World) -> None:
    champion = quiet_world.serving()
    version = register_twin(quiet_world, stand_in=champion)
    run = quiet_world.runs.run("release", portfolio=portfolio.NAME, version=version)
    assert f"not {version}" in message(run)
    assert_serves_alone(quiet_world, champion, instead_of=version)


def test_a_rollback_restores_the_previous_model_and_never_a_withdrawn_one(quiet_world: World) -> None:
    first, second, third = (quiet_world.serving(), register_twin(quiet_world), register_twin(quiet_world))
    for version in (second, third):
        quiet_world.runs.completed("release", portfolio=portfolio.NAME, version=version)
    with clients(quiet_world) as load:
        quiet_world.runs.completed("rollback", portfolio=portfolio.NAME, reason="declines too many")
    assert load.failures == {}
    assert quiet_world.serving() == second
    assert quiet_world.leftovers() == {}
    noted = quiet_world.models()[third]["CustomerMetadataProperties"]
    assert noted["withdrawn_because"] == "declines too many"
    quiet_world.runs.completed("rollback", portfolio=portfolio.NAME)
    assert quiet_world.serving() == first


def test_a_rollback_does_not_disturb_a_running_release(quiet_world: World) -> None:
    champion, version = quiet_world.serving(), register_twin(quiet_world)
    run = start_slow_release(quiet_world, version)
    refused = quiet_world.runs.run("rollback", portfolio=portfolio.NAME)
    assert f"flow run {run} is releasing" in message(refused)
    assert (quiet_world.canary_percent() or 0) > 0
    quiet_world.runs.cancel(run)
    assert quiet_world.runs.end(run).state.is_cancelled()
    assert_serves_alone(quiet_world, champion, instead_of=version)


def test_every_request_is_answered_while_a_model_takes_over(quiet_world: World) -> None:
    champion, version = quiet_world.serving(), register_twin(quiet_world)
    with clients(quiet_world) as load:
        quiet_world.runs.completed("release", portfolio=portfolio.NAME, version=version)
    assert load.failures == {}
    assert set(load.answers) == {champion, version}
    assert quiet_world.leftovers() == {}
    assert quiet_world.serving() == version


def test_the_next_release_cleans_up_after_a_killed_one(quiet_world: World) -> None:
    dead, next_one = register_twin(quiet_world), register_twin(quiet_world)
    run = start_slow_release(quiet_world, dead)
    for process in flow_processes(run):
        process.kill()
    assert quiet_world.runs.end(run).state.is_crashed()
    assert quiet_world.keys("releases/")
    quiet_world.runs.completed("release", portfolio=portfolio.NAME, version=next_one)
    assert_serves_alone(quiet_world, next_one, instead_of=dead)


def test_a_cancelled_release_is_rolled_back(quiet_world: World) -> None:
    champion, version = quiet_world.serving(), register_twin(quiet_world)
    with clients(quiet_world) as load:
        run = start_slow_release(quiet_world, version)
        quiet_world.runs.cancel(run)
        assert quiet_world.runs.end(run).state.is_cancelled()
    assert load.failures == {}
    assert set(load.answers) <= {champion, version}
    assert_serves_alone(quiet_world, champion, instead_of=version)


def test_a_release_that_gets_sigterm_is_rolled_back(quiet_world: World) -> None:
    champion, version = quiet_world.serving(), register_twin(quiet_world)
    run = start_slow_release(quiet_world, version)
    # A container runtime stops a container with a signal to its first process.
    first = min(flow_processes(run), key=lambda process: process.create_time())
    os.kill(first.pid, signal.SIGTERM)
    assert not quiet_world.runs.end(run).state.is_completed()
    assert_serves_alone(quiet_world, champion, instead_of=version)
