"""The laptop's holdout: the latest months, or a random fifth with the reason."""

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from credit_model.data.split import part
from credit_model.errors import DataError
from credit_model.settings import TrainSettings

START = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
SETTINGS = TrainSettings(min_rows=100, min_defaults=5)


def table(days, defaulted=None):
    """A row for each day after the start (None for no time); every fourth is a default unless given."""
    times = [None if day is None else START + dt.timedelta(days=day) for day in days]
    outcomes = [row % 4 == 0 for row in range(len(times))] if defaulted is None else defaulted
    return pa.table(
        {
            "application_id": [f"a{row}" for row in range(len(times))],
            "applied_at": pa.array(times, pa.timestamp("us", "UTC")),
            "defaulted": pa.array(outcomes, pa.bool_()),
        }
    )


def test_the_latest_fifth_is_held_out():
    parted = part(table(range(500)), SETTINGS)
    last = max(parted.training.column("applied_at").to_pylist())
    first = min(parted.holdout.column("applied_at").to_pylist())
    assert last < first
    assert (parted.training.num_rows, parted.holdout.num_rows) == pytest.approx((400, 100), abs=1)
    assert parted.kind == f"the latest months, from {first.date()}"


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (table([*range(499), None]), "1 of 500 applications have no time"),
        (table([None] * 500), "there is no time of application"),
        (table([3] * 500), "all have the same time"),
        (table([0] * 40 + [1] * 460), "before 2025-01-02 there are only 40 of 500"),
        (table([0] * 90 + [1] * 260), "before 2025-01-02 there are only 90 applications to train on"),
        (table(range(500), [day < 380 and day % 4 == 0 for day in range(500)]), "there are 0 defaults in 10"),
        (table(range(500), [day > 380 or day % 4 == 0 for day in range(500)]), "defaults in 10"),
        (table(range(500), [day > 396 and day % 2 == 0 for day in range(500)]), "there are 1 defaults in"),
    ],
)
def test_what_speaks_against_the_latest_months_is_said(rows, words):
    parted = part(rows, SETTINGS)
    assert parted.kind.startswith("every fifth application at random, as ")
    assert words in parted.kind
    assert parted.training.num_rows + parted.holdout.num_rows == rows.num_rows
    assert 0.1 < parted.holdout.num_rows / rows.num_rows < 0.3
    shuffled = rows.take(pa.array(np.random.default_rng(0).permutation(rows.num_rows)))
    again = part(shuffled, SETTINGS).holdout.column("application_id").to_pylist()
    assert sorted(again) == sorted(parted.holdout.column("application_id").to_pylist())


def test_rows_without_an_outcome_are_in_neither_part():
    parted = part(table(range(500), [None if day % 5 == 0 else day % 4 == 0 for day in range(500)]), SETTINGS)
    assert parted.training.num_rows + parted.holdout.num_rows == 400
    with pytest.raises(DataError, match="no target column"):
        part(table(range(500)).drop_columns(["defaulted"]), SETTINGS)
