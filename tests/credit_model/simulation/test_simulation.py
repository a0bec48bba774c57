"""The simulated portfolio looks like the published one, is consistent in itself, and stays the same per seed."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score

from credit_model.data.conform import conform
from credit_model.data.reading import read_applications
from credit_model.simulation.simulate import SimulationError, simulate, write_raw_csv

pytestmark = pytest.mark.slow

# Published aggregate facts of the case, typed in by hand: share of missing values, ...
MISSING = {
    "account_days_in_rem_12_24m": 0.1153,
    "account_incoming_debt_vs_paid_0_24m": 0.5958,
    "account_status": 0.5439,
    "account_worst_status_12_24m": 0.6706,
    "avg_payment_span_0_12m": 0.2368,
    "avg_payment_span_0_3m": 0.4923,
    "num_active_div_by_paid_inv_0_12m": 0.2281,
    "num_arch_written_off_0_12m": 0.1773,
    "worst_status_active_inv": 0.6975,
    "age": 0.0,
}
# ... share of zeros among known values, ...
ZEROS = {
    "account_amount_added_12_24m": 0.7175,
    "max_paid_inv_0_12m": 0.2159,
    "max_paid_inv_0_24m": 0.1727,
    "num_active_inv": 0.6975,
    "num_arch_ok_0_12m": 0.2704,
    "num_unpaid_bills": 0.525,
    "sum_capital_paid_account_0_12m": 0.6605,
}
# ... quantiles of known values, ...
QUANTILES = {
    ("age", 0.5): 34,
    ("age", 0.95): 60,
    ("avg_payment_span_0_12m", 0.5): 14.93,
    ("avg_payment_span_0_12m", 0.9): 32.0,
    ("max_paid_inv_0_24m", 0.5): 7490,
    ("num_arch_ok_0_12m", 0.7): 5,
    ("num_unpaid_bills", 0.9): 5,
    ("sum_paid_inv_0_12m", 0.7): 35200,
    ("time_hours", 0.5): 15.71,
}
# ... shares of levels, ...
LEVELS = {
    ("account_status", "2"): 0.0467,
    ("account_worst_status_0_3m", "2"): 0.1438,
    ("status_max_archived_0_12_months", "2"): 0.2103,
    ("status_max_archived_0_24_months", "0"): 0.1852,
    ("merchant_group", "Clothing & Shoes"): 0.1695,
    ("merchant_category", "Books & Magazines"): 0.0916,
    ("name_in_email", "F+L"): 0.4031,
}
# ... rank correlations (missing ranked lowest) ...
CORRELATIONS = {
    ("account_status", "account_worst_status_0_3m"): 0.982,
    ("account_status", "account_worst_status_3_6m"): 0.917,
    ("account_amount_added_12_24m", "account_worst_status_12_24m"): 0.88,
    ("account_days_in_dc_12_24m", "account_days_in_term_12_24m"): 0.967,
    ("account_incoming_debt_vs_paid_0_24m", "sum_capital_paid_account_0_12m"): 0.847,
    ("max_paid_inv_0_12m", "sum_paid_inv_0_12m"): 0.872,
    ("num_active_inv", "worst_status_active_inv"): 0.981,
    ("num_active_inv", "num_unpaid_bills"): 0.691,
    ("status_max_archived_0_12_months", "status_max_archived_0_24_months"): 0.84,
}
# ... and correlations of being missing.
MISSING_TOGETHER = {
    ("account_days_in_dc_12_24m", "account_days_in_rem_12_24m"): 1.0,
    ("account_status", "account_worst_status_0_3m"): 1.0,
    ("account_status", "account_worst_status_6_12m"): 0.885,
    ("account_incoming_debt_vs_paid_0_24m", "account_status"): 0.899,
    ("avg_payment_span_0_12m", "num_active_div_by_paid_inv_0_12m"): 0.976,
    ("avg_payment_span_0_12m", "num_arch_written_off_0_12m"): 0.821,
    ("account_days_in_dc_12_24m", "avg_payment_span_0_12m"): -0.008,
}


@pytest.fixture(scope="module")
def simulation():
    return simulate(40_000, seed=31, drift=0)


@pytest.fixture(scope="module")
def table(simulation):
    return simulation.applications


def known(table, name):
    return table.column(name).drop_null().to_numpy()


def ranks(table, name):
    column = table.column(name)
    values = column.cast(pa.float64()) if not pa.types.is_string(column.type) else column.cast(pa.int64())
    return rankdata(np.nan_to_num(values.to_numpy(), nan=-1))


def test_marginals(table):
    for name, share in MISSING.items():
        assert table.column(name).null_count / table.num_rows == pytest.approx(share, abs=0.015), name
    for name, share in ZEROS.items():
        assert (known(table, name) == 0).mean() == pytest.approx(share, abs=0.02), name
    for (name, level), value in QUANTILES.items():
        assert np.quantile(known(table, name), level) == pytest.approx(value, rel=0.15), (name, level)
    for (name, level), share in LEVELS.items():
        assert (known(table, name) == level).mean() == pytest.approx(share, abs=0.03), (name, level)


def test_rank_correlations(table):
    for (first, second), target in CORRELATIONS.items():
        found = np.corrcoef(ranks(table, first), ranks(table, second))[0, 1]
        assert found == pytest.approx(target, abs=0.08), (first, second)


def test_missing_values_come_together(table):
    for (first, second), target in MISSING_TOGETHER.items():
        absent = [table.column(name).is_null().to_numpy().astype(float) for name in (first, second)]
        assert np.corrcoef(absent)[0, 1] == pytest.approx(target, abs=0.1), (first, second)


def test_columns_agree_with_each_other(table):
    def column(name):
        return table.column(name).cast(pa.float64()).to_numpy()

    six, twelve, all_time = (column(f"status_max_archived_0_{months}_months") for months in (6, 12, 24))
    assert (six <= twelve).all()
    assert (twelve <= all_time).all()
    assert (column("status_last_archived_0_24m") <= all_time).all()
    assert (column("max_paid_inv_0_12m") <= column("max_paid_inv_0_24m")).all()
    assert (column("max_paid_inv_0_12m") <= column("sum_paid_inv_0_12m")).all()
    idle = column("num_active_inv") == 0
    assert (np.isnan(column("worst_status_active_inv")) == idle).all()
    pairs = set(zip(*(table.column(name).to_pylist() for name in ("merchant_category", "merchant_group")), strict=True))
    assert len(pairs) == len({category for category, _ in pairs})
    assert ("Dietary supplements", "Health & Beauty") in pairs


def test_every_row_keeps_the_contract(table, case):
    assert conform(table, case).num_rows == table.num_rows
    assert pc.count_distinct(table.column("application_id")).as_py() == table.num_rows
    hours = pc.hour(table.column("applied_at")).to_numpy()
    assert np.abs(hours - np.floor(table.column("time_hours").to_numpy())).max() == 0


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_default_rate_and_the_best_possible_auc(seed):
    simulation = simulate(90_000, seed=seed)
    outcomes = simulation.applications.column("defaulted").to_numpy(zero_copy_only=False).astype(bool)
    assert outcomes.mean() == pytest.approx(0.0143, abs=0.0012)
    assert simulation.true_pd.mean() == pytest.approx(0.0143, abs=0.001)
    assert 0.87 <= roc_auc_score(outcomes, simulation.true_pd) <= 0.92


def test_published_directions_hold(simulation):
    risk = rankdata(simulation.true_pd)
    for name, direction in (
        ("num_unpaid_bills", 1),
        ("account_worst_status_0_3m", 1),
        ("avg_payment_span_0_12m", 1),
        ("num_arch_ok_0_12m", -1),
        ("max_paid_inv_0_24m", -1),
        ("age", -1),
        ("time_hours", -1),
    ):
        there = simulation.applications.column(name).is_valid().to_numpy()
        assert np.corrcoef(ranks(simulation.applications, name)[there], risk[there])[0, 1] * direction > 0, name


def test_a_seed_is_a_portfolio():
    first = simulate(600, months=3, seed=5)
    assert first.applications.equals(simulate(600, months=3, seed=5).applications)
    assert not first.applications.equals(simulate(600, months=3, seed=6).applications)


def test_a_later_call_adds_a_month_and_changes_none():
    year = simulate(1200, months=12, seed=5)
    longer = simulate(1300, months=13, seed=5)
    assert longer.applications.slice(0, 1200).equals(year.applications)
    assert (longer.true_pd[:1200] == year.true_pd).all()
    alone = simulate(100, months=1, start="2026-01", seed=5)
    assert longer.applications.slice(1200).equals(alone.applications)


def test_outcomes_mature_with_time():
    early = simulate(1200, seed=5, as_of="2025-09-15").applications
    late = simulate(1200, seed=5, as_of="2026-06-01T00:00:00+00:00").applications
    assert late.column("defaulted").null_count == 0
    known_early = early.column("defaulted").is_valid()
    assert known_early.equals(early.column("observed_at").is_valid())
    months = pc.month(early.column("applied_at")).to_numpy()
    assert months[known_early.to_numpy()].max() == 6
    assert set(months[~known_early.to_numpy()]) == {6, 7, 8, 9, 10, 11, 12}
    assert early.filter(known_early).equals(late.filter(known_early))


def test_months_drift_mildly():
    applications = simulate(72_000, months=24, seed=8).applications
    first, last = applications.slice(0, 3000), applications.slice(69_000)
    bills = [pc.mean(part.column("num_unpaid_bills")).as_py() for part in (first, last)]
    assert 1.0 < bills[1] / bills[0] < 1.6


@pytest.mark.parametrize("name", ["raw.csv", "raw.csv.gz"])
def test_raw_files_are_read_back_equal(tmp_path, case, name):
    table = simulate(2000, seed=9, as_of="2025-10-01").applications
    path = write_raw_csv(table, case, tmp_path / name)
    result = read_applications(path, case)
    assert result.rejected.num_rows == 0
    assert result.accepted.equals(table)
    unlabelled = read_applications(write_raw_csv(table, case, tmp_path / "new.csv", outcome=False), case)
    assert "defaulted" not in unlabelled.accepted.column_names


def test_impossible_requests_are_refused():
    for options, words in (
        ({"rows": 5}, "5 rows over 12 months"),
        ({"rows": 50, "start": "January"}, "not a month"),
        ({"rows": 50, "as_of": "soon"}, "not an ISO 8601 time"),
    ):
        with pytest.raises(SimulationError, match=words):
            simulate(**options)
