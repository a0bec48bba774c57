"""The rule of a column: limits that hold for every kind, and markers of missing values."""

from math import inf, isfinite, nan
from sys import float_info

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_model.contract.contract import Column, load_contract
from credit_model.contract.rule import EXACT, Rule, without_point

NUMBERS = [
    (Rule("numeric"), (-float_info.max, float_info.max)),
    (Rule("numeric", low=0.5), (0.5, float_info.max)),
    (Rule("integer"), (-EXACT, EXACT)),
    (Rule("integer", low=-1e300, high=12), (-EXACT, 12)),
]


@pytest.mark.parametrize(("rule", "limits"), NUMBERS)
def test_limits_are_finite_and_never_hold_infinity_or_nan(rule, limits):
    low, high = rule.limits
    assert (low, high) == limits
    assert isfinite(low)
    assert isfinite(high)
    assert not any(low <= value <= high for value in (inf, -inf, nan))


def test_na_is_missing_unless_it_is_a_level():
    assert Rule("categorical", levels=("a", "NA")).missing == ("",)
    assert Rule("categorical", levels=("a", "na")).missing == ("", "NA")


def test_an_unlisted_level_is_refused_where_the_list_is_closed():
    ordinal, closed = Rule("ordinal", levels=("low", "high")), Rule("categorical", levels=("a",))
    free = Rule("categorical", open=True)
    assert [rule.refuses_unlisted(closed=True) for rule in (ordinal, closed, free)] == [True, True, False]
    assert [rule.refuses_unlisted(closed=False) for rule in (ordinal, closed, free)] == [True, False, False]


def test_a_message_lists_the_first_levels():
    assert Rule("ordinal", levels=("a", "b")).listing == "a, b"
    assert Rule("ordinal", levels=tuple("abcdefghij")).listing == "a, b, c, d, e, f, g, h, …"


def test_a_copied_column_has_its_own_rule():
    age = load_contract("case").column("age")
    assert age.rule is load_contract("case").column("age").rule
    older = age.model_copy(update={"max": 150.0})
    assert (age.rule.high, older.rule.high) == (120.0, 150.0)


@given(st.integers(-(10**6), 10**6), st.integers(1, 4))
def test_a_whole_number_loses_its_point_once(number, zeros):
    text = f"{number}.{'0' * zeros}"
    assert without_point(text) == str(number)
    assert without_point(without_point(text)) == str(number)


@pytest.mark.parametrize("text", ["1.5", "1.", ".0", "1.0.0", "a1.0", "1.0 x", "\u0661.0", "1e0.0", ""])
def test_other_text_stays_as_it_is(text):
    assert without_point(text) == text


def test_every_column_has_the_rule_of_its_kind():
    for column in load_contract("case").columns:
        assert isinstance(column, Column)
        rule = column.rule
        assert (rule.kind, rule.nullable, rule.levels, rule.open) == (
            column.kind,
            column.nullable,
            column.levels,
            column.open,
        )
        assert rule.has_levels == column.has_levels
        assert rule.is_number == (column.kind in ("numeric", "integer"))
