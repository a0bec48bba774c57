"""Every candidate learns, is served by the same scorer, explains itself exactly, and is the same when learnt again."""

import lightgbm as lgb
import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from credit_model.bundle.bundle import Bundle
from credit_model.data.conform import conform
from credit_model.scoring.scorer import Scorer
from credit_model.settings import TrainSettings
from credit_model.simulation.simulate import simulate
from credit_model.training.crossvalidation import cross_validate
from credit_model.training.train import train

pytestmark = pytest.mark.slow

CANDIDATES = ("lightgbm", "random_forest", "scorecard")


@pytest.fixture(scope="module", params=CANDIDATES)
def trained(request, portfolio, case, quick):
    changes = {"candidate": request.param, "forest_trees": 60, "studies": False}
    settings = quick.model_copy(update=changes)
    return train(portfolio.training, case, settings, holdout=portfolio.holdout)


def test_a_candidate_ranks_and_is_calibrated(trained, portfolio):
    outcomes = np.array(portfolio.holdout.column("defaulted").to_pylist(), dtype=bool)
    pds = Scorer(trained).pd_of_table(portfolio.holdout)
    assert roc_auc_score(outcomes, pds) > 0.9 * roc_auc_score(outcomes, portfolio.holdout_true_pd)
    chance = np.full(len(outcomes), portfolio.training.column("defaulted").to_numpy().mean())
    assert log_loss(outcomes, pds) < log_loss(outcomes, chance)


def test_a_candidate_answers_one_row_as_it_does_a_table(trained, portfolio):
    scorer, rows = Scorer(trained), portfolio.holdout.slice(0, 50)
    one_by_one = [scorer.score_one(row).pd for row in rows.drop_columns(["defaulted", "applied_at"]).to_pylist()]
    np.testing.assert_array_equal(one_by_one, scorer.pd_of_table(rows))


def test_a_candidates_contributions_sum_to_its_margin(trained, portfolio):
    scorer = Scorer(trained)
    matrix = trained.document.encoder.matrix(conform(portfolio.holdout.slice(0, 200), trained.contract))
    np.testing.assert_allclose(scorer.contributions(matrix).sum(axis=1), scorer.margins(matrix), atol=1e-9)


def test_a_candidate_keeps_the_directions_of_the_contract(trained, portfolio):
    scorer, encoder = Scorer(trained), trained.document.encoder
    matrix = encoder.matrix(conform(portfolio.holdout.slice(0, 300), trained.contract))
    for place, column in enumerate(encoder.columns):
        if column.monotone == "none":
            continue
        low, high = matrix.copy(), matrix.copy()
        low[:, place], high[:, place] = np.nanquantile(matrix[:, place], [0.1, 0.9])
        difference = scorer.margins(high) - scorer.margins(low)
        assert np.all((difference if column.monotone == "increasing" else -difference) >= -1e-9), column.name


def test_a_candidate_survives_its_folder_and_is_the_same_again(trained, portfolio, case, tmp_path):
    assert Bundle.load(trained.save(tmp_path / "model")).version == trained.version
    shuffled = portfolio.training.take(np.random.default_rng(1).permutation(portfolio.training.num_rows))
    settings = TrainSettings.model_validate(trained.document.settings)
    again = train(shuffled, case, settings, holdout=portfolio.holdout)
    assert again.model_text == trained.model_text
    assert again.version == trained.version


def test_a_forest_is_lightgbms_own(portfolio, case, quick):
    settings = quick.model_copy(update={"candidate": "random_forest", "forest_trees": 30, "studies": False})
    bundle = train(portfolio.training, case, settings)
    matrix = bundle.document.encoder.matrix(conform(portfolio.holdout, case))
    assert len(lgb.Booster(model_str=bundle.model_text).dump_model()["tree_info"]) == 30
    # Rewritten as a sum, LightGBM reads it as a boosted model whose probabilities are those of the margins.
    probabilities = lgb.Booster(model_str=bundle.model_text).predict(matrix)
    np.testing.assert_allclose(np.log(probabilities / (1 - probabilities)), Scorer(bundle).margins(matrix), atol=1e-9)


def test_a_scorecard_shows_its_points(portfolio, case, quick):
    settings = quick.model_copy(update={"candidate": "scorecard", "calibration": "sigmoid"})
    bundle = train(portfolio.training, case, settings)
    assert "scorecard" not in bundle.document.evidence.studies
    table = bundle.document.evidence.scorecard
    assert {row.feature for row in table} <= set(bundle.document.features)
    assert "Weight of evidence" in bundle.report


def test_cross_validation_judges_every_row_once_by_a_model_that_has_not_seen_it(case, quick):
    table = simulate(3000, months=3, seed=3).applications
    settings = quick.model_copy(update={"max_rounds": 15, "min_defaults": 5})
    result = cross_validate(table, case, settings, folds=3, seed=42)
    outcomes = np.array(table.column("defaulted").to_pylist(), dtype=bool)
    np.testing.assert_array_equal(result.outcomes, outcomes)
    assert [int((result.fold_of == fold).sum()) for fold in range(3)] == [1000] * 3
    expected = [roc_auc_score(outcomes[part], result.pds[part]) for part in (result.fold_of == f for f in range(3))]
    assert result.mean("roc_auc") == pytest.approx(np.mean(expected))


def test_a_scorecard_follows_the_data_where_the_contract_does_not_bind_it(portfolio, case, quick):
    settings = quick.model_copy(update={"candidate": "scorecard", "studies": False})
    free = train(portfolio.training, case, settings.model_copy(update={"monotone_constraints": False}))
    assert free.model_text != train(portfolio.training, case, settings).model_text
