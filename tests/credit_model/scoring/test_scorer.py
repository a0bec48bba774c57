"""One applicant has one PD, whichever way it is asked for; bad input is named, never scored."""

import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import lightgbm as lgb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_model.errors import InputError
from credit_model.scoring.scorer import Scorer


@pytest.fixture(scope="module")
def row(portfolio):
    return dict(portfolio.bundle.golden[0].row)


def reference_pds(bundle, table):
    """PDs by LightGBM's own Python package on codes worked out with plain dictionaries."""
    document = bundle.document
    columns = []
    for name in document.features:
        column = bundle.contract.column(name)
        levels = document.levels.get(name) or column.levels
        codes = {level: float(code) for code, level in enumerate(levels)} if levels else None
        values = table.column(name).to_pylist()
        columns.append([math.nan if v is None else codes.get(v, math.nan) if codes else float(v) for v in values])
    margins = lgb.Booster(model_str=bundle.model_text).predict(np.array(columns).T, raw_score=True)
    return 1 / (1 + np.exp(-(document.calibration.slope * margins + document.calibration.intercept)))


def test_table_rows_and_single_agree_with_lightgbm(bundle, scorer, portfolio):
    table = portfolio.holdout
    expected = reference_pds(bundle, table)
    scores = scorer.score_table(table)
    assert np.abs(scores.column("pd").to_numpy() - expected).max() < 1e-12
    rows = table.to_pylist()
    assert np.abs(np.array([score.pd for score in scorer.score_rows(rows)]) - expected).max() < 1e-12
    singles = [scorer.score_one(row) for row in rows[:50]]
    assert [asdict(single) for single in singles] == scores.slice(0, 50).to_pylist()


def test_scores_carry_id_version_and_order(scorer, portfolio):
    scores = scorer.score_table(portfolio.holdout)
    assert scores.column("application_id").to_pylist() == portfolio.holdout.column("application_id").to_pylist()
    assert set(scores.column("model_version").to_pylist()) == {scorer.version}


def test_points_grades_and_decisions_follow_the_pd(bundle, scorer, portfolio):
    scores = scorer.score_table(portfolio.holdout)
    pds = scores.column("pd").to_numpy()
    expected = 600 + 20 / np.log(2) * np.log((1 - pds) / pds / 50)
    assert np.abs(scores.column("score").to_numpy() - expected).max() <= 0.5
    ordered = scores.sort_by("pd")
    grades = ordered.column("grade").to_pylist()
    assert grades == sorted(grades)
    assert set(grades) == set(bundle.document.grades)
    rank = {"approve": 0, "refer": 1, "decline": 2}
    decided = [rank[decision] for decision in ordered.column("decision").to_pylist()]
    assert decided == sorted(decided)
    cutoffs = bundle.document.cutoffs
    assert (np.array(decided) == 2).sum() == (pds >= cutoffs.decline_from).sum()
    assert (np.array(decided) == 0).sum() == (pds < cutoffs.approve_below).sum()


def test_golden_rows_score_as_recorded(bundle, scorer):
    assert len(bundle.golden) == 20
    for golden in bundle.golden:
        assert scorer.score_one(golden.row).pd == pytest.approx(golden.pd, abs=1e-12)


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("age", 203, "203 is above 120"),
        ("age", -1, "below 18"),
        ("age", 30.5, "not a whole number"),
        ("age", "30", "'30' is not a number"),
        ("age", True, "not a number"),
        ("age", None, "missing"),
        ("age", 10**400, "too large"),
        ("age", [30], "not a number"),
        ("time_hours", math.nan, "not a finite number"),
        ("time_hours", math.inf, "not a finite number"),
        ("account_status", "7", "not one of 1, 2, 3, 4"),
        ("account_status", math.nan, "not a finite number"),
        ("merchant_group", True, "not a level"),
        ("merchant_group", "", "missing"),
        ("has_paid", "yes", "not true or false"),
        ("has_paid", 2, "not true or false"),
        ("shoe_size", 42, "unknown column"),
    ],
)
def test_bad_values_are_named(scorer, row, column, value, reason):
    with pytest.raises(InputError) as caught:
        scorer.score_rows([row, row | {column: value}])
    error = caught.value
    assert (error.index, error.column) == (1, column)
    assert reason in error.reason
    assert f"column '{column}' row 1" in str(error)


def test_missing_required_column_is_named(scorer, row):
    without = {name: value for name, value in row.items() if name != "age"}
    with pytest.raises(InputError, match="column 'age' row 0: the column is missing"):
        scorer.score_one(without)


def test_repeated_column_and_wrong_shape_are_refused(scorer, row):
    with pytest.raises(InputError, match="given twice"):
        scorer.score_one(row | {"AGE": 30})
    with pytest.raises(InputError, match="object of columns"):
        scorer.score_rows([[1, 2, 3]])


