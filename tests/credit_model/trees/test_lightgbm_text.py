"""Joined and rewritten LightGBM texts predict and explain what LightGBM itself says of the models they came from."""

import lightgbm as lgb
import numpy as np
import pytest

from credit_model.errors import TrainingError
from credit_model.trees.booster import Booster
from credit_model.trees.lightgbm_text import ModelText, averaged, summed_forest

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


def test_average_of_boosted_models_has_the_mean_margins_and_contributions() -> None:
    boosters = [trained(seed, rounds) for seed, rounds in ((1, 30), (2, 12), (3, 55))]
    joined = Booster(averaged([booster.model_to_string() for booster in boosters]))
    matrix, _ = data(9)
    wanted = np.mean([booster.predict(matrix, raw_score=True) for booster in boosters], axis=0)
    explained = np.mean([booster.predict(matrix, pred_contrib=True) for booster in boosters], axis=0)
    assert np.abs(joined.margins(matrix) - wanted).max() < 1e-12
    assert np.abs(joined.contributions(matrix) - explained).max() < 1e-12
    assert joined.margin(matrix[0].tobytes()) == joined.margins(matrix)[0]


def test_average_reads_back_in_lightgbm_itself_with_all_trees_and_their_importances() -> None:
    boosters = [trained(seed) for seed in (1, 2)]
    joined = lgb.Booster(model_str=averaged([booster.model_to_string() for booster in boosters]))
    matrix, _ = data(9)
    wanted = np.mean([booster.predict(matrix, raw_score=True) for booster in boosters], axis=0)
    assert joined.num_trees() == 60
    assert np.abs(joined.predict(matrix) - 1 / (1 + np.exp(-wanted))).max() < 1e-12
    assert (joined.feature_importance("split") == sum(b.feature_importance("split") for b in boosters)).all()


def test_average_of_one_model_is_that_model() -> None:
    text = trained(4).model_to_string()
    matrix, _ = data(9)
    assert (Booster(averaged([text])).margins(matrix) == Booster(text).margins(matrix)).all()


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


def test_forests_and_boosted_models_are_averaged_by_margin() -> None:
    forest, boosted = trained(5, 40, **FOREST), trained(6)
    matrix, _ = data(9)
    wanted = (logit(forest.predict(matrix)) + boosted.predict(matrix, raw_score=True)) / 2
    joined = Booster(averaged([forest.model_to_string(), boosted.model_to_string()]))
    assert np.abs(joined.margins(matrix) - wanted).max() < 1e-12


def test_text_comes_back_as_lightgbm_wrote_it() -> None:
    text = trained(7).model_to_string()
    again = str(ModelText.parse(text))
    assert again == text


def test_a_model_without_a_split_can_be_averaged() -> None:
    matrix, outcomes = data(1)
    dull = lgb.train(
        {"objective": "binary", "verbosity": -1, "min_data_in_leaf": 5000}, lgb.Dataset(matrix, outcomes), 3
    )
    joined = Booster(averaged([dull.model_to_string(), trained(2).model_to_string()]))
    wanted = (dull.predict(matrix, raw_score=True) + trained(2).predict(matrix, raw_score=True)) / 2
    assert np.abs(joined.margins(matrix) - wanted).max() < 1e-12


def test_what_cannot_be_averaged_is_refused() -> None:
    matrix, outcomes = data(1)
    narrow = lgb.train({"objective": "binary", "verbosity": -1}, lgb.Dataset(matrix[:, :2], outcomes), 2)
    with pytest.raises(TrainingError, match="different feature_names"):
        averaged([trained(1).model_to_string(), narrow.model_to_string()])
    with pytest.raises(TrainingError, match="at least one"):
        averaged([])
    with pytest.raises(TrainingError, match="not a complete LightGBM text model"):
        averaged(["tree\nversion=v4\n"])
    linear = trained(1, 2, linear_tree=True)
    with pytest.raises(TrainingError, match="linear leaves"):
        averaged([linear.model_to_string()])
