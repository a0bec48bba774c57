"""Files in landing/ start the platform by themselves; bad files leave one clear message and nothing else."""

import uuid
from typing import Any

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.types import DateTime

from sandbox.flow_runs import now
from tests.e2e import portfolio
from tests.e2e.runs import eventually
from tests.e2e.world import World

LAKE = ("lake/", "quarantine/", "ledger/")
LANDING = f"landing/{portfolio.NAME}/applications"
pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("e2e"), pytest.mark.timeout(500)]


def ingests_of(world: World, uri: str, since: DateTime, number: int = 1) -> list[FlowRun]:
    """Wait until the ingest runs of a file have ended."""

    def found() -> list[FlowRun]:
        runs = [run for run in world.runs.since("ingest", since) if run.parameters.get("uri") == uri]
        return runs if len(runs) >= number else []

    return [world.runs.end(run.id) for run in eventually(found, f"{number} ingest of {uri}", seconds=90)]


def test_a_file_starts_ingest_training_and_the_release_of_a_winner(quiet_world: World) -> None:
    """Let the new applicants default for a reason that the champion cannot know, so that the challenger wins."""
    world, since = quiet_world, now()
    champion, known = world.serving(), set(world.models())
    rows = portfolio.applicants(4_000, first_id=100_001, seed=12, relation=portfolio.Relation(education=3.0))
    uri = world.put(f"{LANDING}/{uuid.uuid4().hex}.csv", portfolio.as_csv(rows))
    (ingest,) = ingests_of(world, uri, since)
    assert ingest.state.is_completed()
    world.runs.triggered("train", since)
    (challenger,) = set(world.models()) - known
    assert world.models()[challenger]["ModelApprovalStatus"] == "Approved"
    world.runs.triggered("release", since)
    assert world.serving() == challenger != champion
    assert eventually(lambda: not world.leftovers(), "a clean end of the release")


def test_a_file_announced_twice_is_ingested_once(trained_world: World) -> None:
    world, since = trained_world, now()
    uri = world.put(f"import/{portfolio.NAME}/applications/{uuid.uuid4().hex}.csv", _csv(1_000_001, 60))
    world.runs.completed("ingest", uri=uri, retrain=False)
    held = world.keys(*LAKE)
    world.event("credit.landing.object_created", uri, _announcement(world, uri))
    assert all(run.state.is_completed() for run in ingests_of(world, uri, since, number=2))
    assert world.keys(*LAKE) == held
    assert world.runs.since("train", since) == []


def _announcement(world: World, uri: str) -> dict[str, Any]:
    key = uri.removeprefix(f"s3://{world.bucket}/")
    head = world.s3.head_object(Bucket=world.bucket, Key=key)
    payload = {"bucket": world.bucket, "key": key, "version_id": head["VersionId"]}
    return {"id": str(uuid.uuid4()), "occurred": now().isoformat(), **payload}


def _csv(first_id: int, number: int) -> bytes:
    return portfolio.as_csv(portfolio.applicants(number, first_id=first_id, seed=first_id))


def _without_age() -> bytes:
    rows = portfolio.applicants(50, first_id=2_000_001, seed=3)
    return portfolio.as_csv([{k: v for k, v in row.items() if k != "AGE"} for row in rows])


def test_unreadable_files_fail_with_one_clear_message_and_change_nothing(trained_world: World) -> None:
    world, since = trained_world, now()
    held = world.keys(*LAKE)
    broken = portfolio.truncated_gzip(_csv(2_100_001, 500))
    files = {f"{uuid.uuid4().hex}.csv": (_without_age(), "'age'"), f"{uuid.uuid4().hex}.csv.gz": (broken, "gzip")}
    uris = {world.put(f"{LANDING}/{name}", content): words for name, (content, words) in files.items()}
    for uri, words in uris.items():
        (ingest,) = ingests_of(world, uri, since)
        state = ingest.state
        assert state.is_failed()
        assert uri in state.message
        assert words in state.message.lower()
        assert "\n" not in state.message
    assert world.keys(*LAKE) == held
    assert world.runs.since("train", since) == []


def test_good_rows_of_a_mixed_file_arrive_and_bad_ones_are_kept_with_their_reason(quiet_world: World) -> None:
    world = quiet_world
    rows: list[dict[str, Any]] = list(portfolio.applicants(60, first_id=3_000_001, seed=4))
    rows[3] |= {"AGE": "young"}
    rows[5] |= {"EDUCATION": "77"}
    rows[8] |= {"ID": rows[7]["ID"]}
    faults = {(4, "age"), (6, "education"), (9, "application_id")}
    before = world.keys("quarantine/")
    uri = world.put(f"import/{portfolio.NAME}/applications/{uuid.uuid4().hex}.csv", portfolio.as_csv(rows))
    world.runs.completed("ingest", uri=uri, retrain=False)
    lake = world.parquet(f"lake/applications/portfolio={portfolio.NAME}/")
    bad = {str(row["ID"]) for row in (rows[3], rows[5])}
    delivered = {str(row["ID"]) for row in rows}
    arrived = [one for one in lake["application_id"].to_pylist() if one in delivered]
    assert sorted(arrived) == sorted(delivered - bad)
    (key,) = set(world.keys("quarantine/")) - set(before)
    kept = world.parquet(f"s3://{world.bucket}/{key}").to_pylist()
    assert {(row["row"], row["column"]) for row in kept} == faults
    assert all(row["reason"] and row["delivered"] for row in kept)
