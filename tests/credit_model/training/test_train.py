"""Training: quality on real and simulated portfolios, honest measures, clear refusals."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from sklearn.metrics import roc_auc_score

from credit_model.calibration.calibrator import Calibration
from credit_model.data.reading import read_applications
from credit_model.errors import InputError, TrainingError
from credit_model.scoring.scorer import Scorer
from credit_model.settings import TrainSettings
from credit_model.simulation.simulate import simulate
from credit_model.training.crossvalidation import cross_validate
from credit_model.training.train import train

pytestmark = pytest.mark.slow


def outcomes_of(table):
    return np.array(table.column("defaulted").to_pylist(), dtype=bool)


def with_column(table, name, values):
    return table.set_column(table.column_names.index(name), name, values)


def test_uci_bars(uci, uci_csv):
    result = cross_validate(read_applications(uci_csv, uci).accepted, uci, folds=5, seed=42)
    assert len(result.outcomes) == 30_000
    assert result.mean("roc_auc") >= 0.785
    assert result.mean("brier") <= 0.1335
    scores = [
        roc_auc_score(result.outcomes[part], result.pds[part]) for part in (result.fold_of == f for f in range(5))
    ]
    assert result.mean("roc_auc") == pytest.approx(np.mean(scores))


@pytest.mark.parametrize("seed", [21, 22])
def test_case_out_of_time_comes_close_to_the_true_pd(case, seed):
    simulation = simulate(60_000, seed=seed)
    training, holdout = simulation.applications.slice(0, 35_000), simulation.applications.slice(40_000)
    bundle = train(training, case, holdout=holdout)
    best = roc_auc_score(outcomes_of(holdout), simulation.true_pd[40_000:])
    assert bundle.metrics.holdout.roc_auc >= 0.97 * best
    assert abs(bundle.metrics.holdout.calibration_in_the_large) < 0.3


def test_holdout_metrics_are_those_of_the_scores(bundle, portfolio, scorer):
    pds = scorer.score_table(portfolio.holdout).column("pd").to_numpy()
    outcomes = outcomes_of(portfolio.holdout)
    measured = bundle.metrics.holdout
    assert measured.roc_auc == pytest.approx(roc_auc_score(outcomes, pds))
    assert measured.brier == pytest.approx(np.mean((pds - outcomes) ** 2))
    assert measured.rows == portfolio.holdout.num_rows


def test_the_holdout_changes_nothing_but_its_metrics(bundle, portfolio, case, quick):
    flipped = with_column(portfolio.holdout, "defaulted", pc.invert(portfolio.holdout.column("defaulted")))
    other = train(portfolio.training, case, quick, holdout=flipped)
    assert other.model_text == bundle.model_text
    assert other.document.calibration == bundle.document.calibration
    assert other.document.cutoffs == bundle.document.cutoffs


def test_monotone_features_never_move_the_pd_the_other_way(scorer, portfolio, case):
    rows = portfolio.holdout.slice(0, 40).to_pylist()
    for name, direction in (("num_unpaid_bills", 1), ("num_arch_ok_0_12m", -1), ("age", -1)):
        grid = [18, 20, 25, 30, 40, 60, 100]
        pds = np.array([[s.pd for s in scorer.score_rows([row | {name: value} for value in grid])] for row in rows])
        assert (np.diff(pds, axis=1) * direction >= 0).all()


def test_out_of_fold_pds_are_calibrated(bundle, quick):
    measured = bundle.metrics.cross_validation
    assert measured.calibration_slope == pytest.approx(1, abs=1e-6)
    assert measured.mean_pd == pytest.approx(measured.default_rate)
    assert len(measured.folds) == quick.folds


def test_rows_without_outcome_are_left_out(portfolio, case, quick):
    known = pc.greater(portfolio.training.column("time_hours"), 8)
    table = with_column(
        portfolio.training, "defaulted", pc.if_else(known, portfolio.training.column("defaulted"), None)
    )
    bundle = train(table, case, quick)
    assert bundle.document.training.rows == pc.sum(known).as_py()
    assert "holdout" not in bundle.metrics
    assert len(bundle.golden) == 20


def test_an_all_missing_feature_is_dropped_and_recorded(portfolio, case, quick):
    rows = portfolio.training.num_rows
    bundle = train(with_column(portfolio.training, "account_status", pa.nulls(rows, pa.string())), case, quick)
    assert "account_status" not in bundle.document.features
    assert bundle.document.dropped == {"account_status": "all values are missing"}
    row = dict(bundle.golden[0].row)
    assert Scorer(bundle).score_one(row | {"account_status": "2"}).pd == pytest.approx(bundle.golden[0].pd)
    assert "account_status" in bundle.model_card


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: with_column(t, "defaulted", pa.array([False] * t.num_rows)), "every outcome is a non-default"),
        (lambda t: with_column(t, "defaulted", pa.array([True] * t.num_rows)), "every outcome is a default"),
        (lambda t: t.slice(0, 100), "100 labelled rows, at least 500"),
        (lambda t: with_column(t, "defaulted", pa.array([i < 5 for i in range(t.num_rows)])), "5 defaults"),
        (lambda t: t.drop_columns(["defaulted"]), "'defaulted' is missing"),
        (lambda t: pa.concat_tables([t, t.slice(0, 1)]), "repeated"),
        (
            lambda t: with_column(t, "num_unpaid_bills", t.column("defaulted").cast(pa.int64())),
            "'num_unpaid_bills' alone",
        ),
        (
            lambda t: with_column(t, "merchant_category", pc.if_else(t.column("defaulted"), "Bad", "Good")),
            "'merchant_category' alone",
        ),
    ],
)
def test_tables_nobody_should_train_on_are_refused(portfolio, case, change, words, quick):
    with pytest.raises(TrainingError, match=words):
        train(change(portfolio.training), case, quick)


def test_progress_rises_to_one(portfolio, case, capsys, quick):
    seen = []
    train(portfolio.training, case, quick, progress=lambda *event: seen.append(event))
    fractions = [fraction for _, fraction, _ in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    assert {"prepare", "fit", "evaluate", "done"} <= {stage for stage, _, _ in seen}
    assert capsys.readouterr().out == ""


def test_settings_from_sagemaker_text():
    given = {"learning_rate": "0.1", "folds": '"3"', "approve_below": "0.02", "sagemaker_region": '"eu-west-1"'}
    settings = TrainSettings.from_hyperparameters(given)
    assert (settings.learning_rate, settings.folds, settings.approve_below) == (0.1, 3, 0.02)
    for bad, words in (({"leaves": "3"}, "'leaves'.*known settings"), ({"folds": "many"}, "'folds'")):
        with pytest.raises(TrainingError, match=words):
            TrainSettings.from_hyperparameters(bad)


@pytest.mark.parametrize("values", [["yes", "no"], [2, 1], [0.5, 0.0]])
def test_a_target_that_is_neither_true_nor_false_is_not_guessed_at(portfolio, case, quick, values):
    rows = portfolio.training.num_rows
    table = with_column(portfolio.training, "defaulted", pa.array([values[row % 2] for row in range(rows)]))
    with pytest.raises(TrainingError, match=r"column 'defaulted' row 0: .* is not true or false"):
        train(table, case, quick)


def test_a_faulty_value_is_told_with_its_application(portfolio, case, quick):
    ages = portfolio.training.column("age").to_pylist()
    ages[5] = 1000
    application = portfolio.training.column("application_id")[5].as_py()
    with pytest.raises(InputError, match=f"application {application}"):
        train(with_column(portfolio.training, "age", pa.array(ages)), case, quick)


def test_a_holdout_that_cannot_be_measured_on_is_told_before_training(portfolio, case, quick):
    holdout = with_column(portfolio.holdout, "defaulted", pa.array([False] * portfolio.holdout.num_rows))
    stages = []
    with pytest.raises(TrainingError, match="holdout: every outcome is a non-default"):
        train(portfolio.training, case, quick, holdout=holdout, progress=lambda stage, *_: stages.append(stage))
    assert set(stages) == {"prepare"}


def test_nobody_is_certain_to_default_or_to_repay():
    steep = Calibration(slope=700.0, intercept=0.0)
    margins = np.array([-10.0, -0.001, 0.0, 0.001, 10.0])
    assert ((steep.pds(margins) > 0) & (steep.pds(margins) < 1)).all()
    assert [steep.pd(float(margin)) for margin in margins] == steep.pds(margins).tolist()


def test_a_fold_with_a_single_default_does_not_end_the_training(portfolio, case, quick):
    outcomes = outcomes_of(portfolio.training)
    rows = np.concatenate([np.flatnonzero(outcomes)[20:23], np.flatnonzero(~outcomes)[:297]])
    settings = quick.model_copy(update={"min_rows": 20, "min_defaults": 2, "leak_auc": 1.0, "studies": False})
    bundle = train(portfolio.training.take(pa.array(rows)), case, settings)
    assert bundle.document.training.rows == 300
    assert len(bundle.metrics.cross_validation.folds) == 1
