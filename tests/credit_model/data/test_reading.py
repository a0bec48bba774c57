"""Reading raw files: what is accepted, what is rejected row by row, and what is refused as a whole."""

import csv
import gzip
import io
import time
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_model.contract.contract import parse_contract
from credit_model.data.reading import read_applications, read_outcomes
from credit_model.errors import DataError
from credit_model.simulation.simulate import simulate, write_raw_csv

CONTRACT = parse_contract("""
name: small
title: Small
id: {source: uuid}
target: {source: default, required: false}
columns:
  - {name: age, kind: integer, min: 18, max: 120, reason: Your age}
  - {name: income, kind: numeric, nullable: true, reason: Your income}
  - {name: status, kind: ordinal, levels: [1, 2, 3], nullable: true, reason: Your status}
  - {name: shop, kind: categorical, open: true, reason: Your shop}
  - {name: group, kind: categorical, levels: [a, b], reason: Your group}
  - {name: paid, kind: boolean, reason: Whether you paid}
""")
HEADER = "uuid,default,age,income,status,shop,group,paid"
GOOD = "x1,0,30,1.5,2,books,a,True"


def write(tmp_path, *lines, header=HEADER, name="file.csv"):
    path = tmp_path / name
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def read(tmp_path, *lines, **options):
    return read_applications(write(tmp_path, *lines, **options), CONTRACT)


def test_a_good_row_in_canonical_form(tmp_path):
    result = read(tmp_path, GOOD)
    assert result.accepted.to_pylist() == [
        {
            "application_id": "x1",
            "applied_at": None,
            "age": 30,
            "income": 1.5,
            "status": "2",
            "shop": "books",
            "group": "a",
            "paid": True,
            "defaulted": False,
        }
    ]
    assert result.accepted.schema.names[: len(CONTRACT.arrow_schema())] == CONTRACT.arrow_schema().names
    assert (result.rows, result.rejected.num_rows, result.ignored_columns) == (1, 0, ())


def test_spellings_of_the_original_case_file(tmp_path):
    header = HEADER.replace(",", ";").upper() + ";extra"
    result = read(tmp_path, "x1;NA;30.0;NA;1.0;books;a;true;9", 'x2;1.0;31;"";;"a;b";b;0;9', header=header)
    rows = result.accepted.to_pylist()
    assert result.ignored_columns == ("EXTRA".lower(),) or result.ignored_columns == ("extra",)
    assert [row["age"] for row in rows] == [30, 31]
    assert [row["status"] for row in rows] == ["1", None]
    assert [row["income"] for row in rows] == [None, None]
    assert [row["defaulted"] for row in rows] == [None, True]
    assert [row["paid"] for row in rows] == [True, False]
    assert rows[1]["shop"] == "a;b"


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("age", "203", "'203' is above 120"),
        ("age", "17", "'17' is below 18"),
        ("age", "30.5", "not a whole number"),
        ("age", "thirty", "'thirty' is not a number"),
        ("age", "", "missing"),
        ("income", "nan", "not a finite number"),
        ("income", "-Infinity", "not a finite number"),
        ("income", "1e999", "not a finite number"),
        ("income", "1,5", "not a number"),
        ("income", "0x1F", "not a number"),
        ("status", "4", "'4' is not one of 1, 2, 3"),
        ("status", "1.5", "not one of"),
        ("group", "c", "'c' is not one of a, b"),
        ("group", "NA", "missing"),
        ("group", "  ", "missing"),
        ("shop", "", "missing"),
        ("paid", "maybe", "not true or false"),
        ("default", "2", "not true or false"),
        ("uuid", "", "id is missing"),
        ("applied_at", "2025-02-30", "not an ISO 8601 time"),
        ("applied_at", "yesterday", "not an ISO 8601 time"),
    ],
)
def test_one_bad_value_rejects_its_row_only(tmp_path, column, value, reason):
    header = [*HEADER.split(","), "applied_at"]
    good = dict(zip(header, [*GOOD.split(","), "2025-01-01"], strict=True))
    text = io.StringIO()
    writer = csv.DictWriter(text, header, lineterminator="\n")
    writer.writerows([good, good | {"uuid": "x2", column: value}, good | {"uuid": "x3"}])
    result = read(tmp_path, text.getvalue().rstrip("\n"), header=",".join(header))
    assert result.accepted.column("application_id").to_pylist() == ["x1", "x3"]
    (fault,) = result.rejected.to_pylist()
    assert fault["row"] == 2
    assert fault["column"] == {"uuid": "application_id", "default": "defaulted"}.get(column, column)
    assert reason in fault["reason"]
    assert fault["application_id"] == (None if column == "uuid" else "x2")


