"""Reasons: exact contributions, the contract's words, four at most, one for each story, none that lowers the PD."""

import lightgbm
import numpy as np
import pytest
from scipy import stats

from credit_model.data.conform import conform
from credit_model.errors import BundleError
from credit_model.explain.reason_groups import correlated_groups, learn_reasons
from credit_model.explain.reasons import Explainer, ReasonBook
from credit_model.scoring.scorer import Scorer
from credit_model.training.train import train


@pytest.fixture(scope="module")
def matrix(bundle, portfolio):
    return bundle.document.encoder.matrix(conform(portfolio.holdout, bundle.contract))


def rows_of(portfolio, bundle, count=300):
    names = [column.name for column in bundle.contract.features]
    return portfolio.holdout.slice(0, count).select(names).to_pylist()


def test_contributions_are_lightgbms_and_add_up_to_the_margin(bundle, scorer, matrix):
    found = scorer.contributions(matrix)
    expected = lightgbm.Booster(model_str=bundle.model_text).predict(matrix, pred_contrib=True)
    assert np.abs(found - expected).max() < 1e-9
    assert np.abs(found.sum(axis=1) - scorer.margins(matrix)).max() < 1e-9


def test_reasons_raise_the_pd_and_differ(bundle, scorer, portfolio, matrix):
    book, names = bundle.document.reasons, list(bundle.document.features)
    group_of = {name: number for number, group in enumerate(book.groups) for name in group}
    assert sorted(group_of) == sorted(names)
    excess = scorer.contributions(matrix) - np.array([*(book.baseline[name] for name in names), 0.0])
    explained = scorer.explain_rows(rows_of(portfolio, bundle))
    assert any(len(reasons) == 4 for reasons in explained)
    for row, reasons in zip(excess, explained, strict=False):
        totals = [sum(row[names.index(name)] for name in group) for group in book.groups]
        expected = sorted((total for total in totals if total > 0), reverse=True)[:4]
        assert [reason.contribution for reason in reasons] == pytest.approx(expected)
        assert len({group_of[reason.code] for reason in reasons}) == len(reasons)
        for reason in reasons:
            members = book.groups[group_of[reason.code]]
            assert row[names.index(reason.code)] == max(row[names.index(name)] for name in members) > 0
            assert reason.text == bundle.contract.column(reason.code).reason


def test_riskier_applicants_have_heavier_reasons(bundle, scorer, portfolio):
    rows = rows_of(portfolio, bundle)
    weights = [sum(reason.contribution for reason in reasons) for reasons in scorer.explain_rows(rows)]
    pds = [score.pd for score in scorer.score_rows(rows)]
    assert stats.spearmanr(weights, pds).statistic > 0.8


def test_table_reasons_are_those_of_the_rows_not_approved(bundle, scorer, portfolio):
    head = portfolio.holdout.slice(0, 300)
    scored = scorer.score_table(head, reasons=True)
    explained = scorer.explain_rows(rows_of(portfolio, bundle))
    assert scored.drop_columns(["reasons"]).equals(scorer.score_table(head))
    for decision, codes, reasons in zip(
        scored.column("decision").to_pylist(), scored.column("reasons").to_pylist(), explained, strict=True
    ):
        assert codes == ([] if decision == "approve" else [reason.code for reason in reasons])


def test_protected_attributes_are_never_a_reason(uci):
    assert {column.name for column in uci.protected} == {"sex", "marriage", "age"}
    book = ReasonBook(baseline={"pay_0": 0.0}, groups=(("pay_0",),))
    with pytest.raises(KeyError):
        Explainer(book, uci, ["pay_0", "age"])


def test_baseline_is_the_mean_of_the_approved():
    rng = np.random.default_rng(1)
    matrix, contributions = rng.normal(size=(50, 2)), rng.normal(size=(50, 3))
    approved = np.arange(50) < 20
    book = learn_reasons(matrix, contributions, approved=approved, names=["a", "b"], categorical=[])
    assert book.baseline == pytest.approx({"a": contributions[:20, 0].mean(), "b": contributions[:20, 1].mean()})
    everyone = learn_reasons(matrix, contributions, approved=approved & False, names=["a", "b"], categorical=[])
    assert everyone.baseline["a"] == pytest.approx(contributions[:, 0].mean())


@pytest.mark.parametrize("seed", range(5))
def test_features_of_different_groups_do_not_correlate(seed):
    rng = np.random.default_rng(seed)
    base = rng.normal(size=(400, 3))
    mixed = np.column_stack([base, base + rng.normal(size=(400, 3)) * [0.1, 0.6, 2], np.full(400, 3.0)])
    mixed[rng.random(400) < 0.3, :2] = np.nan
    names = [f"f{i}" for i in range(7)]
    groups = correlated_groups(mixed, names)
    filled = np.nan_to_num(mixed, nan=-1e9)
    for one in range(6):
        for other in range(one):
            together = any(names[one] in group and names[other] in group for group in groups)
            strong = abs(stats.spearmanr(filled[:, one], filled[:, other]).statistic) >= 0.7
            assert together or not strong
    assert ("f6",) in groups
    assert len(groups) > 2


def test_categorical_codes_are_related_by_what_they_do():
    rng = np.random.default_rng(2)
    risk = rng.normal(size=300)
    codes = np.argsort(np.argsort(rng.permutation(300))).astype(float)
    contributions = np.column_stack([risk, risk, np.zeros(300)])
    approved = np.ones(300, dtype=bool)
    book = learn_reasons(
        np.column_stack([codes, risk]), contributions, approved=approved, names=["a", "b"], categorical=[0]
    )
    assert book.groups == (("a", "b"),)


def test_a_bundle_without_reasons_says_so(bundle, portfolio):
    bare = type(bundle)(bundle.document.model_copy(update={"reasons": None}), bundle.model_text)
    with pytest.raises(BundleError, match="no baseline for reasons"):
        Scorer(bare).explain_rows(rows_of(portfolio, bundle, 1))


def test_reasons_survive_saving(bundle, tmp_path, portfolio):
    bundle.save(tmp_path / "model")
    loaded = Scorer(type(bundle).load(tmp_path / "model"))
    rows = rows_of(portfolio, bundle, 20)
    assert loaded.explain_rows(rows) == Scorer(bundle).explain_rows(rows)


def test_training_twice_gives_the_same_reasons(bundle, portfolio, case, quick):
    again = train(portfolio.training, case, quick, holdout=portfolio.holdout, lineage=bundle.document.lineage)
    assert again.document.reasons == bundle.document.reasons
    assert again.version == bundle.version
