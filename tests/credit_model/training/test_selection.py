"""Features that cannot help are left out with the reason, and the studies answer with numbers of their own."""

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score

from credit_model.errors import TrainingError
from credit_model.scoring.scorer import Scorer
from credit_model.training.selection import unfit_features, useless_features
from credit_model.training.train import train


def test_empty_constant_and_repeated_columns_are_named():
    nan = np.nan
    matrix = np.array([[nan, 1.0, 0.0, -0.0, 3.0, nan], [nan, 1.0, 2.0, 2.0, nan, 5.0], [nan, 1.0, 1.0, 1.0, 3.0, nan]])
    assert unfit_features(matrix, ["empty", "same", "first", "twin", "known", "other"]) == {
        "empty": "all values are missing",
        "same": "the same value everywhere",
        "twin": "equal to 'first' in every row",
    }


def test_useless_is_what_no_fold_uses():
    gains = np.array([[0.5, 0.0, 0.0], [0.5, 0.0, 0.1]])
    assert useless_features(gains, ["a", "b", "c"]) == {"b": "no fold's model splits on it"}
    assert useless_features(np.zeros((2, 2)), ["a", "b"]) == {}


def test_a_bundle_records_what_it_left_out_and_scores_without_it(portfolio, case, quick):
    table = portfolio.training
    for name, values in (
        ("has_paid", pa.array([True] * table.num_rows)),
        ("num_arch_ok_12_24m", table.column("num_arch_ok_0_12m")),
        (
            "num_arch_written_off_0_12m",
            pa.array(np.random.default_rng(0).permutation(table.num_rows) == 0).cast("int64"),
        ),
    ):
        table = table.set_column(table.schema.get_field_index(name), name, values)
    bundle = train(table, case, quick.model_copy(update={"drop_useless": True, "studies": False}))
    dropped = bundle.document.dropped
    assert dropped["has_paid"] == "the same value everywhere"
    assert dropped["num_arch_ok_12_24m"] == "equal to 'num_arch_ok_0_12m' in every row"
    assert dropped["num_arch_written_off_0_12m"] == "no fold's model splits on it"
    assert not set(dropped) & set(bundle.document.features)
    assert all(name in bundle.report and name in bundle.model_card for name in dropped)
    row = dict(bundle.golden[0].row)
    assert Scorer(bundle).score_one(row | {"has_paid": False}).pd == pytest.approx(bundle.golden[0].pd)


def test_a_table_of_constants_is_refused(portfolio, case, quick):
    table = portfolio.training
    first = table.slice(0, 1)
    for name in (column.name for column in case.features):
        same = pa.array([first.column(name)[0].as_py()] * table.num_rows, table.schema.field(name).type)
        table = table.set_column(table.schema.get_field_index(name), name, same)
    with pytest.raises(TrainingError, match="no feature has two different values"):
        train(table, case, quick)


def test_the_studies_compare_with_a_free_model_and_a_scorecard(bundle, portfolio):
    studies = bundle.document.evidence.studies
    assert studies.rows == portfolio.training.num_rows
    assert [point.rows for point in studies.learning_curve] == sorted({point.rows for point in studies.learning_curve})
    assert studies.unconstrained.first == studies.scorecard.first
    outcomes = np.array(portfolio.training.column("defaulted").to_pylist(), dtype=bool)
    seen = roc_auc_score(outcomes, Scorer(bundle).pd_of_table(portfolio.training))
    # Judged on rows it has not seen, the model cannot look as good as on its own.
    assert 0.6 < studies.scorecard.first < seen
    for rival in (studies.unconstrained, studies.scorecard):
        assert rival["low"] <= rival["difference"] <= rival["high"]
        assert rival["difference"] == pytest.approx(rival["second"] - rival["first"], abs=1e-6)
