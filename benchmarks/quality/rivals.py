"""Common alternative models, each on the contract's features with sensible first settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from catboost import CatBoostClassifier
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, QuantileTransformer
from xgboost import XGBClassifier

from benchmarks.quality.models import Model, Predict
from credit_model.contract.contract import TARGET, Contract
from credit_model.features.encoder import Encoder
from credit_model.types import Floats, Matrix, Outcomes

_SEED, _THREADS = 42, 2
_ROUNDS, _RATE, _PATIENCE, _VALIDATION = 2000, 0.05, 60, 0.15


def rivals() -> list[Model]:
    """Return logistic regression, random forest, XGBoost and CatBoost."""
    stopped = f"learning rate {_RATE}, stopped early ({_PATIENCE} rounds) on {_VALIDATION:.0%} of the training rows"
    return [
        Model(
            "logistic regression",
            "medians for missing values with indicators, normal scores of the numbers, one-hot levels (rare ones "
            "joined), C 1",
            _fit_logistic,
        ),
        Model("random forest", "scikit-learn, 500 trees, at least 20 rows in a leaf, level codes", _fit_forest),
        Model(
            "XGBoost", f"hist, depth 5, 80 % of rows and 50 % of columns a tree, native levels, {stopped}", _fit_xgboost
        ),
        Model("CatBoost", f"depth 6, its own encoding of levels, {stopped}", _fit_catboost),
    ]


def _learn(table: pa.Table, contract: Contract) -> tuple[Encoder, Matrix, Outcomes]:
    encoder = Encoder.learn(table, contract, names=[column.name for column in contract.features])
    outcomes: Outcomes = table.column(TARGET).combine_chunks().to_numpy(zero_copy_only=False)
    return encoder, encoder.matrix(table), outcomes


def _fit_logistic(table: pa.Table, contract: Contract) -> Predict:
    encoder, matrix, outcomes = _learn(table, contract)
    levels = encoder.categorical
    numbers = [place for place in range(matrix.shape[1]) if place not in levels]
    scores = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True),
        QuantileTransformer(n_quantiles=200, output_distribution="normal", random_state=_SEED),
    )
    # Missing and unseen levels form a level of their own.
    one_hot = make_pipeline(
        SimpleImputer(strategy="constant", fill_value=-1.0),
        OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=50, sparse_output=False),
    )
    columns = ColumnTransformer([("numbers", scores, numbers), ("levels", one_hot, levels)])
    return _predict(encoder, make_pipeline(columns, LogisticRegression(C=1.0, max_iter=2000)).fit(matrix, outcomes))


def _fit_forest(table: pa.Table, contract: Contract) -> Predict:
    encoder, matrix, outcomes = _learn(table, contract)
    forest = RandomForestClassifier(500, min_samples_leaf=20, n_jobs=_THREADS, random_state=_SEED)
    return _predict(encoder, make_pipeline(forest).fit(matrix, outcomes))


def _fit_xgboost(table: pa.Table, contract: Contract) -> Predict:
    encoder, matrix, outcomes = _learn(table, contract)
    model = XGBClassifier(
        n_estimators=_ROUNDS,
        learning_rate=_RATE,
        max_depth=5,
        min_child_weight=5,
        subsample=0.8,
        colsample_bytree=0.5,
        tree_method="hist",
        enable_categorical=True,
        feature_types=["c" if place in encoder.categorical else "q" for place in range(matrix.shape[1])],
        early_stopping_rounds=_PATIENCE,
        n_jobs=_THREADS,
        random_state=_SEED,
    )
    inner, validation = _inner(outcomes)
    model.fit(matrix[inner], outcomes[inner], eval_set=[(matrix[validation], outcomes[validation])], verbose=False)
    return _predict(encoder, model)


def _fit_catboost(table: pa.Table, contract: Contract) -> Predict:
    encoder, matrix, outcomes = _learn(table, contract)
    model = CatBoostClassifier(
        iterations=_ROUNDS,
        learning_rate=_RATE,
        depth=6,
        cat_features=encoder.categorical,
        thread_count=_THREADS,
        random_seed=_SEED,
        allow_writing_files=False,
        verbose=False,
    )
    inner, validation = _inner(outcomes)
    model.fit(
        _frame(matrix[inner], encoder.categorical),
        outcomes[inner],
        eval_set=(_frame(matrix[validation], encoder.categorical), outcomes[validation]),
        early_stopping_rounds=_PATIENCE,
    )

    def predict(rows: pa.Table) -> Floats:
        pds: Floats = model.predict_proba(_frame(encoder.matrix(rows), encoder.categorical))[:, 1]
        return pds

    return predict


def _inner(outcomes: Outcomes) -> Sequence[Any]:
    places = np.arange(len(outcomes))
    split: Sequence[Any] = train_test_split(places, test_size=_VALIDATION, stratify=outcomes, random_state=_SEED)
    return split


def _frame(matrix: Matrix, categorical: list[int]) -> pd.DataFrame:
    """Return the matrix as CatBoost takes it: levels as text, numbers unchanged."""
    frame = pd.DataFrame(matrix)
    for place in categorical:
        frame[place] = frame[place].fillna(-1).astype(int).astype(str)
    return frame


def _predict(encoder: Encoder, model: Pipeline | XGBClassifier) -> Predict:
    def predict(rows: pa.Table) -> Floats:
        pds: Floats = model.predict_proba(encoder.matrix(rows))[:, 1].astype(np.float64)
        return pds

    return predict