def test_every_fault_of_a_row_is_listed_in_order(tmp_path):
    result = read(tmp_path, "x1,0,7,x,9,books,z,True", GOOD.replace("x1", "x2"), "x3,0,7,1,1,books,a,True")
    found = [(fault["row"], fault["column"]) for fault in result.rejected.to_pylist()]
    assert found == [(1, "age"), (1, "income"), (1, "status"), (1, "group"), (3, "age")]
    assert result.accepted.num_rows == 1


def test_repeated_ids_keep_the_first_and_name_it(tmp_path):
    result = read(tmp_path, GOOD, GOOD.replace("x1", "x2"), GOOD, GOOD)
    assert result.accepted.column("application_id").to_pylist() == ["x1", "x2"]
    faults = result.rejected.to_pylist()
    assert [fault["row"] for fault in faults] == [3, 4]
    assert all("already appears in row 1" in fault["reason"] for fault in faults)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-03-31", datetime(2025, 3, 31, tzinfo=UTC)),
        ("2025-03-31 14:05:00", datetime(2025, 3, 31, 14, 5, tzinfo=UTC)),
        ("2025-03-31T14:05:00Z", datetime(2025, 3, 31, 14, 5, tzinfo=UTC)),
        ("2025-03-31T14:05:00.25+02:00", datetime(2025, 3, 31, 12, 5, 0, 250_000, tzinfo=UTC)),
    ],
)
def test_times_are_utc(tmp_path, text, expected):
    result = read(tmp_path, f"{GOOD},{text}", f"{GOOD.replace('x1', 'x2')},bad", header=HEADER + ",applied_at")
    assert result.accepted.column("applied_at").to_pylist() == [expected]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ["empty"]),
        (b"\n\n", ["empty"]),
        (HEADER.encode(), ["no data row"]),
        (HEADER.encode() + b"\n", ["no data row"]),
        (HEADER.replace("age,", "").encode() + b"\nx1,0,1,1,b,a,1\n", ["missing column 'age'", "small"]),
        (HEADER.replace("income", "AGE").encode() + f"\n{GOOD}\n".encode(), ["'age' appears twice"]),
        (f"{HEADER}\n{GOOD}\nx2,0,30\n".encode(), ["line 3", "3 values where the header has 8"]),
        (f"{HEADER}\n{GOOD}\n".encode() + b"x2,0,30,1,1,caf\xe9,a,1\n", ["line 3", "UTF-8"]),
        (f"{HEADER}\n{GOOD}\n".encode("utf-16"), ["UTF-16"]),
        (b"\x89PNG\r\n\x1a\n\x00\x00", ["not"]),
        (b"PAR1 is not enough", ["Parquet"]),
        (gzip.compress(f"{HEADER}\n{GOOD}\n".encode() * 999)[:-40], ["gzip"]),
        (b"just some words\nand more\n", ["not a CSV"]),
    ],
)
def test_unusable_files_are_refused_by_name(tmp_path, content, words):
    path = tmp_path / "drop.csv"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_applications(path, CONTRACT, label="s3://landing/drop.csv")
    for word in ["s3://landing/drop.csv", *words]:
        assert word in str(caught.value)


