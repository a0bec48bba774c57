"""Calibrations agree with scikit-learn and venn-abers, keep the order of margins, and are the same bits for one row."""

import json
import time

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score
from venn_abers import VennAbers

from credit_model.bundle.bundle import Bundle
from credit_model.calibration.calibrator import Calibration
from credit_model.calibration.fitting import (
    CalibrationChoice,
    choose_calibration,
    fit_isotonic,
    fit_sigmoid,
    fit_venn_abers,
)
from credit_model.errors import TrainingError
from credit_model.scoring.scorer import Scorer, calibrated

FITS = {
    "none": lambda _m, _y: Calibration(method="none"),
    "sigmoid": fit_sigmoid,
    "isotonic": fit_isotonic,
    "venn_abers": fit_venn_abers,
}


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def draw(rows: int, seed: int = 1, bend: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Margins and outcomes; the true log-odds are the margins times `bend`, less one."""
    rng = np.random.default_rng(seed)
    margins = rng.normal(size=rows)
    return margins, rng.random(rows) < sigmoid(bend * margins - 1)


def peer(margins: np.ndarray, outcomes: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """PDs of the venn-abers package."""
    reference = VennAbers()
    reference.fit(np.column_stack([1 - sigmoid(margins), sigmoid(margins)]), outcomes)
    merged, _ = reference.predict_proba(np.column_stack([1 - sigmoid(asked), sigmoid(asked)]))
    return merged[:, 1]


@pytest.mark.parametrize("rounded", [1, 2, 9])
def test_venn_abers_equals_the_reference_package_at_the_margins_it_knows(rounded: int) -> None:
    margins, outcomes = draw(900)
    margins = margins.round(rounded)
    fitted = fit_venn_abers(margins, outcomes)
    assert np.abs(fitted.pds(margins) - peer(margins, outcomes, margins)).max() < 1e-12


def test_venn_abers_takes_a_new_margin_for_its_nearest_known_one() -> None:
    margins, outcomes = draw(300)
    margins = margins.round(1)
    fitted = fit_venn_abers(margins, outcomes)
    asked = np.append(np.random.default_rng(2).uniform(margins.min(), margins.max(), 200), [-50, 50])
    nearest = np.array([margins[np.argmin(np.abs(margins - one))] for one in asked])
    assert (fitted.pds(asked) == fitted.pds(nearest)).all()


def test_venn_abers_of_many_margins_equals_the_reference() -> None:
    margins, outcomes = draw(20_000)
    fitted = fit_venn_abers(margins, outcomes)
    assert len(fitted.values) < 1000
    assert np.abs(fitted.pds(margins) - peer(margins, outcomes, margins)).max() < 1e-12


def test_venn_abers_of_rounded_margins_is_near_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("credit_model.calibration.fitting._CELLS", 1000)
    margins, outcomes = draw(9000)
    fitted = fit_venn_abers(margins, outcomes)
    assert np.abs(fitted.pds(margins) - peer(margins, outcomes, margins)).mean() < 5e-3


def test_isotonic_equals_scikit_learn_but_for_the_end_blocks() -> None:
    margins, outcomes = draw(3000)
    wanted = IsotonicRegression(out_of_bounds="clip").fit(margins, outcomes).predict(margins)
    pds = fit_isotonic(margins, outcomes).pds(margins)
    inner = (wanted > 0.05) & (wanted < 0.8)
    assert inner.mean() > 0.8
    assert np.abs(pds - wanted)[inner].max() < 1e-12


def test_isotonic_end_blocks_hold_one_applicant_more_with_the_mean_rate() -> None:
    margins = np.arange(8.0)
    outcomes = np.array([0, 0, 0, 1, 0, 1, 1, 1], dtype=bool)
    pds = fit_isotonic(margins, outcomes).pds(margins)
    assert pds == pytest.approx([0.125, 0.125, 0.125, 0.5, 0.5, 0.875, 0.875, 0.875])


def test_sigmoid_equals_unpenalised_logistic_regression() -> None:
    margins, outcomes = draw(3000, bend=1.7)
    peer_fit = LogisticRegression(C=np.inf, tol=1e-10).fit(margins[:, None], outcomes)
    fitted = fit_sigmoid(margins, outcomes)
    assert (fitted.slope, fitted.intercept) == pytest.approx((peer_fit.coef_[0, 0], peer_fit.intercept_[0]), abs=1e-5)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-20, 20), st.booleans()), min_size=4, max_size=60).filter(
        lambda rows: len({outcome for _, outcome in rows}) == 2
    ),
    st.lists(st.floats(-60, 60), min_size=1, max_size=20),
)
def test_any_fit_keeps_the_order_stays_inside_0_and_1_and_has_one_set_of_numbers(
    rows: list[tuple[float, bool]], asked: list[float]
) -> None:
    margins, outcomes = np.array([m for m, _ in rows]), np.array([y for _, y in rows])
    for fit in (fit_isotonic, fit_venn_abers):
        calibration = fit(margins, outcomes)
        wanted = np.sort(np.concatenate([asked, margins]))
        pds = calibration.pds(wanted)
        assert ((pds > 0) & (pds < 1)).all()
        assert (np.diff(pds) >= -1e-15).all()
        assert [calibration.pd(margin) for margin in wanted.tolist()] == pds.tolist()


@pytest.mark.parametrize("name", FITS)
def test_scorer_gives_one_row_the_bits_of_the_table(bundle: Bundle, name: str) -> None:
    rows = [golden.row for golden in bundle.golden]
    known = Scorer(bundle)
    matrix = bundle.document.encoder.matrix(_table(bundle))
    margins = known.margins(matrix)
    calibration = FITS[name](
        np.repeat(margins, 30) + np.linspace(-2, 2, 600), np.arange(600) % 7 > np.arange(600) // 120
    )
    changed = Bundle(bundle.document.model_copy(update={"calibration": calibration}), bundle.model_text)
    scorer = Scorer(changed)
    table = scorer.score_table(_table(bundle))
    assert [scorer.score_one(row).pd for row in rows] == table.column("pd").to_pylist()
    assert [score.pd for score in scorer.score_rows(rows)] == table.column("pd").to_pylist()
    assert [scorer.score_one(row).score for row in rows] == table.column("score").to_pylist()
    assert table.column("pd").to_pylist() == calibrated(margins, calibration).tolist()


def _table(bundle: Bundle) -> pa.Table:
    return pa.Table.from_pylist(
        [golden.row for golden in bundle.golden],
        schema=pa.schema([pa.field(c.name, c.arrow_type) for c in bundle.contract.features]),
    )


@pytest.mark.parametrize("name", FITS)
def test_calibration_survives_the_bundle_document(name: str) -> None:
    calibration = FITS[name](*draw(400))
    again = Calibration.model_validate_json(calibration.model_dump_json())
    margins = np.linspace(-4, 4, 101)
    assert again == calibration
    assert (again.pds(margins) == calibration.pds(margins)).all()


def test_documents_written_before_there_were_methods_still_load() -> None:
    old = Calibration.model_validate_json('{"slope": 1.5, "intercept": -0.25}')
    margins = np.linspace(-5, 5, 11)
    assert old == Calibration(slope=1.5, intercept=-0.25)
    assert old.pds(margins) == pytest.approx(sigmoid(1.5 * margins - 0.25), abs=1e-15)


@pytest.mark.parametrize(
    "wrong",
    [
        {"method": "isotonic"},
        {"method": "isotonic", "knots": [0, 1], "values": [0.2]},
        {"method": "isotonic", "knots": [1, 0], "values": [0.2, 0.3]},
        {"method": "isotonic", "knots": [0, 1], "values": [0.3, 0.2]},
        {"method": "isotonic", "knots": [0, 1], "values": [0.0, 0.2]},
        {"method": "venn_abers", "knots": [0, 1], "values": [0.1, 0.2]},
        {"method": "venn_abers", "knots": [0], "values": [0.1, 1.0]},
        {"method": "sigmoid", "knots": [0], "values": [0.1]},
        {"method": "none", "slope": 2},
        {"slope": -1},
        {"slope": float("nan")},
    ],
)
def test_what_would_not_be_a_calibration_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Calibration.model_validate(wrong)


def chosen(margins: np.ndarray, outcomes: np.ndarray, method: str = "auto") -> tuple[CalibrationChoice, np.ndarray]:
    folds = np.random.default_rng(3).integers(0, 5, len(margins))
    return choose_calibration(margins, outcomes, folds, method=method), folds


def test_right_margins_are_left_alone() -> None:
    margins, _ = draw(8000)
    outcomes = np.random.default_rng(4).random(8000) < sigmoid(margins)
    choice, _ = chosen(margins, outcomes)
    assert choice.calibration.method == "none"


def test_a_linear_error_is_put_right_by_the_sigmoid() -> None:
    choice, _ = chosen(*draw(8000, bend=0.6))
    assert choice.calibration.method == "sigmoid"
    assert (choice.calibration.slope, choice.calibration.intercept) == pytest.approx((0.6, -1), abs=0.1)


def test_a_kinked_error_takes_more_than_a_line() -> None:
    margins, _ = draw(20000)
    truth = np.where(margins < 0.5, 0.03, 0.6)
    outcomes = np.random.default_rng(5).random(20000) < truth
    choice, _ = chosen(margins, outcomes)
    assert choice.calibration.method in {"isotonic", "venn_abers"}


def test_table_measures_what_scikit_learn_measures_on_the_left_out_folds() -> None:
    margins, outcomes = draw(3000, bend=0.7)
    choice, folds = chosen(margins, outcomes)
    rows = {row["method"]: row for row in choice.table["methods"]}
    pds, lost = np.empty(3000), 0.0
    for fold in range(5):
        own = folds == fold
        pds[own] = peer(margins[~own], outcomes[~own], _nearest(margins[~own], margins[own]))
        lost += own.mean() * (roc_auc_score(outcomes[own], margins[own]) - roc_auc_score(outcomes[own], pds[own]))
    row = rows["venn_abers"]
    assert row["log_loss"] == pytest.approx(log_loss(outcomes, pds), abs=1e-9)
    assert row["brier"] == pytest.approx(brier_score_loss(outcomes, pds), abs=1e-9)
    assert row["auc_lost"] == pytest.approx(lost, abs=1e-9)
    blind = log_loss(outcomes, np.full(3000, outcomes.mean()))
    assert row["penalty"] == pytest.approx(blind * 2 * max(lost, 0), abs=1e-9)
    assert rows["none"]["log_loss"] == pytest.approx(log_loss(outcomes, sigmoid(margins)), abs=1e-9)
    json.dumps(choice.table, allow_nan=False)


def _nearest(known: np.ndarray, asked: np.ndarray) -> np.ndarray:
    return known[np.abs(known[None, :] - asked[:, None]).argmin(axis=1)]


def test_a_method_asked_for_is_used_and_the_others_still_measured() -> None:
    choice, _ = chosen(*draw(2000), method="venn_abers")
    assert choice.calibration.method == choice.table["chosen"] == "venn_abers"
    assert len(choice.table["methods"]) == 4


def test_the_same_rows_in_another_order_give_the_same_calibration() -> None:
    margins, outcomes = draw(2000)
    order = np.random.default_rng(6).permutation(2000)
    for fit in (fit_isotonic, fit_venn_abers):
        assert fit(margins, outcomes).pds(margins) == pytest.approx(
            fit(margins[order], outcomes[order]).pds(margins), abs=1e-14
        )


def test_72_000_rows_are_compared_within_two_seconds() -> None:
    margins, outcomes = draw(72_000)
    # Time of this process alone: others may share the machine.
    started = time.process_time()
    chosen(margins, outcomes)
    assert time.process_time() - started < 2


def test_one_fold_or_a_fold_of_one_class_is_refused() -> None:
    margins, outcomes = draw(100)
    with pytest.raises(TrainingError, match="fewer folds"):
        choose_calibration(margins, outcomes, np.zeros(100, dtype=np.int64))
    with pytest.raises(TrainingError, match="fold 0 leaves"):
        choose_calibration(margins, outcomes, outcomes.astype(np.int64))
