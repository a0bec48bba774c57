"""The feature contract: what is shipped, what is refused, and how it survives a round trip."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_model.contract.contract import Column, Contract, SpecialColumn, load_contract, parse_contract
from credit_model.errors import ContractError

MINIMAL = """
name: small
title: Small
id: {source: Key}
target: {source: Bad}
columns:
  - {name: income, kind: numeric, min: 0, reason: Your income}
"""


def edited(old: str, new: str) -> str:
    assert old in MINIMAL
    return MINIMAL.replace(old, new)


def test_case_has_its_41_features_and_published_directions(case):
    assert len(case.features) == 41
    assert not case.protected
    rising = {column.name for column in case.features if column.monotone == "increasing"}
    falling = {column.name for column in case.features if column.monotone == "decreasing"}
    assert {"num_unpaid_bills", "avg_payment_span_0_12m", "account_worst_status_0_3m"} <= rising
    assert falling == {
        "num_arch_ok_12_24m",
        "num_arch_ok_0_12m",
        "max_paid_inv_0_24m",
        "age",
        "sum_capital_paid_account_0_12m",
        "time_hours",
    }


def test_uci_keeps_protected_attributes_out_of_the_features(uci):
    assert {column.name for column in uci.protected} == {"sex", "age", "marriage"}
    assert len(uci.features) == 20


@pytest.mark.parametrize("name", ["case", "uci_credit_card"])
def test_every_feature_has_a_reason_of_its_own(name):
    reasons = [column.reason for column in load_contract(name).features]
    assert len(set(reasons)) == len(reasons)
    assert all(len(reason.split()) >= 2 for reason in reasons)


def test_schema_is_canonical(case):
    schema = case.arrow_schema(outcome=True)
    assert schema.field("application_id").type == pa.string()
    assert schema.field("applied_at").type == pa.timestamp("us", tz="UTC")
    assert schema.field("age").type == pa.int64()
    assert schema.field("has_paid").type == pa.bool_()
    assert schema.field("account_status").type == pa.string()
    assert schema.field("defaulted").type == pa.bool_()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (edited("kind: numeric", "kind: float"), ["small.yaml", "'income'", "kind"]),
        (edited("min: 0", "min: 5, max: 1"), ["'income'", "min is above max"]),
        (edited("min: 0", "levels: [a]"), ["'income'", "levels are for"]),
        (edited("income", "Income"), ["'Income'", "name"]),
        (edited("income", "defaulted"), ["reserved"]),
        (edited(", reason: Your income", ""), ["reason"]),
        (edited("min: 0", "protected: true"), ["protected", "at least one feature"]),
        (edited("min: 0", "minimum: 0"), ["'income'", "minimum"]),
        (edited("kind: numeric, min: 0", "kind: categorical, levels: [yes, no]"), ["'income'", "levels", "quote it"]),
        (edited("kind: numeric, min: 0", "kind: categorical, levels: [a, null]"), ["'income'", "levels", "quote it"]),
        *(
            (edited("kind: numeric, min: 0", f"kind: categorical, levels: [b, {level}]"), ["'income'", *words])
            for level, words in [
                ('""', ["level ''", "missing value"]),
                ('" "', ["level ' '", "missing value"]),
                ('"a "', ["level 'a '", "write it as 'a'"]),
                ('"\\u00a0a"', ["write it as 'a'"]),
                ("1.0", ["level '1.0'", "read as '1'"]),
                ('"-2.00"', ["level '-2.00'", "read as '-2'"]),
            ]
        ),
        (edited("min: 0", "source: KEY"), ["header 'key' appears twice"]),
        (edited("title: Small", "title: [x"), ["line", "YAML"]),
        ("- a\n- b\n", ["small.yaml", "expected name"]),
    ],
)
def test_faulty_files_are_refused_with_file_and_field(text, words):
    with pytest.raises(ContractError) as caught:
        parse_contract(text, label="small.yaml")
    for word in words:
        assert word in str(caught.value)


def test_a_file_of_ones_own_is_a_portfolio(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(MINIMAL)
    assert load_contract(path).name == "small"
    with pytest.raises(ContractError, match="use one of case, uci_credit_card"):
        load_contract("no_such_portfolio")


def test_digest_ignores_layout_and_sees_content():
    reordered = MINIMAL.replace("title: Small\n", "") + "title:   Small  # comment\n"
    assert parse_contract(reordered).digest() == parse_contract(MINIMAL).digest()
    assert parse_contract(edited("min: 0", "min: 1")).digest() != parse_contract(MINIMAL).digest()


names = st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True).filter(
    lambda name: name not in {"application_id", "applied_at", "defaulted", "observed_at", "key", "bad"}
)
words = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=20)
legal = words.filter(lambda text: text == text.strip() and not text.endswith("0"))
levels = st.lists(legal, min_size=1, max_size=5, unique=True)


@st.composite
def columns(draw):
    kind = draw(st.sampled_from(["numeric", "integer", "categorical", "ordinal", "boolean"]))
    bounds = st.none() | st.floats(-1e9, 1e9)
    low, high = draw(bounds), draw(bounds)
    numeric = kind in {"numeric", "integer"}
    if numeric and low is not None and high is not None:
        low, high = sorted((low, high))
    return Column(
        name=draw(names),
        kind=kind,
        nullable=draw(st.booleans()),
        min=low if numeric else None,
        max=high if numeric else None,
        levels=tuple(draw(levels)) if kind in {"categorical", "ordinal"} else (),
        reason=draw(words),
    )


@settings(deadline=None)
@given(st.lists(columns(), min_size=1, max_size=6, unique_by=lambda column: column.name))
def test_dump_and_parse_are_inverse(drawn):
    contract = Contract(
        name="p", title="P", id=SpecialColumn(source="Key"), target=SpecialColumn(source="Bad"), columns=tuple(drawn)
    )
    again = parse_contract(contract.dump())
    assert again == contract
    assert again.digest() == contract.digest()
