"""Models whose contracts differ are compared on the applicants that both can read."""

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score

from credit_model.gate.holdout import compare_contracts, readable_rows
from credit_model.gate.verdict import GateLimits
from credit_model.scoring.scorer import Scorer
from credit_model.training.train import train

pytestmark = pytest.mark.slow

DECLARED = GateLimits(margin=0.2, min_gain=-0.2, max_profit_loss=1, contract_change_declared=True)
REMOVED = "num_unpaid_bills"


def failed(verdict):
    return {check.name for check in verdict.checks if not check.passed}


def altered(contract, name, **changes):
    columns = [column.model_copy(update=changes) if column.name == name else column for column in contract.columns]
    return contract.model_copy(update={"columns": tuple(columns)})


def without(contract, name):
    kept = tuple(column for column in contract.columns if column.name != name)
    return contract.model_copy(update={"columns": kept})


def under(bundle, contract):
    """The same model under another contract."""
    # Not `model_copy`, which would copy the encoder of the old contract.
    document = type(bundle.document).model_validate(bundle.document.model_dump() | {"contract": contract.model_dump()})
    return type(bundle)(document, bundle.model_text)


def auc(bundle, table):
    return roc_auc_score(table.column("defaulted").to_pylist(), Scorer(bundle).score_table(table).column("pd"))


@pytest.fixture(scope="module")
def fewer(portfolio, case, quick):
    return train(portfolio.training, without(case, REMOVED), quick)


def test_a_removed_column_is_read_from_the_champions_own_holdout(bundle, fewer, portfolio):
    holdout = portfolio.holdout.drop_columns([REMOVED])
    verdict = compare_contracts(bundle, fewer, holdout, DECLARED, champion_holdout=portfolio.holdout)
    assert verdict.rows == holdout.num_rows
    assert failed(verdict) == set()
    assert verdict.comparison["first"] == pytest.approx(auc(bundle, portfolio.holdout))
    assert verdict.comparison["second"] == pytest.approx(auc(fewer, portfolio.holdout))
    undeclared = DECLARED.model_copy(update={"contract_change_declared": False})
    assert failed(compare_contracts(bundle, fewer, holdout, undeclared, champion_holdout=portfolio.holdout)) == {
        "contract"
    }


def test_a_removed_column_that_may_be_missing_counts_as_missing(bundle, fewer, portfolio, case):
    holdout = portfolio.holdout.drop_columns([REMOVED])
    champion = under(bundle, altered(case, REMOVED, nullable=True))
    empty = portfolio.holdout.set_column(
        portfolio.holdout.column_names.index(REMOVED), REMOVED, pa.nulls(holdout.num_rows, pa.int64())
    )
    verdict = compare_contracts(champion, fewer, holdout, DECLARED)
    assert verdict.comparison["first"] == pytest.approx(auc(champion, empty))


def test_a_removed_column_that_the_champion_requires_refuses_the_challenger_and_says_why(
    bundle, fewer, portfolio, case
):
    holdout = portfolio.holdout.drop_columns([REMOVED])
    champion = under(bundle, altered(case, REMOVED, nullable=False))
    verdict = compare_contracts(champion, fewer, holdout, DECLARED)
    assert failed(verdict) == {"champion_reads_holdout"}
    assert not verdict.promoted
    assert (verdict.champion, verdict.rows, verdict.comparison) == (champion.version, holdout.num_rows, None)
    assert f"column '{REMOVED}' is missing" in verdict.checks[-1].detail


def test_an_added_column_does_not_disturb_the_champion(bundle, fewer, portfolio):
    verdict = compare_contracts(fewer, bundle, portfolio.holdout, DECLARED)
    assert failed(verdict) == set()
    assert verdict.comparison["first"] == pytest.approx(auc(fewer, portfolio.holdout))


def test_a_column_renamed_at_its_source_is_read_by_each_model_from_its_own_table(bundle, portfolio, case):
    challenger = under(bundle, altered(case, "age", source="age_2"))
    ages = pa.array(np.full(portfolio.holdout.num_rows, 99))
    own = portfolio.holdout.set_column(portfolio.holdout.column_names.index("age"), "age", ages)
    verdict = compare_contracts(bundle, challenger, portfolio.holdout, DECLARED, champion_holdout=own)
    assert verdict.comparison["first"] == pytest.approx(auc(bundle, own))
    assert verdict.comparison["second"] == pytest.approx(auc(bundle, portfolio.holdout))


@pytest.mark.parametrize(("kind", "read"), [("categorical", 1.0), ("ordinal", 0.0)])
def test_rows_with_an_added_level_are_left_out_where_the_champion_cannot_read_them(bundle, portfolio, case, kind, read):
    name, holdout = "merchant_group", portfolio.holdout
    levels = sorted(set(holdout.column(name).drop_null().to_pylist()))
    known = altered(case, name, kind=kind, levels=tuple(levels[:-1]), open=False)
    more = altered(case, name, kind=kind, levels=tuple(levels), open=False)
    values = holdout.column(name).to_pylist()
    verdict = compare_contracts(under(bundle, known), under(bundle, more), holdout, DECLARED)
    added = values.count(levels[-1])
    assert added
    assert verdict.rows == holdout.num_rows - (0 if read else added)


def test_values_out_of_the_champions_bounds_leave_their_rows_out(bundle, portfolio, case):
    ages = np.array(portfolio.holdout.column("age").to_pylist())
    champion = under(bundle, altered(case, "age", max=40))
    verdict = compare_contracts(champion, bundle, portfolio.holdout, DECLARED)
    assert verdict.rows == (ages <= 40).sum()
    kept, reason = readable_rows(portfolio.holdout, champion.contract)
    assert kept.num_rows == verdict.rows
    assert reason.endswith("is above 40")