def test_a_missing_file_is_a_data_error(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_applications(tmp_path / "none.csv", CONTRACT)


@pytest.mark.parametrize("wrap", [lambda b: b, gzip.compress, lambda b: b"\xef\xbb\xbf" + b])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_gzip_bom_and_line_ends_do_not_matter(tmp_path, wrap, newline):
    path = tmp_path / "file"
    path.write_bytes(wrap(newline.join([HEADER, GOOD, ""]).encode()))
    assert read_applications(path, CONTRACT).accepted.column("shop").to_pylist() == ["books"]


def test_line_breaks_inside_quotes_belong_to_the_value(tmp_path):
    result = read(tmp_path, 'x1,0,30,1,1,"two\nlines, one shop",a,1')
    assert result.accepted.column("shop").to_pylist() == ["two\nlines, one shop"]


def test_parquet_with_other_types_is_the_same_table(tmp_path):
    table = pa.table(
        {
            "UUID": pa.array([1, 2]),
            "default": pa.array([0, 1], pa.int8()),
            "Age": pa.array([30.0, 31.0]),
            "income": pa.array([1.5, None], pa.float32()),
            "status": pa.array([1.0, None]),
            "shop": pa.array(["books", "toys"]).dictionary_encode(),
            "group": pa.array(["a", "b"], pa.large_string()),
            "paid": pa.array([True, False]),
            "applied_at": pa.array([datetime(2025, 1, 1), None], pa.timestamp("ns")),
        }
    )
    path = tmp_path / "file.parquet"
    pq.write_table(table, path)
    rows = read_applications(path, CONTRACT).accepted.to_pylist()
    assert [row["application_id"] for row in rows] == ["1", "2"]
    assert [row["status"] for row in rows] == ["1", None]
    assert rows[0]["applied_at"] == datetime(2025, 1, 1, tzinfo=UTC)
    assert [row["defaulted"] for row in rows] == [False, True]


def test_outcomes_need_id_and_target_only(tmp_path):
    path = write(tmp_path, "x1,1,2025-05-01", "x2,,2025-05-01", "x3,0,", header="uuid,default,observed_at")
    result = read_outcomes(path, CONTRACT)
    assert result.accepted.column("application_id").to_pylist() == ["x1", "x3"]
    assert result.accepted.column("defaulted").to_pylist() == [True, False]
    assert "outcome is missing" in result.rejected.column("reason")[0].as_py()
    with pytest.raises(DataError, match="'default'"):
        read_outcomes(write(tmp_path, "x1,1", header="uuid,note"), CONTRACT)


values = st.fixed_dictionaries(
    {
        "age": st.integers(18, 120),
        "income": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "status": st.none() | st.sampled_from("123"),
        "shop": st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp")), min_size=1)
        .map(str.strip)
        .filter(lambda text: text not in {"", "NA"}),
        "group": st.sampled_from("ab"),
        "paid": st.booleans(),
    }
)


@given(rows=st.lists(values, min_size=1, max_size=8), separator=st.sampled_from(",;"))
def test_what_the_csv_module_writes_is_read_back(tmp_path_factory, rows, separator):
    path = tmp_path_factory.mktemp("round") / "file.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["uuid", *rows[0]], delimiter=separator)
        writer.writeheader()
        writer.writerows({"uuid": f"x{number}", **row} for number, row in enumerate(rows))
    result = read_applications(path, CONTRACT)
    assert result.rejected.num_rows == 0
    assert result.accepted.select(list(rows[0])).to_pylist() == rows


@given(st.binary(max_size=300))
def test_any_bytes_give_a_result_or_a_data_error(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("fuzz") / "file"
    path.write_bytes(content)
    with pytest.raises(DataError):
        read_applications(path, CONTRACT)


def test_the_uci_file_loads_whole(uci, uci_csv):
    result = read_applications(uci_csv, uci)
    assert (result.rows, result.accepted.num_rows, result.rejected.num_rows) == (30_000, 30_000, 0)
    assert result.ignored_columns == ()
    reference = pacsv.read_csv(uci_csv)
    assert result.accepted.column("limit_bal").to_pylist() == reference.column("LIMIT_BAL").to_pylist()
    assert pc.sum(result.accepted.column("defaulted")).as_py() == 6636


def test_sixty_thousand_rows_in_two_seconds(tmp_path, case):
    table = simulate(60_000, seed=5).applications
    path = write_raw_csv(table, case, tmp_path / "case.csv")
    started = time.process_time()
    result = read_applications(path, case)
    assert time.process_time() - started < 2
    assert result.accepted.equals(table)


UNFIT = {"bytes": pa.array([b"\xff\xfe"] * 2), "lists": pa.array([[1], [2]]), "structs": pa.array([{"a": 1}] * 2)}


@pytest.mark.parametrize("unfit", UNFIT.values(), ids=UNFIT.keys())
@pytest.mark.parametrize("header", ["uuid", "default", *(column.header for column in CONTRACT.columns)])
def test_a_parquet_column_of_a_type_that_cannot_hold_its_values_is_rejected_row_by_row(tmp_path, header, unfit):
    good = {"uuid": ["a", "b"], "default": [0, 1], "age": [30, 40], "income": [1.0, 2.0], "status": ["1", "2"]}
    good |= {"shop": ["x", "y"], "group": ["a", "b"], "paid": [True, False]}
    pq.write_table(pa.table(good | {header: unfit}), tmp_path / "unfit.parquet")
    result = read_applications(tmp_path / "unfit.parquet", CONTRACT)
    assert result.accepted.num_rows == 0
    assert set(result.rejected["row"].to_pylist()) == {1, 2}


def test_a_ragged_line_after_a_very_long_field_is_one_error(tmp_path):
    path = write(tmp_path, f'"{"a" * 200_000}",0,30,1.5,2,books,a,True', f"{GOOD},more")
    with pytest.raises(DataError, match=r"line \d+"):
        read_applications(path, CONTRACT)


LEVELS = parse_contract("""
name: levels
title: Levels
id: {source: uuid}
target: {source: default, required: false}
columns:
  - {name: region, kind: categorical, levels: [EU, NA], nullable: true, reason: Your region}
  - {name: shop, kind: categorical, open: true, nullable: true, reason: Your shop}
  - {name: income, kind: numeric, nullable: true, reason: Your income}
""")


def test_na_is_a_level_where_the_contract_lists_it_and_missing_elsewhere(tmp_path):
    path = write(tmp_path, "NA,NA,NA,NA", 'x2,,,""', header="uuid,region,shop,income")
    rows = read_applications(path, LEVELS).accepted.drop_columns(["applied_at"]).to_pylist()
    assert rows == [
        {"application_id": "NA", "region": "NA", "shop": None, "income": None},
        {"application_id": "x2", "region": None, "shop": None, "income": None},
    ]


@pytest.mark.parametrize("blank", ["\n", "\r\n", "\n\n", "  \n", " \t\r\n\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_blank_lines_above_the_header_shift_nothing(tmp_path, blank, mark):
    path = tmp_path / "in.csv"
    path.write_bytes(f"{mark}{blank}{HEADER}\n{GOOD}\n".encode())
    assert read_applications(path, CONTRACT).accepted["application_id"].to_pylist() == ["x1"]
    path.write_bytes(f"{mark}{blank}{HEADER}\n{GOOD}\nx2,0\n".encode())
    line = len(blank.splitlines()) + 3
    with pytest.raises(DataError, match=f"line {line}"):
        read_applications(path, CONTRACT)


@pytest.mark.parametrize("value", [2**53, 2**53 + 1, -(2**53) - 1])
@pytest.mark.parametrize("kind", [pa.int64(), pa.float64(), pa.string(), pa.decimal128(20, 0)])
def test_a_whole_number_that_float64_cannot_tell_from_its_neighbour_is_refused(tmp_path, value, kind):
    contract = parse_contract(
        "{name: n, title: N, id: {source: uuid}, target: {source: default, required: false}, "
        "columns: [{name: n, kind: integer, reason: N}]}"
    )
    given = [str(number) if kind == pa.string() else number for number in (value, value // 2)]
    pq.write_table(pa.table({"uuid": ["a", "b"], "n": pa.array(given).cast(kind, safe=False)}), tmp_path / "in.parquet")
    result = read_applications(tmp_path / "in.parquet", contract)
    assert result.accepted["n"].to_pylist() == [value // 2]
    assert "too large for a whole number" in result.rejected["reason"][0].as_py()


def test_levels_with_braces_can_be_told(tmp_path):
    contract = parse_contract(
        "{name: n, title: N, id: {source: uuid}, target: {source: default, required: false}, "
        "columns: [{name: n, kind: ordinal, levels: ['{a}', '{'], reason: N}]}"
    )
    result = read_applications(write(tmp_path, "x1,b", header="uuid,n"), contract)
    assert result.rejected["reason"].to_pylist() == ["'b' is not one of {a}, {"]


def test_levels_that_are_no_finite_number_are_refused(tmp_path):
    table = pa.table({"uuid": ["a", "b", "c"], "shop": pa.array([float("nan"), 1.0, 2e15])})
    pq.write_table(table, tmp_path / "in.parquet")
    contract = parse_contract(
        "{name: n, title: N, id: {source: uuid}, target: {source: default, required: false}, "
        "columns: [{name: shop, kind: categorical, open: true, reason: N}]}"
    )
    result = read_applications(tmp_path / "in.parquet", contract)
    assert result.accepted["shop"].to_pylist() == ["1", "2000000000000000"]
    assert result.rejected["reason"].to_pylist() == ["nan is not a finite number"]
