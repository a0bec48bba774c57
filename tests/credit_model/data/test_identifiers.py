"""An application id is the same text whichever way it comes, or is refused whichever way it comes."""

import datetime as dt
import json
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_model.contract.contract import parse_contract
from credit_model.data.conform import identifiers as ids_of_table
from credit_model.data.identifiers import IdentifierError, identifier, identifiers, required_identifiers
from credit_model.data.raw_file import delivered_rows
from credit_model.data.reading import read_applications, read_outcomes
from credit_model.errors import InputError
from credit_model.scoring.files import score_files

NAN, INFINITY = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a-1", "a-1"),
        ("  a 1\t\u00a0", "a 1"),
        ("NA", "NA"),
        ("", None),
        (" \n", None),
        (None, None),
        ("1.0", "1"),
        (" -3.00 ", "-3"),
        ("0.0", "0"),
        ("007", "007"),
        ("007.0", "007.0"),
        ("1.50", "1.50"),
        ("2e15", "2e15"),
        (7, "7"),
        (-7, "-7"),
        (10**30, "1" + "0" * 30),
        (1.0, "1"),
        (-0.0, "0"),
        (2e15, "2000000000000000"),
        (2.0**53 - 1, "9007199254740991"),
        (np.int32(7), "7"),
        (np.float32(7), "7"),
        (Decimal("12.00"), "12"),
    ],
)
def test_what_an_id_is(value, expected):
    assert identifier(value) == expected


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (True, "True is not an application id"),
        (np.bool_(False), "False is not"),
        (NAN, "nan is not"),
        (INFINITY, "inf is not"),
        (1.5, "1.5 is not"),
        (Decimal("1.5"), "1.5 is not"),
        (Decimal("sNaN"), "is not an application id"),
        (dt.date(2025, 1, 2), "2025-01-02 is not"),
        (["a"], "is not an application id; send text or a whole number"),
        (b"a", "b'a' is not"),
        ({}, "is not an application id"),
        (2.0**53, "send it as text"),
        (1e29, "send it as text"),
        (10**400, "is not an application id"),
    ],
)
def test_what_no_id_is(value, words):
    with pytest.raises(IdentifierError) as caught:
        identifier(value)
    assert words in str(caught.value)


def one_by_one(values):
    """What the plain side says of each value: its id, or False where it is refused."""
    found = []
    for value in values:
        try:
            found.append(identifier(value))
        except IdentifierError:
            found.append(False)
    return found


def as_column(array):
    coerced = identifiers(array)
    found = coerced.values.to_pylist()
    for fault in coerced.faults:
        assert found[fault.row] is None
        found[fault.row] = False
    return found


blanks = st.text(st.sampled_from(" \t\n\r\x0b\x1c\x85\u00a0\u2028\u3000"), max_size=2)
number_like = st.from_regex(r"-?[0-9]{1,20}(\.[0-9]{1,3})?", fullmatch=True)
plain = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    ["NA", "", "nan", "null", "1.0"]
)
texts = st.tuples(blanks, plain | number_like, blanks).map("".join)
numbers = st.floats(width=64) | st.integers(-(2**53) - 3, 2**53 + 3).map(float) | st.sampled_from([NAN, -0.0, 1e300])


@given(st.lists(st.none() | texts, max_size=8))
def test_text_columns_are_read_like_plain_text(values):
    for kind in (pa.string(), pa.large_string(), pa.string_view()):
        assert as_column(pa.array(values, kind)) == one_by_one(values)
    assert as_column(pa.array(values, pa.string()).dictionary_encode()) == one_by_one(values)


@given(st.lists(st.none() | numbers, max_size=8))
def test_float_columns_are_read_like_plain_floats(values):
    assert as_column(pa.array(values, pa.float64())) == one_by_one(values)


@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), max_size=8))
def test_integer_columns_are_read_like_plain_integers(values):
    assert as_column(pa.array(values, pa.int64())) == one_by_one(values)


@given(st.lists(st.none() | st.decimals(-(10**30), 10**30, places=4), max_size=4))
def test_decimal_columns_are_read_like_plain_decimals(values):
    assert as_column(pa.array(values, pa.decimal128(38, 4))) == one_by_one(values)


