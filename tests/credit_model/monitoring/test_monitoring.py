"""A month is alarming when something has really moved and moved far; each kind of drift shows in its own measures."""

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from credit_model.bundle.bundle import Bundle
from credit_model.metrics.shift import holm, psi_test, share_test
from credit_model.monitoring.monitor import MonitorLimits, MonthReport, monitor
from credit_model.scoring.scorer import Scorer
from credit_model.simulation.incidents import BrokenFeature, ChangedRelationship, PopulationShift
from credit_model.simulation.simulate import simulate
from credit_model.training.train import train
from tests.credit_model.conftest import QUICK, split

pytestmark = pytest.mark.slow

ROWS = 3000
SINCE = "2026-02"


@pytest.fixture(scope="module")
def steady(case) -> Bundle:
    """A model of a portfolio that does not drift."""
    training, holdout, _ = split(simulate(9000, months=9, seed=3, drift=0))
    return train(training, case, QUICK.model_copy(update={"studies": False}), holdout=holdout)


@pytest.fixture(scope="module")
def watch(steady):
    scorer = Scorer(steady)

    def report(table: pa.Table, outcomes: pa.Array | None = None, **more) -> MonthReport:
        return monitor(steady.document, table, scorer.pd_of_table(table), outcomes, **more)

    return report


def after(*incidents, seed=8) -> pa.Table:
    """The second of two months; incidents begin with it."""
    return simulate(2 * ROWS, months=2, start="2026-01", seed=seed, drift=0, incidents=incidents).applications.slice(
        ROWS
    )


def outcomes_of(table: pa.Table) -> pa.Array:
    return table["defaulted"].combine_chunks()


def alarms(report: MonthReport) -> set[tuple[str, str]]:
    return {(alarm.name, alarm.feature) for alarm in report.alarms}


class TestKindsOfDrift:
    def test_nothing_happened(self, watch):
        table = after()
        report = watch(table, outcomes_of(table))
        assert report.mature
        assert report.alarms == ()
        assert not report.retrain

    def test_other_people_apply(self, watch):
        found = alarms(watch(after(PopulationShift(SINCE))))
        assert {("score_psi", ""), ("feature_psi", "age"), ("feature_psi", "num_unpaid_bills")} <= found
        assert not {name for name, _ in found} & {"missing", "new_levels"}

    @pytest.mark.parametrize(
        ("broken", "expected"),
        [
            (BrokenFeature(SINCE, "sum_paid_inv_0_12m", factor=100), "feature_psi"),
            (BrokenFeature(SINCE, "num_unpaid_bills", factor=0), "feature_psi"),
            (BrokenFeature(SINCE, "avg_payment_span_0_12m", missing=0.3), "missing"),
        ],
        ids=["unit", "constant", "missing"],
    )
    def test_a_feature_breaks(self, watch, broken, expected):
        report = watch(after(broken))
        alarm = next(a for a in report.alarms if (a.name, a.feature) == (expected, broken.column))
        assert alarm.remedy == "repair"
        assert "repair" in alarm.reason
        assert not report.retrain
        assert {feature for _, feature in alarms(report)} <= {broken.column, ""}

    def test_other_people_default(self, watch):
        table = after(ChangedRelationship(SINCE))
        assert watch(table).alarms == ()
        report = watch(table, outcomes_of(table))
        assert {("roc_auc", ""), ("calibration_in_the_large", "")} <= alarms(report)
        assert {name for name, _ in alarms(report)} <= {"roc_auc", "calibration_in_the_large", "grade"}
        assert report.retrain

    def test_24_months_without_drift_are_silent(self, watch):
        table = simulate(24 * 1000, months=24, start="2026-01", seed=5, drift=0).applications
        months = [table.slice(1000 * month, 1000) for month in range(24)]
        assert [alarm for month in months for alarm in watch(month, outcomes_of(month)).alarms] == []


