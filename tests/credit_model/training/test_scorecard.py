"""The scorecard is what scikit-learn fits on its bins, adds up as points, and LightGBM serves and explains it."""

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from credit_model.bundle.document import ScoreScale
from credit_model.calibration.calibrator import Calibration
from credit_model.contract.contract import Column, Contract, SpecialColumn
from credit_model.features.encoder import Encoder
from credit_model.policy.points import points
from credit_model.scoring.scorer import calibrated
from credit_model.simulation.simulate import simulate
from credit_model.training.candidates.binning import Bins, constant_tree, read_tree, tree_of
from credit_model.training.candidates.scorecard import fit_scorecard, scorecard_table, unused_features
from credit_model.trees.booster import Booster
from credit_model.trees.lightgbm_text import ModelText

pytestmark = pytest.mark.slow

HEADER = (
    *("tree", "version=v4", "num_class=1", "num_tree_per_iteration=1", "label_index=0", "max_feature_idx=1"),
    *("objective=binary sigmoid:1", "feature_names=a b", "feature_infos=none none"),
)


def feature(name: str, kind: str = "numeric", **more: object) -> Column:
    return Column(name=name, kind=kind, reason=f"value of {name}", **more)


def encoder_of(*columns: Column, levels: dict[str, tuple[str, ...]] | None = None) -> Encoder:
    special = {"id": SpecialColumn(source="key"), "target": SpecialColumn(source="bad")}
    contract = Contract(name="small", title="Small", columns=columns, **special)
    return Encoder(contract, tuple(column.name for column in columns), levels or {})


def numbers(*names: str) -> Encoder:
    return encoder_of(*(feature(name, nullable=True) for name in names))