@pytest.mark.parametrize(
    "values",
    [
        pa.array([True, None]),
        pa.array([dt.date(2025, 1, 2), None]),
        pa.array([dt.datetime(2025, 1, 2), None]),
        pa.array([["a"], None]),
        pa.array([{"a": 1}, None]),
        pa.array([b"a", None]),
    ],
    ids=lambda values: str(values.type),
)
def test_columns_of_other_types_are_refused_by_row(values):
    assert as_column(values) == one_by_one(values.to_pylist()) == [False, None]
    reasons = [fault.reason for fault in required_identifiers(values).faults]
    assert "send text or a whole number" in reasons[0]
    assert reasons[1] == "the application id is missing"


CONTRACT = parse_contract("""
name: small
title: Small
id: {source: uuid}
target: {source: default, required: false}
columns:
  - {name: age, kind: integer, reason: Your age}
""")
SPELLINGS = ["NA", " a ", "1.0", "007", "30e2", "123456789012345678901234567890"]
IDS = ["NA", "a", "1", "007", "30e2", "123456789012345678901234567890"]


def test_the_lake_reads_ids_of_applications_and_outcomes_alike(tmp_path):
    table = pa.table({"uuid": SPELLINGS, "age": [30] * 6, "default": [True] * 6})
    pacsv.write_csv(table, tmp_path / "in.csv")
    pq.write_table(table, tmp_path / "in.parquet")
    for name in ("in.csv", "in.parquet"):
        for read in (read_applications, read_outcomes):
            assert read(tmp_path / name, CONTRACT).accepted["application_id"].to_pylist() == IDS


def test_one_and_one_point_nought_are_one_applicant(tmp_path):
    (tmp_path / "in.csv").write_text("uuid,age\n1,30\n1.0,30\n")
    result = read_applications(tmp_path / "in.csv", CONTRACT)
    assert result.accepted["application_id"].to_pylist() == ["1"]
    assert "'1' already appears in row 1" in result.rejected["reason"][0].as_py()


def test_a_row_whose_id_is_refused_goes_to_quarantine(tmp_path):
    table = pa.table({"uuid": [1.0, 1.5, None, 2.0**53], "age": [30] * 4})
    pq.write_table(table, tmp_path / "in.parquet")
    result = read_applications(tmp_path / "in.parquet", CONTRACT)
    assert result.accepted["application_id"].to_pylist() == ["1"]
    faults = [(fault["row"], fault["reason"].split(";")[0]) for fault in result.rejected.to_pylist()]
    assert faults == [
        (2, "1.5 is not an application id"),
        (3, "the application id is missing"),
        (4, "9007199254740992.0 is too large for an exact id as a number"),
    ]


def test_a_table_with_a_refused_id_names_its_row():
    with pytest.raises(InputError) as caught:
        ids_of_table(pa.table({"uuid": pa.array([1.0, NAN])}), CONTRACT)
    assert (caught.value.index, caught.value.column) == (1, "application_id")


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_the_command_line_gives_out_the_same_ids(scorer, portfolio, tmp_path, ending):
    table = portfolio.holdout.select(["application_id", *scorer.columns]).slice(0, 6)
    table = table.set_column(0, "application_id", pa.array(SPELLINGS))
    source = tmp_path / f"in.{ending}"
    (pacsv.write_csv if ending == "csv" else pq.write_table)(table, source)
    score_files(scorer, source, tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet")["application_id"].to_pylist() == IDS
    assert scorer.score_table(table)["application_id"].to_pylist() == IDS


def test_the_command_line_tells_ids_that_are_none(scorer, portfolio, tmp_path):
    table = portfolio.holdout.select(["application_id", *scorer.columns]).slice(0, 3)
    table = table.set_column(0, "application_id", pa.array([7.0, NAN, None], from_pandas=False))
    pq.write_table(table, tmp_path / "in.parquet")
    done = score_files(scorer, tmp_path / "in.parquet", tmp_path / "out.csv")
    assert (done.rows, done.rejected) == (1, 2)
    faults = [(fault["row"], fault["reason"]) for fault in done.examples.to_pylist()]
    assert faults[0][0] == 2
    assert "nan is not an application id" in faults[0][1]
    assert faults[1] == (3, "the application id is missing")


def test_a_row_in_quarantine_shows_its_id_as_it_was_delivered(tmp_path):
    (tmp_path / "in.csv").write_text("uuid,age\nNA,x\n,30\n")
    found = {row: json.loads(text) for row, text in delivered_rows(tmp_path / "in.csv", {1, 2}).items()}
    assert found == {1: {"uuid": "NA", "age": "x"}, 2: {"uuid": None, "age": "30"}}
