"""All readers of values keep the same rule: a value gives the same number or the same refusal in each of them.

The readers: `coerce` of a table's column, `Encoder.read` of a table (fast columns, `coerce` where they decline), the
careful reader of applicants, and the fast one (one applicant, rows, columns). Values are all kinds of column x {legal,
out of bounds, wrong type, missing, unseen level, huge, -0.0, text that spells a number}.
"""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from credit_model.contract.contract import parse_contract
from credit_model.contract.rule import EXACT
from credit_model.data.coercion import coerce
from credit_model.data.conform import conform_column
from credit_model.errors import InputError
from credit_model.features.encoder import Encoder
from credit_model.features.fast_columns import read_quickly
from credit_model.features.rows import RowReader

# A digit of another script: Python's \d takes it, Arrow's does not.
ARABIC = "\u0661"
MANY = ", ".join(f"l{number}" for number in range(12))
CONTRACT = parse_contract(
    f"""
name: kinds
title: All kinds
id: {{source: ID, required: false}}
target: {{source: y}}
columns:
  - {{name: number, kind: numeric, reason: A}}
  - {{name: bounded, kind: numeric, nullable: true, min: -1.5, max: 120, reason: A}}
  - {{name: whole, kind: integer, reason: A}}
  - {{name: counted, kind: integer, nullable: true, min: 0, max: 10, reason: A}}
  - {{name: closed, kind: categorical, levels: ["1", "2", low], reason: A}}
  - {{name: gaps, kind: categorical, nullable: true, levels: ["1", "0", NA, "{ARABIC}"], reason: A}}
  - {{name: open, kind: categorical, open: true, nullable: true, reason: A}}
  - {{name: ordered, kind: ordinal, levels: [{MANY}], reason: A}}
  - {{name: steps, kind: ordinal, nullable: true, levels: ["1", "2", "3"], reason: A}}
  - {{name: flag, kind: boolean, reason: A}}
  - {{name: maybe, kind: boolean, nullable: true, reason: A}}
"""
)
LEARNT = {"closed": ("1", "low"), "gaps": ("0", "1", "NA", ARABIC), "open": ("1", "1.0", "1e+16", "2.5", "5e-7", "red")}
READ = Encoder(CONTRACT, tuple(column.name for column in CONTRACT.features), LEARNT)
# The same columns when the model reads none of them: they are checked all the same.
UNREAD = Encoder(CONTRACT, (), {})
READERS = {True: RowReader(READ), False: RowReader(UNREAD)}
LEGAL = {
    **{"number": 0.5, "bounded": 7, "whole": 3, "counted": None, "closed": "low", "gaps": "NA", "open": "red"},
    **{"ordered": "l3", "steps": None, "flag": True, "maybe": None},
}
LEGAL_ARRAYS = {name: pa.array([value]) for name, value in LEGAL.items()}
# Text that spells a number or a truth is legal in a table, since a CSV holds nothing else, and not in a row of JSON.
TEXT_IS_FOR_TABLES = ("numeric", "integer", "boolean")
NAN, INF = float("nan"), float("inf")

VALUES = {
    "legal": [0, 1, 2, 3, 0.5, 1.0, 2.0, 120, 120.0, -1.5, True, False, "low", "red", "NA", " l3 ", "l11", 2.5],
    "out of bounds": [121, 120.00000001, -1.6, 11, -1, 10.5, -5],
    "wrong type": [[], [1], {}, {"a": 1}, b"1", NAN, INF, -INF, True, "low", "nan", 2.5],
    "missing": [None, "", "  ", "\u00a0", "\x1f", "\u200b"],
    "unseen level": ["blue", "l12", "Low", "2", 2, 4, 4.0, "na", "L3"],
    "huge": [2**53 - 1, 2**53, 2**53 + 1, -(2**53), 2**63 - 1, 2**64 - 1, EXACT, EXACT + 1, 1e16, 1e22, 1e308, -1e300],
    "negative zero": [-0.0, "-0", "-0.0", np.float64(-0.0)],
    "number as text": [
        "1",
        "1.0",
        "1.00",
        "+1.0",
        "01.0",
        "1.",
        " 2.0 ",
        "0.0",
        "1e0",
        "1e16",
        "2.5",
        f"{ARABIC}.0",
        "1.5",
    ],
    "tiny": [5e-7, 1e-7, 5e-324, 0.1, 123456789012.5, 3.406894560020549e-09],
}
EVERY = [pytest.param(value, id=f"{what}: {value!r}") for what, values in VALUES.items() for value in values]
ANY = st.one_of(
    st.sampled_from([value for values in VALUES.values() for value in values]),
    st.floats(),
    st.integers(-(2**64), 2**65),
    st.text(max_size=4),
    st.from_regex(r"\A[+-]?[0-9]{1,3}(\.0{0,2})?\Z"),
)
NAMES = tuple(LEGAL)


def number_of(matrix, name, encoder):
    return matrix[0, encoder.names.index(name)] if name in encoder.names else 0.0


def answer(read):
    """Return the number of one value and the count of unknown levels, or the refusal."""
    try:
        number, unknown = read()
    except InputError as error:
        return error.column, error.reason
    # -0.0 and 0.0 are one number: no threshold, quotient or sum of the model tells them apart.
    return "missing" if np.isnan(number) else float(number), unknown


def one_applicant(encoder, name, value, way):
    reader = READERS[encoder is READ]
    seen, row = reader.unknown[name], LEGAL | {name: value}
    if way == "careful":
        matrix = reader._carefully([row])
    elif way == "one":
        matrix = np.frombuffer(reader.read_one(row)[0]).reshape(1, -1)
    elif way == "rows":
        matrix = reader.read([row, LEGAL])[0]
    else:
        matrix = reader.read_columns({key: [one, LEGAL[key]] for key, one in row.items()}, 2)[0]
    return number_of(matrix, name, encoder), reader.unknown[name] - seen


