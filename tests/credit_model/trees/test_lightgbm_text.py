"""Rewritten LightGBM texts predict and explain what LightGBM itself says of the models they came from."""

import lightgbm as lgb
import numpy as np
import pytest

from credit_model.errors import TrainingError
from credit_model.trees.booster import Booster
from credit_model.trees.lightgbm_text import ModelText, summed_forest

FOREST = {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6, "feature_fraction": 0.7}


def data(seed: int, rows: int = 2000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(rows, 4))
    matrix[:, 2] = rng.integers(0, 40, rows)
    matrix[rng.random(matrix.shape) < 0.05] = np.nan
    logit = np.nan_to_num(matrix[:, 0]) + np.nan_to_num(matrix[:, 1] * (matrix[:, 2] % 3))
    return matrix, (rng.random(rows) < 1 / (1 + np.exp(1 - logit))).astype(float)


def trained(seed: int, rounds: int = 30, **extra: object) -> lgb.Booster:
    matrix, outcomes = data(seed)
    dataset = lgb.Dataset(matrix, outcomes, categorical_feature=[2], params={"verbosity": -1})
    parameters = {"objective": "binary", "num_leaves": 9, "verbosity": -1, "num_threads": 1, "seed": seed}
    return lgb.train(parameters | extra, dataset, rounds)


def logit(probabilities: np.ndarray) -> np.ndarray:
    return np.log(probabilities / (1 - probabilities))


def test_forest_as_a_sum_has_the_margins_of_the_forests_own_probabilities() -> None:
    forest = trained(5, 40, **FOREST)
    text = summed_forest(forest.model_to_string())
    assert "average_output" not in text
    matrix, _ = data(9)
    booster = Booster(text)
    # LightGBM averages the trees for probabilities only; its raw scores and contributions of a forest are sums.
    assert np.abs(booster.margins(matrix) - logit(forest.predict(matrix))).max() < 1e-12
    explained = forest.predict(matrix, pred_contrib=True) / 40
    assert np.abs(booster.contributions(matrix) - explained).max() < 1e-12
    assert np.abs(booster.contributions(matrix).sum(axis=1) - booster.margins(matrix)).max() < 1e-12
    assert np.abs(lgb.Booster(model_str=text).predict(matrix) - forest.predict(matrix)).max() < 1e-12


def test_a_sum_stays_as_it_is() -> None:
    text = trained(8).model_to_string()
    assert summed_forest(text) == text


def test_text_comes_back_as_lightgbm_wrote_it() -> None:
    text = trained(7).model_to_string()
    again = str(ModelText.parse(text))
    assert again == text


def test_a_rewritten_forest_keeps_its_trees_and_their_importances() -> None:
    forest = trained(5, 40, **FOREST)
    joined = lgb.Booster(model_str=summed_forest(forest.model_to_string()))
    assert joined.num_trees() == 40
    assert (joined.feature_importance("split") == forest.feature_importance("split")).all()


def test_a_forest_without_a_split_can_be_rewritten() -> None:
    matrix, outcomes = data(1)
    dull = lgb.train(
        {"objective": "binary", "verbosity": -1, "min_data_in_leaf": 5000, **FOREST}, lgb.Dataset(matrix, outcomes), 3
    )
    booster = Booster(summed_forest(dull.model_to_string()))
    assert np.abs(booster.margins(matrix) - logit(dull.predict(matrix))).max() < 1e-12


def test_what_cannot_be_rewritten_is_refused() -> None:
    with pytest.raises(TrainingError, match="not a complete LightGBM text model"):
        summed_forest("tree\nversion=v4\n")
    with pytest.raises(TrainingError, match="linear leaves"):
        summed_forest(trained(1, 2, linear_tree=True).model_to_string())
