"""Reading applicants at once gives what reading tables gives, and refuses what reading them one by one refuses."""

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_model.contract.contract import load_contract, parse_contract
from credit_model.data.conform import conform
from credit_model.errors import InputError
from credit_model.features.encoder import Encoder
from credit_model.features.rows import RowReader
from credit_model.simulation.simulate import simulate

UCI = load_contract("uci_credit_card")
CASE = load_contract("case")
UNREAD = parse_contract(
    """
name: small
title: Small
id: {source: ID}
target: {source: y}
columns:
  - {name: a, kind: integer, nullable: true, min: 0, reason: A}
  - {name: b, kind: numeric, reason: B}
  - {name: c, kind: boolean, nullable: true, reason: C}
  - {name: unread, kind: ordinal, levels: [low, high], reason: D}
derived:
  - {name: both, rule: sum, of: [a, b], reason: E}
"""
)


@pytest.fixture(scope="module")
def applications() -> pa.Table:
    return simulate(300, months=1, seed=3).applications


@pytest.fixture(scope="module")
def encoder(applications) -> Encoder:
    table = conform(applications, CASE)
    return Encoder.learn(table.slice(0, 100), CASE, names=[column.name for column in CASE.features])


def plain_rows(table, contract):
    names = ["application_id", *(column.name for column in contract.features)]
    return conform(table, contract).select(names).to_pylist()


@pytest.mark.parametrize("size", [1, 2, 100])
def test_rows_and_columns_equal_the_table_bit_for_bit(applications, encoder, size):
    table = applications.slice(7, size)
    rows, expected = plain_rows(table, CASE), encoder.matrix(conform(table, CASE))
    reader = RowReader(encoder)
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    for matrix, ids in (reader.read(rows), reader.read_columns(columns, size)):
        np.testing.assert_array_equal(matrix, expected)
        assert ids == [row["application_id"] for row in rows]


def test_nulls_may_be_left_out(applications, encoder):
    rows = plain_rows(applications, CASE)
    short = [{name: value for name, value in row.items() if value is not None} for row in rows]
    np.testing.assert_array_equal(RowReader(encoder).matrix(short), RowReader(encoder).matrix(rows))


def test_levels_never_learnt_are_missing_and_counted(applications, encoder):
    name = next(column.name for column in CASE.features if column.kind == "categorical" and column.open)
    rows = [row | {name: "level of tomorrow"} for row in plain_rows(applications.slice(0, 3), CASE)]
    reader = RowReader(encoder)
    assert np.isnan(reader.matrix(rows)[:, encoder.names.index(name)]).all()
    assert +reader.unknown == {name: 3}


def small(**levels):
    return RowReader(Encoder(UNREAD, ("b", "both"), {}))


def test_columns_the_model_does_not_read_are_checked_all_the_same():
    row = {"a": 1, "b": 0.5, "c": True, "unread": "low"}
    np.testing.assert_array_equal(small().matrix([row]), [[0.5, 1.5]])
    np.testing.assert_array_equal(small().matrix([row, row | {"a": None, "c": 0}]), [[0.5, 1.5], [0.5, 0.5]])
    for change in ({"unread": "middle"}, {"unread": None}, {"c": 2}, {"a": 1.5}, {"both": 3}):
        with pytest.raises(InputError) as found:
            small().matrix([row, row | change])
        assert (found.value.index, found.value.column) == (1, next(iter(change)))


def test_a_whole_number_beyond_float64_is_refused_as_a_table_refuses_it():
    row = {"a": 2**53 + 2, "b": 0.5, "unread": "low"}
    with pytest.raises(InputError, match="too large for a whole number"):
        small().matrix([row])
    with pytest.raises(InputError, match="too large for a whole number"):
        conform(pa.Table.from_pylist([row]), UNREAD)


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.sampled_from([0, 1, 2.0, 2.5, 10**400, float("nan"), float("inf"), "low", " high", "", "1", "True", [], {}]),
    st.floats(),
    st.text(max_size=3),
)
ROWS = st.dictionaries(st.sampled_from(["a", "b", "c", "unread", "ID", "B ", "both", "application_id"]), VALUES)


@given(st.lists(ROWS, min_size=1, max_size=3))
@settings(max_examples=500, deadline=None)
def test_it_accepts_exactly_what_the_careful_reader_accepts(rows):
    """The careful reader is made to read each row by an ignored column that the quick one does not know."""
    legal = [{"a": 1, "b": 0.5, "c": True, "unread": "low"} | row for row in rows]
    careful = [row | {"Y ": 1} for row in legal]

    def outcome(given_rows):
        try:
            matrix, ids = small().read(given_rows)
        except InputError as error:
            return error.index, error.column, error.reason
        return json.dumps(matrix.tolist()), ids

    assert outcome(legal) == outcome(careful)


def test_a_column_the_model_does_not_read_has_no_unknown_levels(case):
    names = tuple(column.name for column in case.features if column.name != "merchant_category")
    encoder = Encoder(
        case, names, {c.name: c.levels for c in case.features if c.kind == "categorical" and c.name in names}
    )
    reader = RowReader(encoder)
    rows = simulate(50, months=1, seed=1).applications.drop_columns(["defaulted", "applied_at"]).to_pylist()
    reader.read(rows)
    reader.matrix(rows)
    assert reader.unknown["merchant_category"] == 0


@pytest.mark.parametrize("other", ["ID", " Application_id", "id"])
def test_two_spellings_of_the_id_are_two_ids(applications, encoder, other):
    row = plain_rows(applications.slice(0, 1), CASE)[0] | {"application_id": "a", other: "b"}
    headers = encoder.contract.request_headers
    if other.strip().lower() not in headers:
        pytest.skip("no header of this contract")
    for rows in ([row], [row, row]):
        with pytest.raises(InputError, match="given twice"):
            RowReader(encoder).read(rows)
    with pytest.raises(InputError, match="given twice"):
        RowReader(encoder).read_one(row)


def test_one_applicant_is_derived_from_the_numbers_a_matrix_holds():
    names = tuple(column.name for column in UCI.features)
    levels = {c.name: c.levels for c in UCI.features if c.kind == "categorical"}
    reader = RowReader(Encoder(UCI, names, levels))
    row = {c.name: c.levels[0] if c.has_levels else 1 for c in UCI.columns if not c.protected}
    row |= {"bill_amt1": 2**53 + 1, "bill_amt6": 2**53 - 1, "limit_bal": 1}
    packed, _ = reader.read_one(row)
    np.testing.assert_array_equal(np.frombuffer(packed), reader.read([row, row])[0][1])
