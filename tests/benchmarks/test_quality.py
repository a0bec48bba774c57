"""The comparison of models gives scikit-learn's measures on its splits, and names missing packages."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.model_selection import cross_validate as reference
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.quality.data import case, uci
from benchmarks.quality.measure import cross_validate, measure_true_pd, splits
from benchmarks.quality.models import Model

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
COLUMNS = ["num_unpaid_bills", "age", "max_paid_inv_0_24m"]


@pytest.fixture(scope="module")
def portfolio():
    return case(6000)


def matrix(table):
    return np.column_stack([table.column(name).to_numpy() for name in COLUMNS])


def pipeline():
    return make_pipeline(StandardScaler(), LogisticRegression())


def fit(table, contract):
    fitted = pipeline().fit(matrix(table), table.column("defaulted").to_numpy())
    return lambda rows: fitted.predict_proba(matrix(rows))[:, 1]


def test_the_measures_equal_scikit_learns_on_the_same_splits(portfolio):
    result = cross_validate(portfolio, Model("logistic", "", fit))
    scores = {"auc": "roc_auc", "pr_auc": "average_precision", "brier": "neg_brier_score", "log_loss": "neg_log_loss"}
    folds = StratifiedKFold(5, shuffle=True, random_state=42)
    expected = reference(pipeline(), matrix(portfolio.table), portfolio.outcomes, cv=folds, scoring=scores)
    for name in scores:
        assert getattr(result, name) == pytest.approx(abs(expected[f"test_{name}"].mean())), name
    assert result.auc_spread == pytest.approx(expected["test_auc"].std())
    assert result.seconds > 0


def test_the_true_pd_is_measured_on_the_same_splits_and_is_better(portfolio):
    ceiling = measure_true_pd(portfolio, portfolio.true_pd)
    assert ceiling.auc > cross_validate(portfolio, Model("logistic", "", fit)).auc
    tested = np.concatenate([test for _, test in splits(portfolio.outcomes)])
    assert sorted(tested) == list(range(6000))


def test_uci_is_read_completely_or_in_part(uci_csv):
    assert uci(uci_csv, None).table.num_rows == 30_000
    part = uci(uci_csv, 2000)
    assert part.table.num_rows == 2000
    assert part.outcomes.mean() == pytest.approx(0.2212, abs=0.03)


@pytest.mark.skipif(importlib.util.find_spec("catboost") is not None, reason="the group bench is installed here")
def test_without_the_rivals_one_line_names_the_command():
    command = [sys.executable, "-m", "benchmarks.quality"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "use make bench-quality" in done.stdout
    assert "Traceback" not in done.stderr


def test_the_lock_contains_the_rivals_but_no_cuda():
    names = re.findall(r"^([a-z0-9_.-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert {"catboost", "xgboost-cpu"} <= set(names)
    assert not [name for name in names if name == "xgboost" or name.startswith("nvidia")]
