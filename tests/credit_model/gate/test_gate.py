"""The gate promotes what is better, and stops what is worse, ill-calibrated, shifted or on another contract."""

import json

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score

from credit_model.calibration.calibrator import Calibration
from credit_model.errors import TrainingError
from credit_model.gate.checks import chance_psi
from credit_model.gate.compare import compare
from credit_model.gate.verdict import GateLimits
from credit_model.scoring.scorer import Scorer
from credit_model.simulation.simulate import simulate
from credit_model.training.train import train


@pytest.fixture(scope="module")
def weak(portfolio, case, quick):
    return train(portfolio.training, case, quick.model_copy(update={"max_rounds": 1}))


def failed(verdict):
    return {check.name for check in verdict.checks if not check.passed}


def test_a_better_challenger_is_promoted(weak, bundle, portfolio):
    verdict = compare(weak, bundle, portfolio.holdout)
    outcomes = portfolio.holdout.column("defaulted").to_pylist()
    aucs = [roc_auc_score(outcomes, Scorer(b).score_table(portfolio.holdout).column("pd")) for b in (weak, bundle)]
    assert verdict.promoted
    assert verdict.comparison["difference"] == pytest.approx(aucs[1] - aucs[0])
    assert (verdict.champion, verdict.challenger) == (weak.version, bundle.version)
    assert json.loads(verdict.model_dump_json())["rows"] == portfolio.holdout.num_rows


def test_a_worse_challenger_is_not(weak, bundle, portfolio):
    verdict = compare(bundle, weak, portfolio.holdout)
    assert not verdict.promoted
    assert {"auc_not_worse", "auc_gain"} <= failed(verdict)


def test_an_equal_challenger_needs_the_gain_asked_for(bundle, portfolio):
    assert compare(bundle, bundle, portfolio.holdout).promoted
    asking = GateLimits().model_copy(update={"min_gain": 0.001})
    assert failed(compare(bundle, bundle, portfolio.holdout, asking)) == {"auc_gain"}


def test_without_a_champion_only_absolute_checks_apply(bundle, portfolio):
    verdict = compare(None, bundle, portfolio.holdout)
    assert verdict.promoted
    assert verdict.champion is None
    assert verdict.comparison is None
    assert "auc_gain" not in {check.name for check in verdict.checks}


def test_a_miscalibrated_challenger_is_stopped(bundle, portfolio):
    calibration = bundle.document.calibration
    bent = Calibration(slope=calibration.slope, intercept=calibration.intercept + 2)
    document = bundle.document.model_copy(update={"calibration": bent})
    challenger = type(bundle)(document, bundle.model_text)
    verdict = compare(bundle, challenger, portfolio.holdout)
    assert {"calibration_in_the_large", "score_psi"} <= failed(verdict)
    assert "auc_gain" not in failed(verdict)


def test_a_shifted_holdout_raises_the_psi_alarm(bundle, portfolio):
    risky = np.array(portfolio.holdout.column("num_unpaid_bills").to_pylist()) > 3
    verdict = compare(None, bundle, portfolio.holdout.filter(pa.array(risky)))
    assert "score_psi" in failed(verdict)


@pytest.mark.parametrize("number", [1, 2, 5])
def test_few_features_and_so_few_scores_are_no_shift(case, quick, number):
    names = ["num_unpaid_bills", "age", "account_worst_status_0_3m", "has_paid", "max_paid_inv_0_24m"][:number]
    small = case.model_copy(update={"columns": tuple(case.column(name) for name in names)})
    rows = simulate(6000, months=1, seed=4).applications
    bundle = train(rows.slice(0, 4000), small, quick)
    assert "score_psi" not in failed(compare(None, bundle, rows.slice(4000)))


def test_a_changed_contract_must_be_declared(bundle, portfolio, case, quick):
    fewer = case.model_copy(update={"columns": case.columns[:-1]})
    challenger = train(portfolio.training, fewer, quick)
    lenient = GateLimits(margin=0.2, min_gain=-0.2)
    assert failed(compare(bundle, challenger, portfolio.holdout, lenient)) == {"contract"}
    declared = lenient.model_copy(update={"contract_change_declared": True})
    assert compare(bundle, challenger, portfolio.holdout, declared).promoted


