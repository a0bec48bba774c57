"""The search ends no worse than it began, is repeatable, honours its budget and its folds, and says what it did."""

import numpy as np
import pyarrow as pa
import pytest

from credit_model.errors import TrainingError
from credit_model.training.checkpoints import FolderCheckpoint
from credit_model.training.train import train

pytestmark = pytest.mark.slow

SEARCH = {"search_trials": 8, "max_rounds": 25, "studies": False, "folds": 3}


@pytest.fixture(scope="module")
def searched(portfolio, case, quick):
    return train(portfolio.training, case, quick.model_copy(update=SEARCH))


def test_the_best_trial_is_taken_and_is_no_worse_than_the_start(searched):
    history = searched.document.evidence.search
    trials = history.trials
    done = {trial.number: trial.loss for trial in trials if trial.state == "complete"}
    assert len(trials) == 8
    assert history.stopped_by == "trials"
    assert done[history.best] == min(done.values()) <= done[0]
    best = trials[history.best].params
    assert {name: searched.document.settings[name] for name in best} == best


def test_trials_start_from_the_settings_and_stay_within_bounds(searched, quick):
    trials = searched.document.evidence.search.trials
    assert trials[0].params["num_leaves"] == quick.num_leaves
    assert trials[0].params["learning_rate"] == quick.learning_rate
    assert len({trial.params["learning_rate"] for trial in trials}) > 4
    assert all(0.02 <= trial.params["learning_rate"] <= 0.15 for trial in trials[1:])


def test_the_same_search_gives_the_same_bundle(searched, portfolio, case, quick):
    again = train(portfolio.training, case, quick.model_copy(update=SEARCH))
    assert again.version == searched.version


def test_folds_go_forward_in_time_where_every_row_has_a_time(searched, portfolio, case, quick):
    assert searched.document.evidence.search.folds == "time"
    rows = portfolio.training.num_rows
    position = portfolio.training.schema.get_field_index("applied_at")
    partly = pa.array([None, *portfolio.training.column("applied_at").to_pylist()[1:]], pa.timestamp("us", "UTC"))
    timeless = portfolio.training.set_column(position, "applied_at", partly)
    short = {"search_trials": 1, "max_rounds": 5, "studies": False}
    bundle = train(timeless, case, quick.model_copy(update=short))
    assert bundle.document.evidence.search.folds == "stratified"
    assert bundle.document.evidence.search.rows == rows
    with pytest.raises(TrainingError, match="fold_order 'time'"):
        train(timeless, case, quick.model_copy(update=short | {"fold_order": "time"}))


def test_a_search_out_of_time_says_so(portfolio, case, quick):
    settings = quick.model_copy(update=SEARCH | {"search_trials": 500, "search_seconds": 0.5})
    bundle = train(portfolio.training, case, settings)
    history = bundle.document.evidence.search
    assert history.stopped_by == "seconds"
    assert 1 <= len(history.trials) < 500
    assert "its time ran out" in bundle.report


def test_a_resumed_run_takes_up_the_search_it_finished(portfolio, case, quick, tmp_path):
    said: list[str] = []
    settings = quick.model_copy(update=SEARCH | {"search_trials": 2, "max_rounds": 5})
    first = train(portfolio.training, case, settings, checkpoint=FolderCheckpoint(tmp_path, say=said.append))
    second = train(portfolio.training, case, settings, checkpoint=FolderCheckpoint(tmp_path, say=said.append))
    assert second.version == first.version
    assert any("search" in line and "taken up" in line for line in said)


@pytest.mark.parametrize("candidate", ["random_forest", "scorecard"])
def test_other_candidates_are_searched_over_their_own_parameters(portfolio, case, quick, candidate):
    changes = SEARCH | {"candidate": candidate, "search_trials": 2, "forest_trees": 10}
    history = train(portfolio.training, case, quick.model_copy(update=changes)).document.evidence.search
    assert all("learning_rate" not in trial.params for trial in history.trials)
    assert np.isfinite(history.trials[0].loss)


def test_the_first_trial_is_judged_however_short_the_time_and_wherever_it_starts(portfolio, case, quick):
    outside = {"learning_rate": 0.4, "min_data_in_leaf": 10}
    settings = quick.model_copy(update=SEARCH | outside | {"max_rounds": 5, "search_seconds": 1e-9})
    history = train(portfolio.training, case, settings).document.evidence.search
    assert history.stopped_by == "seconds"
    assert history.trials[0].params["learning_rate"] == 0.4
