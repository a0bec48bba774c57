"""A rollback goes back to the model that served last before, and never to one that was taken back itself."""

from datetime import UTC, datetime, timedelta

import pytest

from tasks.errors import ReleaseError
from tasks.release.rollback import choose
from tasks.sagemaker.registry import RegisteredModel

START = datetime(2026, 1, 1, tzinfo=UTC)


def model(
    version: str, released: int | None = None, withdrawn: int | None = None, status: str = "Approved"
) -> RegisteredModel:
    days = [START + timedelta(days=day) if day is not None else None for day in (released, withdrawn)]
    places = dict.fromkeys(("arn", "bundle_uri", "archive_uri", "snapshot_id", "job_name"), version)
    known = {"portfolio": "case", "version": version, "status": status, **places}
    return RegisteredModel(**known, released_at=days[0], withdrawn_at=days[1])


@pytest.fixture(autouse=True)
def _kept(monkeypatch) -> None:
    monkeypatch.setattr("tasks.release.rollback.s3.list_keys", lambda uri: [uri])


@pytest.mark.parametrize(
    ("others", "chosen"),
    [
        ([model("a", 1), model("b", 2)], "b"),
        ([model("a", 1), model("b", 2, withdrawn=3)], "a"),
        ([model("a", 1), model("b", 4, withdrawn=3)], "b"),  # released again since
        ([model("a", 1), model("b", 2, status="Rejected"), model("c")], "a"),
        ([model("c", 9), model("a", 1)], "c"),  # what serves was put back by hand, or not recorded yet
    ],
)
def test_the_choice(others, chosen):
    bad = model("bad", 5)
    assert choose([*others, bad], bad).version == chosen


def test_with_nothing_to_go_back_to_it_says_so():
    bad = model("bad", 5)
    with pytest.raises(ReleaseError, match="no approved model that served before bad"):
        choose([bad, model("new"), model("a", 1, withdrawn=2)], bad)