def default(logits: np.ndarray, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(len(logits)) < 1 / (1 + np.exp(-logits))


@pytest.fixture(scope="module")
def small_case(case: Contract) -> tuple[Encoder, np.ndarray, np.ndarray, str]:
    table = simulate(6000, months=6, seed=5).applications
    table = table.filter(table.column("defaulted").is_valid())
    outcomes = np.array(table.column("defaulted").to_pylist(), dtype=bool)
    encoder = Encoder.learn(table, case, names=[column.name for column in case.features])
    matrix = encoder.matrix(table)
    return encoder, matrix, outcomes, fit_scorecard(matrix, outcomes, encoder, seed=1)


def test_margins_equal_a_logistic_regression_on_the_woe_of_lightgbms_own_leaves(small_case) -> None:
    _, matrix, outcomes, text = small_case
    leaves = lgb.Booster(model_str=text).predict(matrix, pred_leaf=True)[:, 1:]
    rate = outcomes.mean()
    woe = np.empty(leaves.shape)
    for position in range(leaves.shape[1]):
        for leaf in np.unique(leaves[:, position]):
            there = leaves[:, position] == leaf
            bad, size = outcomes[there].sum() + 20 * rate, there.sum() + 20
            woe[there, position] = np.log((size - bad) / bad) - np.log((1 - rate) / rate)
    peer = LogisticRegression(C=1.0, tol=1e-10, max_iter=1000).fit(woe, outcomes)
    assert (peer.coef_ < 0).all()
    assert Booster(text).margins(matrix) == pytest.approx(peer.decision_function(woe), abs=1e-4)


def test_features_are_left_out_only_where_keeping_them_would_turn_them_around(small_case) -> None:
    encoder, _, _, text = small_case
    unused = unused_features(text, encoder)
    assert 0 < len(unused) < len(encoder.names)


def test_a_feature_that_only_corrects_another_is_left_out() -> None:
    rng = np.random.default_rng(1)
    first = rng.normal(size=8000)
    second = first + 0.3 * rng.normal(size=8000)
    matrix = np.column_stack([first, second])
    outcomes = default(2 * first - 1.2 * second - 1)
    encoder = numbers("first", "second")
    text = fit_scorecard(matrix, outcomes, encoder, seed=1)
    assert unused_features(text, encoder) == ("second",)
    assert np.corrcoef(second, outcomes)[0, 1] > 0.05


def test_contributions_are_points_less_expected_points(small_case) -> None:
    encoder, matrix, outcomes, text = small_case
    booster, scale = Booster(text), ScoreScale()
    explained = booster.contributions(matrix)
    assert np.abs(explained.sum(axis=1) - booster.margins(matrix)).max() < 1e-12
    rows = scorecard_table(text, encoder, matrix, outcomes, scale)
    factor = scale.pdo / np.log(2)
    for position, name in enumerate(encoder.names):
        held = [row for row in rows if row["feature"] == name]
        if not held:
            assert not explained[:, position].any()
            continue
        expected = sum(row["share"] * row["points"] for row in held)
        wanted = {round(row["points"] - expected, 2) for row in held if row["share"]}
        # A bin without anyone counts as one applicant to LightGBM, hence not to the last digit.
        found = -factor * np.unique(explained[:, position].round(12))
        assert max(min(abs(value - other) for other in wanted) for value in found) < 0.05


def test_points_of_the_bins_add_up_to_the_score(small_case) -> None:
    encoder, matrix, outcomes, text = small_case
    scale, calibration = ScoreScale(base_score=500, base_odds=20, pdo=40), Calibration(slope=0.9, intercept=-0.1)
    rows = scorecard_table(text, encoder, matrix, outcomes, scale, slope=0.9, intercept=-0.1)
    used = [read_tree(tree) for tree in ModelText.parse(text).trees[1:]]
    total = np.zeros(len(matrix))
    for index, bins, _ in used:
        held = [row for row in rows if row["feature"] == encoder.names[index]]
        by_bin = np.array([held[-1]["points"], *(row["points"] for row in held[:-1])])
        total += by_bin[bins.place(matrix[:, index])]
    margins = Booster(text).margins(matrix)
    assert (np.rint(total) == points(calibrated(margins, calibration), scale)).all()
    assert sum(row["share"] for row in rows) == pytest.approx(len(used))


def test_monotone_features_move_the_margin_one_way(small_case) -> None:
    encoder, matrix, _, text = small_case
    booster = Booster(text)
    base = np.tile(matrix[0], (200, 1))
    checked = 0
    for position, column in enumerate(encoder.columns):
        if column.monotone == "none" or column.name in unused_features(text, encoder):
            continue
        rows = base.copy()
        rows[:, position] = np.linspace(np.nanmin(matrix[:, position]), np.nanmax(matrix[:, position]), 200)
        steps = np.diff(booster.margins(rows)) * (1 if column.monotone == "increasing" else -1)
        assert (steps >= 0).all(), column.name
        checked += 1
    assert checked > 5


def test_monotone_bins_follow_rates_and_not_only_lightgbms_clipped_leaves() -> None:
    values = np.random.default_rng(2).uniform(0, 10, 20_000)
    outcomes = default(np.where((values > 4) & (values < 6), 1.0, values / 5 - 2))
    encoder = encoder_of(feature("x", monotone="increasing"))
    text = fit_scorecard(values[:, None], outcomes, encoder, seed=1)
    margins = Booster(text).margins(np.linspace(0, 10, 500)[:, None])
    assert (np.diff(margins) >= 0).all()
    assert np.ptp(margins) > 1


def test_missing_values_have_a_bin_of_their_own_whatever_the_direction() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(size=6000)
    missing = rng.random(6000) < 0.1
    outcomes = default(np.where(missing, 1.0, 0.5 * values - 1))
    values[missing] = np.nan
    encoder = encoder_of(feature("x", nullable=True, monotone="increasing"))
    text = fit_scorecard(values[:, None], outcomes, encoder, seed=1)
    row = scorecard_table(text, encoder, values[:, None], outcomes, ScoreScale())[-1]
    assert row["bin"] == "missing"
    assert row["share"] == pytest.approx(missing.mean())
    assert row["default_rate"] == pytest.approx(outcomes[missing].mean())
    margins = Booster(text).margins(np.array([[np.nan], [values[~missing].max()], [0.0]]))
    assert margins[0] == pytest.approx(np.log(outcomes[missing].mean() / (1 - outcomes[missing].mean())), abs=0.1)
    assert margins[0] > margins[1] > margins[2]


def test_values_never_missing_in_training_count_as_the_average() -> None:
    rng = np.random.default_rng(4)
    matrix = np.column_stack([rng.normal(size=4000), rng.integers(0, 3, 4000)])
    outcomes = default(matrix[:, 0] + (matrix[:, 1] == 2) - 1)
    columns = (
        feature("x", nullable=True),
        feature("c", kind="categorical", levels=("p", "q", "r")),
    )
    encoder = encoder_of(*columns, levels={"c": ("p", "q", "r")})
    text = fit_scorecard(matrix, outcomes, encoder, seed=1)
    rows = np.full((1, 2), np.nan)
    start = float(next(line for line in ModelText.parse(text).trees[0].splitlines() if "leaf_value" in line)[11:])
    assert Booster(text).margins(rows)[0] == pytest.approx(start, abs=1e-12)
    assert np.isfinite(Booster(text).contributions(rows)).all()
    table = scorecard_table(text, encoder, matrix, outcomes, ScoreScale())
    words = [row["bin"] for row in table if row["feature"] == "c"]
    assert "r" in words
    assert words[-1] == "missing or new"


def test_many_levels_are_grouped_by_risk() -> None:
    rng = np.random.default_rng(5)
    levels = tuple(f"l{position:03d}" for position in range(120))
    codes = rng.integers(0, 120, 30_000)
    outcomes = default(np.where(codes % 3 == 0, 0.5, -2.0))
    encoder = encoder_of(feature("c", kind="categorical", levels=levels), levels={"c": levels})
    text = fit_scorecard(codes[:, None].astype(float), outcomes, encoder, seed=1)
    margins = Booster(text).margins(np.arange(120.0)[:, None])
    risky = np.arange(120) % 3 == 0
    assert margins[risky].min() > margins[~risky].max() + 1
    assert len(np.unique(margins)) <= 6
    assert "and" in str(scorecard_table(text, encoder, codes[:, None].astype(float), outcomes, ScoreScale())[0]["bin"])


def test_the_same_rows_in_any_order_give_the_same_text(small_case) -> None:
    encoder, matrix, outcomes, text = small_case
    assert fit_scorecard(matrix, outcomes, encoder, seed=1) == text
    order = np.random.default_rng(6).permutation(len(matrix))
    assert fit_scorecard(matrix[order], outcomes[order], encoder, seed=1) == text


def test_constant_and_empty_columns_are_left_out() -> None:
    rng = np.random.default_rng(7)
    matrix = np.column_stack([rng.normal(size=2000), np.full(2000, 3.0), np.full(2000, np.nan)])
    outcomes = default(matrix[:, 0] - 1)
    encoder = numbers("x", "flat", "empty")
    text = fit_scorecard(matrix, outcomes, encoder, seed=1)
    assert unused_features(text, encoder) == ("flat", "empty")
    alone = fit_scorecard(matrix[:, 1:], outcomes, numbers("flat", "empty"), seed=1)
    assert 1 / (1 + np.exp(-Booster(alone).margins(matrix[:3, 1:]))) == pytest.approx(outcomes.mean())


def test_it_ranks_nearly_as_well_as_the_truth_where_effects_are_additive() -> None:
    rng = np.random.default_rng(8)
    matrix = rng.normal(size=(20_000, 6))
    logits = matrix[:, 0] + np.abs(matrix[:, 1]) - (matrix[:, 2] > 1) + 0.3 * matrix[:, 3] - 2
    outcomes = default(logits)
    text = fit_scorecard(matrix[:10_000], outcomes[:10_000], numbers(*"abcdef"), seed=1)
    reached = roc_auc_score(outcomes[10_000:], Booster(text).margins(matrix[10_000:]))
    assert reached > 0.975 * roc_auc_score(outcomes[10_000:], logits[10_000:])


# LightGBM takes numbers within 1e-35 of 0 for 0.
REAL = st.floats(-1e6, 1e6).filter(lambda value: value == 0 or abs(value) > 1e-30)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(REAL, min_size=0, max_size=8, unique=True),
    st.lists(st.one_of(st.just(np.nan), REAL), min_size=1, max_size=30),
)
def test_a_numeric_tree_puts_each_value_into_the_leaf_of_its_bin(edges: list[float], values: list[float]) -> None:
    bins = Bins(edges=tuple(sorted(edges)))
    matrix = np.column_stack([np.zeros(len(values) + len(edges)), [*values, *edges]])
    _placed_alike(bins, matrix)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.integers(0, 200), min_size=1, max_size=60, unique=True),
    st.lists(st.one_of(st.just(np.nan), st.integers(0, 300).map(float)), min_size=1, max_size=30),
    st.integers(1, 5),
)
def test_a_level_tree_puts_each_level_into_the_leaf_of_its_group(
    codes: list[int], values: list[float], groups: int
) -> None:
    parts = [tuple(sorted(codes[start::groups])) for start in range(groups) if codes[start::groups]]
    _placed_alike(Bins(groups=tuple(parts)), np.column_stack([np.zeros(len(values)), values]))


def _placed_alike(bins: Bins, matrix: np.ndarray) -> None:
    sizes, values = np.arange(bins.count + 1.0), np.arange(bins.count + 1.0) / 7
    tree = tree_of(1, bins, sizes, values)
    text = str(ModelText(HEADER, (constant_tree(0.5, 10), tree)))
    place = bins.place(matrix[:, 1])
    assert (lgb.Booster(model_str=text).predict(matrix, pred_leaf=True)[:, 1] == place).all()
    booster = Booster(text)
    assert booster.margins(matrix) == pytest.approx(0.5 + values[place], abs=1e-12)
    assert np.isfinite(booster.contributions(matrix)).all()
    position, again, found = read_tree(tree)
    assert (position, again) == (1, bins)
    assert (found == values).all()
