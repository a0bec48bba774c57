"""Many rows at once give LightGBM's own bits, for every kind of split; other models are left to LightGBM."""

import lightgbm as lgb
import numpy as np
import pytest

from credit_model.trees.booster import Booster
from credit_model.trees.lightgbm_text import summed_forest
from credit_model.trees.quickscorer import Trees, UnsupportedModelError

pytestmark = pytest.mark.slow

ROWS = 4000


def table(seed, *, gaps):
    random = np.random.default_rng(seed)
    matrix = np.round(random.normal(size=(ROWS, 6)), 2)
    matrix[:, 4] = random.integers(0, 40, ROWS)
    matrix[:, 5] = random.integers(0, 3, ROWS)
    matrix[random.random(ROWS) < 0.3, 3] = 0.0
    if gaps:
        matrix[random.random(matrix.shape) < 0.15] = np.nan
    outcome = np.nansum(matrix[:, :4], axis=1) + np.isin(matrix[:, 4], [3, 7, 21]) + random.normal(size=ROWS) > 0.5
    return matrix, outcome


def trained(*, gaps=True, rounds=30, **parameters):
    matrix, outcome = table(1, gaps=gaps)
    given = {"objective": "binary", "verbosity": -1, "min_data_in_leaf": 5, "seed": 1, **parameters}
    return lgb.train(given, lgb.Dataset(matrix, outcome, categorical_feature=[4, 5]), rounds)


def awkward(seed):
    """Rows as they come, and with zeros, gaps, unseen categories and values just around zero."""
    matrix, _ = table(seed, gaps=True)
    random = np.random.default_rng(seed)
    strange = np.array([0.0, -0.0, 1e-36, -1e-36, 1e-34, np.nan, 1e300, -1e300])
    chosen = random.random(matrix.shape) < 0.1
    chosen[:, 4:] = False
    matrix[chosen] = random.choice(strange, chosen.sum())
    matrix[::50, 4] = 99
    return matrix


KINDS = {
    "sixteen leaves": {"num_leaves": 16},
    "thirty-two leaves": {"num_leaves": 32},
    "sixty-four leaves": {"num_leaves": 64},
    "stumps": {"num_leaves": 2},
    "no gaps in training": {"gaps": False},
    "small categories": {"max_cat_to_onehot": 1, "min_data_per_group": 5, "cat_smooth": 1},
    "nothing to learn": {"min_data_in_leaf": ROWS},
}


@pytest.mark.parametrize("kind", KINDS)
def test_margins_are_lightgbms_bit_for_bit_for_any_number_of_rows(kind):
    model = trained(**KINDS[kind])
    matrix = awkward(2)
    trees, expected = Trees(model.model_to_string()), model.predict(matrix, raw_score=True)
    for rows in (1, 2, 3, 64, 100, 1023, 1024, ROWS):
        assert np.array_equal(trees.margins(matrix[:rows]), expected[:rows]), rows


def test_a_forest_is_evaluated_as_the_sum_it_is_stored_as():
    model = trained(boosting="rf", bagging_fraction=0.6, bagging_freq=1, num_leaves=40)
    text = summed_forest(model.model_to_string())
    matrix = awkward(3)
    expected = lgb.Booster(model_str=text).predict(matrix, raw_score=True)
    assert np.array_equal(Trees(text).margins(matrix), expected)


@pytest.mark.parametrize("parameters", [{"num_leaves": 100}, {"zero_as_missing": True}, {"linear_tree": True}], ids=str)
def test_other_models_are_left_to_lightgbm(parameters):
    model = trained(**parameters, gaps=False)
    with pytest.raises(UnsupportedModelError):
        Trees(model.model_to_string())
    matrix = awkward(4)
    assert np.array_equal(Booster(model.model_to_string()).margins(matrix), model.predict(matrix, raw_score=True))


def test_the_quick_way_is_taken_and_one_row_has_the_same_bits(bundle, scorer, portfolio):
    booster = Booster(bundle.model_text)
    assert booster._trees is not None
    matrix = bundle.document.encoder.matrix(portfolio.holdout)
    assert booster.margins(matrix).tolist() == [booster.margin(row.tobytes()) for row in matrix]


def test_a_difference_from_lightgbm_turns_the_quick_way_off(bundle, monkeypatch, portfolio):
    right = Trees.margins
    monkeypatch.setattr(Trees, "margins", lambda self, matrix: np.nextafter(right(self, matrix), np.inf))
    booster = Booster(bundle.model_text)
    matrix = bundle.document.encoder.matrix(portfolio.holdout)
    assert booster.margins(matrix).tolist() == [booster.margin(row.tobytes()) for row in matrix]