def test_each_model_may_bring_its_own_reading_of_the_applicants(bundle, portfolio):
    others = portfolio.holdout.set_column(
        portfolio.holdout.column_names.index("age"), "age", pa.array(np.full(portfolio.holdout.num_rows, 99))
    )
    shuffled = others.take(pa.array(np.random.default_rng(0).permutation(others.num_rows)))
    verdict = compare(bundle, bundle, portfolio.holdout, champion_holdout=shuffled)
    outcomes = portfolio.holdout.column("defaulted").to_pylist()
    aucs = [roc_auc_score(outcomes, Scorer(bundle).score_table(t).column("pd")) for t in (others, portfolio.holdout)]
    assert verdict.comparison["difference"] == pytest.approx(aucs[1] - aucs[0])
    with pytest.raises(TrainingError, match="same application_ids"):
        compare(bundle, bundle, portfolio.holdout, champion_holdout=others.slice(1))


def test_the_verdict_tells_who_changes_decision_and_what_it_earns(weak, bundle, portfolio):
    verdict = compare(weak, bundle, portfolio.holdout)
    before, after = (Scorer(b).score_table(portfolio.holdout).column("decision").to_pylist() for b in (weak, bundle))
    moves = {(move.champion, move.challenger): move.rows for move in verdict.swap_set.moves}
    assert moves == {(a, b): list(zip(before, after, strict=True)).count((a, b)) for a, b in moves}
    outcomes = portfolio.holdout.column("defaulted").to_pylist()
    profits = [
        np.mean([(d == "approve") * (-0.45 if bad else 0.10) for d, bad in zip(decided, outcomes, strict=True)])
        for decided in (before, after)
    ]
    assert (verdict.profit.champion, verdict.profit.challenger) == pytest.approx(tuple(profits))
    assert {"swap_set", "profit_not_worse"} <= {check.name for check in verdict.checks}


def test_profit_is_counted_by_the_settings_of_the_challenger(bundle, portfolio):
    settings = bundle.document.settings | {"margin": 0.2, "amount_column": "age", "from_a_later_release": 1}
    rich = type(bundle)(bundle.document.model_copy(update={"settings": settings}), bundle.model_text)
    profit = compare(bundle, rich, portfolio.holdout).profit
    assert (profit.margin, profit.loss_given_default) == (0.2, 0.45)
    assert profit.mean_amount == pytest.approx(np.mean(portfolio.holdout.column("age").to_numpy()), rel=1e-6)


def test_an_unlabelled_holdout_is_refused(bundle, portfolio):
    with pytest.raises(TrainingError, match="holdout: column 'defaulted'"):
        compare(None, bundle, portfolio.holdout.drop_columns(["defaulted"]))


def test_a_small_holdout_is_granted_the_drift_that_chance_explains(bundle, portfolio):
    outcomes = np.array(portfolio.training.column("defaulted").to_pylist(), dtype=bool)
    random = np.random.default_rng(3)
    refused = 0
    for _ in range(30):
        rows = np.concatenate(
            [random.choice(np.flatnonzero(outcomes), 2), random.choice(np.flatnonzero(~outcomes), 98)]
        )
        holdout = portfolio.training.take(pa.array(np.unique(rows)))
        checks = {check.name: check for check in compare(None, bundle, holdout).checks}
        refused += not checks["score_psi"].passed
    assert refused <= 4


@pytest.mark.parametrize(
    ("freedom", "confidence", "quantile"),
    # NIST/SEMATECH e-Handbook of Statistical Methods, table 1.3.6.7.4, critical values of the chi-square distribution.
    [(1, 0.90, 2.706), (1, 0.95, 3.841), (1, 0.99, 6.635), (2, 0.95, 5.991), (9, 0.95, 16.919), (9, 0.999, 27.877)],
)
def test_the_psi_that_chance_explains_is_of_the_printed_chi_squared(freedom, confidence, quantile):
    assert chance_psi(freedom + 1, rows=1000, training_rows=4000, confidence=confidence) == pytest.approx(
        quantile * (1 / 1000 + 1 / 4000), rel=2e-4
    )
