"""Which rows are held out: the latest complete months where time allows, a stratified draw where it does not."""

import pytest

from tasks.errors import SnapshotError
from tasks.snapshot import Month, choose_split


def months(*labelled_shares: float) -> list[Month]:
    return [Month(f"2025-{number:02}", 1000, int(1000 * share)) for number, share in enumerate(labelled_shares, 1)]


def test_the_latest_complete_months_are_held_out_and_younger_ones_left_out():
    split = choose_split(months(1, 1, 1, 1, 0.97, 0.5, 0), holdout_months=2)
    assert split.method == "out_of_time"
    assert split.holdout_months == ["2025-04", "2025-05"]
    assert split.train_months == ["2025-01", "2025-02", "2025-03"]


def test_without_enough_complete_months_the_draw_is_stratified():
    split = choose_split(months(1, 1, 1, 1, 0.9), holdout_months=2)
    assert (split.method, split.holdout_months) == ("stratified", [])


def test_no_outcomes_is_an_error_that_says_what_to_do():
    with pytest.raises(SnapshotError, match="ingest labelled applications or outcomes first"):
        choose_split(months(0, 0), holdout_months=2)