def table_of(name, array):
    return pa.table(LEGAL_ARRAYS | {name: array})


def careful_table(encoder, name, array):
    """The answer by `coerce` and the encoder's look-up in canonical values."""
    column, levels = CONTRACT.column(name), encoder.levels.get(name)
    values = conform_column(pa.table({name: array}), column, 0)
    unknown = int(levels is not None and values.null_count == 0 and values[0].as_py() not in levels)
    return encoder._numbers(values, column)[0] if name in encoder.names else 0.0, unknown


def fast_table(encoder, name, array):
    matrix, unknown = encoder.read_counting(table_of(name, array))
    return number_of(matrix, name, encoder), unknown[name]


def as_column(value):
    """Arrow columns that hold one such value; none where Arrow has no such type."""
    plain = value.item() if isinstance(value, np.generic) else value
    try:
        array = pa.array([plain])
    except (pa.ArrowInvalid, OverflowError, UnicodeEncodeError):
        return []
    return [array, array.dictionary_encode()] if pa.types.is_string(array.type) else [array]


def agree(encoder, name, value):
    ways = {way: answer(lambda way=way: one_applicant(encoder, name, value, way)) for way in ("one", "rows", "columns")}
    careful = answer(lambda: one_applicant(encoder, name, value, "careful"))
    assert ways == dict.fromkeys(ways, careful)
    for array in as_column(value):
        by_table = answer(lambda array=array: careful_table(encoder, name, array))
        assert answer(lambda array=array: fast_table(encoder, name, array)) == by_table
        if not (isinstance(value, str) and CONTRACT.column(name).kind in TEXT_IS_FOR_TABLES):
            assert careful == by_table


@pytest.mark.parametrize("encoder", [READ, UNREAD], ids=["read", "unread"])
@pytest.mark.parametrize("value", EVERY)
def test_every_way_gives_the_same_answer(encoder, value):
    for name in NAMES:
        agree(encoder, name, value)


@given(name=st.sampled_from(NAMES), value=ANY, read=st.booleans())
@settings(max_examples=300, deadline=None)
@example("maybe", -0.0, True)
def test_every_way_gives_the_same_answer_to_any_value(name, value, read):
    agree(READ if read else UNREAD, name, value)


@given(name=st.sampled_from(NAMES), values=st.lists(ANY, min_size=1, max_size=5))
@settings(max_examples=200, deadline=None)
def test_a_fast_column_gives_the_careful_numbers_or_declines(name, values):
    column = CONTRACT.column(name)
    for kind in (pa.float64(), pa.int64(), pa.string()):
        held = [value if kind != pa.string() or value is None else str(value) for value in values]
        try:
            array = pa.array(held, kind)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, UnicodeEncodeError, ValueError):
            continue
        coerced = coerce(array, column.rule, closed=False)
        out = np.empty(len(array))
        if read_quickly(array, column.rule, out, lambda canonical: READ._numbers(canonical, column)):
            assert coerced.faults == []
            np.testing.assert_array_equal(out, READ._numbers(coerced.values, column))


@pytest.mark.parametrize("name", ["flag", "maybe"])
@pytest.mark.parametrize("value", [Decimal(1), Decimal(0), Fraction(1), 1 + 0j, Decimal(2), Decimal("0.5"), object()])
def test_whatever_equals_one_or_zero_is_a_truth_read_fast_or_with_care(value, name):
    fast, careful = (answer(lambda way=way: one_applicant(READ, name, value, way)) for way in ("one", "careful"))
    assert fast == careful
    assert (careful == (float(value == 1), 0)) == (value in (0, 1))


def test_negative_zero_is_false_in_a_table_too():
    found = coerce(pa.array([-0.0, 0.0, 1.0]), CONTRACT.column("flag").rule)
    assert (found.values.to_pylist(), found.faults) == ([False, False, True], [])


@pytest.mark.parametrize("nulls", [0, 1])
def test_a_dictionary_as_large_as_its_indices_can_count_is_read(nulls):
    """128 levels fill eight bits: there is no index left for a place behind the last one."""
    levels = [f"c{number}" for number in range(128)]
    encoded = pa.DictionaryArray.from_arrays(pa.array([127, 0, None][: 2 + nulls], pa.int8()), pa.array(levels))
    columns = {key: pa.array([value] * len(encoded)) for key, value in LEGAL.items()} | {"open": encoded}
    encoder = Encoder(CONTRACT, ("open",), {"open": ("c0", "x")})
    matrix, unknown = encoder.read_counting(pa.table(columns))
    np.testing.assert_array_equal(matrix[:, 0], [NAN, 0.0, NAN][: 2 + nulls])
    assert unknown == {"open": 1}


@pytest.mark.parametrize("name", ["number", "whole"])
@pytest.mark.parametrize("text", ["7", " 7.0 ", "1e2", "-0", "x", "", "1e999", "0x10"])
def test_text_that_spells_a_number_is_refused_in_a_row_and_read_in_a_table(name, text):
    with pytest.raises(InputError, match="is not a number"):
        one_applicant(READ, name, text, "careful")
    try:
        expected = float(text)
    except ValueError:
        expected = NAN
    found = coerce(pa.array([text]), CONTRACT.column(name).rule)
    assert found.values.to_pylist() == ([expected] if np.isfinite(expected) else [None])
    assert bool(found.faults) == (not np.isfinite(expected))