def test_unknown_level_and_missing_optional_value_score_as_missing(scorer, row):
    unknown = scorer.score_one(row | {"merchant_category": "Moon dust"}).pd
    assert unknown == scorer.score_one(row | {"merchant_category": "Sun dust"}).pd
    without = {name: value for name, value in row.items() if name != "account_status"}
    assert scorer.score_one(without).pd == scorer.score_one(row | {"account_status": None}).pd
    assert 0 < unknown < 1


def test_headers_in_any_case_and_the_raw_id(scorer, row):
    shouted = {name.upper(): value for name, value in row.items()} | {"UUID": "x-9", "default": None}
    score = scorer.score_one(shouted)
    assert score.application_id == "x-9"
    assert score.pd == scorer.score_one(row).pd


def test_numpy_scalars_and_numeric_levels_are_read(scorer, row):
    spelled = row | {
        "age": np.int64(row["age"]),
        "time_hours": np.float64(row["time_hours"]),
        "has_paid": np.bool_(True),
    }
    assert scorer.score_one(spelled).pd == scorer.score_one(row | {"has_paid": True}).pd
    assert scorer.score_one(row | {"account_status": 1.0}).pd == scorer.score_one(row | {"account_status": "1"}).pd


def test_text_tables_score_like_typed_ones(scorer, portfolio):
    typed = portfolio.holdout.select(["application_id", *scorer.columns]).slice(0, 300)
    text = pa.table(
        [column.cast(pa.string()) for column in typed.columns], names=[n.upper() for n in typed.column_names]
    )
    assert scorer.score_table(text).equals(scorer.score_table(typed))


def test_bad_tables_are_refused_by_column_and_row(scorer, portfolio):
    table = portfolio.holdout.slice(0, 10)
    ages = pc.if_else(pa.array([i == 4 for i in range(10)]), 203, table.column("age"))
    position = table.column_names.index("age")
    with pytest.raises(InputError, match="column 'age' row 4: 203 is above 120"):
        scorer.score_table(table.set_column(position, "age", ages))
    with pytest.raises(InputError, match="column 'age' row 0: the column is missing"):
        scorer.score_table(table.drop_columns(["age"]))


def test_no_rows_give_no_scores(scorer, portfolio):
    assert scorer.score_rows([]) == []
    assert scorer.score_table(portfolio.holdout.slice(0, 0)).num_rows == 0


json_values = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)
)


@settings(max_examples=200, deadline=None)
@given(changes=st.dictionaries(st.integers(0, 40), json_values, min_size=1, max_size=4))
def test_any_json_is_scored_or_refused(scorer, row, changes):
    changed = row | {scorer.columns[position]: value for position, value in changes.items()}
    try:
        pd, column = scorer.score_one(changed).pd, scorer.columns[0]
    except InputError as error:
        pd, column = 0.5, error.column
    assert 0 < pd < 1
    assert column in scorer.columns


@settings(max_examples=50, deadline=None)
@given(name=st.text(max_size=8).filter(lambda name: name.strip()))
def test_rows_and_tables_read_a_level_alike(scorer, row, name):
    online = scorer.score_one(row | {"merchant_category": name}).pd
    table = pa.table({column: pa.array([row[column]]) for column in row} | {"merchant_category": [name]})
    assert scorer.score_table(table).column("pd")[0].as_py() == online


def test_threads_share_a_scorer(scorer, portfolio):
    rows = portfolio.holdout.slice(0, 200).to_pylist()
    expected = [score.pd for score in scorer.score_rows(rows)]
    with ThreadPoolExecutor(8) as pool:
        assert [score.pd for score in pool.map(scorer.score_one, rows)] == expected


@pytest.mark.integration
def test_serving_imports_neither_scikit_learn_nor_pandas(bundle, tmp_path):
    bundle.save(tmp_path / "model")
    program = """
import sys
from credit_model.bundle.bundle import Bundle
from credit_model.scoring.scorer import Scorer
bundle = Bundle.load(sys.argv[1])
Scorer(bundle).score_one(bundle.golden[0].row)
print([name for name in ("sklearn", "pandas", "lightgbm", "scipy", "jinja2") if name in sys.modules])
"""
    command = [sys.executable, "-c", program, str(tmp_path / "model")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_contributions_sum_to_the_margin(bundle, portfolio):
    matrix = bundle.document.encoder.matrix(portfolio.holdout.slice(0, 100))
    booster = Scorer(bundle)._booster
    assert np.abs(booster.contributions(matrix).sum(axis=1) - booster.margins(matrix)).max() < 1e-9