class TestMonth:
    def test_incidents_leave_earlier_months_and_other_columns_alone(self):
        plain = simulate(400, months=2, start="2026-01", seed=1).applications
        broken = simulate(400, months=2, start="2026-01", seed=1, incidents=[BrokenFeature(SINCE, "age", factor=2)])
        assert broken.applications.slice(0, 200).equals(plain.slice(0, 200))
        assert broken.applications.drop_columns("age").equals(plain.drop_columns("age"))
        assert broken.applications["age"][-1].as_py() == 2 * plain["age"][-1].as_py()

    def test_a_small_month_is_shown_and_not_tested(self, watch):
        table = after(PopulationShift(SINCE, strength=3)).slice(0, 40)
        report = watch(table)
        assert not report.tested
        assert report.alarms == ()
        assert report.of("score_psi").p_value is None

    def test_an_empty_month_has_nothing_to_show(self, watch):
        assert watch(after().slice(0, 0)).measures == ()

    def test_outcomes_wait_until_most_are_known(self, watch):
        table = after(ChangedRelationship(SINCE))
        half = pa.array([v if n % 2 else None for n, v in enumerate(outcomes_of(table).to_pylist())], pa.bool_())
        report = watch(table, half)
        assert report.outcomes == ROWS // 2
        assert not report.mature
        assert report.of("roc_auc") is None
        assert watch(table, half, limits=MonitorLimits(mature_share=0.4)).mature

    def test_declined_applicants_need_no_outcome(self, watch, steady):
        table = after()
        pds = Scorer(steady).pd_of_table(table)
        declined = pds >= steady.document.cutoffs.decline_from
        lent = pa.array(outcomes_of(table).to_numpy(zero_copy_only=False), mask=declined)
        assert watch(table, lent, limits=MonitorLimits(min_defaults=2)).mature

    def test_a_month_of_training_never_alarms(self, watch):
        report = watch(after(PopulationShift(SINCE)), trained_on=True)
        assert report.of("score_psi").value > 0.1
        assert report.alarms == ()

    def test_new_levels_are_told_from_missing_values(self, watch):
        table = after()
        levels = table["merchant_group"].to_pylist()
        changed = pa.array(["Spacecraft" if n % 20 == 0 else v for n, v in enumerate(levels)])
        place = table.column_names.index("merchant_group")
        report = watch(table.set_column(place, "merchant_group", changed))
        assert ("new_levels", "merchant_group") in alarms(report)
        assert report.of("new_levels", "merchant_group").value == pytest.approx(0.05)
        assert report.of("missing", "merchant_group").value == 0

    def test_realised_measures_are_scikit_learns(self, watch, steady):
        table = after()
        report = watch(table, outcomes_of(table))
        outcomes, pds = outcomes_of(table).to_numpy(zero_copy_only=False), Scorer(steady).pd_of_table(table)
        assert report.of("roc_auc").value == pytest.approx(roc_auc_score(outcomes, pds))
        assert report.of("default_rate").value == pytest.approx(outcomes.mean())
        grade = report.of("grade", "A")
        inside = pds < steady.document.grade_edges[0]
        defaults = int(outcomes[inside].sum())
        posterior = stats.beta(defaults + 0.5, inside.sum() - defaults + 0.5)
        assert grade.value == pytest.approx(defaults / inside.sum())
        assert report.of("grade_jeffreys", "A").value == pytest.approx(posterior.cdf(pds[inside].mean()))

    def test_the_report_is_json(self, watch):
        table = after()
        report = watch(table, outcomes_of(table), month=SINCE)
        text = report.model_dump_json()
        assert "NaN" not in json.dumps(json.loads(text), allow_nan=False)
        assert MonthReport.model_validate_json(text) == report


class TestTests:
    @settings(deadline=None, max_examples=30)
    @given(
        rows=st.sampled_from([300, 1000, 5000]),
        shares=st.lists(st.floats(0.0, 1.0), min_size=2, max_size=40).filter(lambda s: sum(s) > 0.5),
        seed=st.integers(0, 10_000),
    )
    def test_psi_without_drift_is_seldom_called_significant(self, rows, shares, seed):
        """With fixed draws: of 60 undrifted samples at 1 % each, seven alarms have a chance below 1e-5."""
        draw, truth = np.random.default_rng(seed), np.array(shares) / sum(shares)
        p_values = []
        for _ in range(60):
            training = draw.multinomial(8000, truth) / 8000
            p_values.append(psi_test(training, draw.multinomial(rows, truth).astype(float), training_rows=8000)[1])
        assert sum(p <= 0.01 for p in p_values) < 9

    def test_psi_grows_with_the_shift_and_sees_it(self):
        index, p_value = psi_test(np.full(4, 0.25), np.array([400.0, 200, 200, 200]), training_rows=10_000)
        by_hand = 0.15 * np.log(0.4 / 0.25) + 3 * (-0.05) * np.log(0.2 / 0.25)
        assert index == pytest.approx(by_hand)
        assert p_value == pytest.approx(stats.chi2.sf(by_hand / (1 / 1000 + 1 / 10_000), 3))

    def test_rare_bins_are_taken_together(self):
        expected = np.array([0.98, *[0.002] * 10])
        _, p_value = psi_test(expected, np.array([980.0, 20, *[0] * 9]), training_rows=10_000)
        assert p_value == pytest.approx(1.0)

    def test_shares_are_compared_by_fishers_test(self):
        p_value = share_test(8, 100, training_hits=100, training_rows=5000)
        assert p_value == stats.fisher_exact([[8, 92], [100, 4900]]).pvalue

    @settings(deadline=None)
    @given(st.lists(st.floats(0, 1), max_size=30), st.floats(0.001, 0.2))
    def test_holm_rejects_what_the_step_down_procedure_rejects(self, p_values, alpha):
        rejected, left = set(), len(p_values)
        for place in sorted(range(len(p_values)), key=p_values.__getitem__):
            if p_values[place] * left > alpha:
                break
            rejected.add(place)
            left -= 1
        assert {n for n, p in enumerate(holm(p_values)) if p <= alpha} == rejected
