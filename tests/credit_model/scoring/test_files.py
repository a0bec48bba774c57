"""Files of applicants are scored as a stream: every row once, in order, bad ones reported, output whole or absent."""

import gzip
import os
import subprocess
import sys

import lightgbm as lgb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from credit_model.contract.contract import load_contract
from credit_model.errors import DataError
from credit_model.scoring.files import score_files
from credit_model.simulation.simulate import simulate, write_raw_csv

pytestmark = pytest.mark.slow

ROWS = 20_000


@pytest.fixture(scope="module")
def table(scorer):
    return simulate(ROWS, months=2, seed=5).applications.select(["application_id", *scorer.columns])


@pytest.fixture(scope="module")
def inputs(table, tmp_path_factory):
    """The same applicants as CSV with comma and semicolon, gzipped, and as Parquet."""
    folder = tmp_path_factory.mktemp("inputs")
    pacsv.write_csv(table, folder / "comma.csv")
    write_raw_csv(table, load_contract("case"), folder / "raw.csv")
    write_raw_csv(table, load_contract("case"), folder / "raw.csv.gz")
    pq.write_table(table, folder / "typed.parquet", row_group_size=3000)
    return folder


@pytest.fixture(scope="module")
def expected(bundle, table):
    """PDs by LightGBM's own package, from codes worked out with plain dictionaries."""
    document, columns = bundle.document, []
    for name in document.features:
        levels = document.levels.get(name) or bundle.contract.column(name).levels
        codes = {level: float(code) for code, level in enumerate(levels)}
        values = table.column(name).to_pylist()
        columns.append([np.nan if v is None else codes.get(v, np.nan) if levels else float(v) for v in values])
    margins = lgb.Booster(model_str=bundle.model_text).predict(np.array(columns).T, raw_score=True)
    return document.calibration.pds(margins)


@pytest.mark.parametrize("name", ["comma.csv", "raw.csv", "raw.csv.gz", "typed.parquet"])
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_every_row_gets_lightgbms_pd_in_order(scorer, table, inputs, expected, tmp_path, name, ending):
    target = tmp_path / f"scores.{ending}"
    shares = []
    done = score_files(scorer, inputs / name, target, progress=lambda share, rows: shares.append((share, rows)))
    assert (done.rows, done.rejected) == (ROWS, 0)
    scores = pacsv.read_csv(target) if ending == "csv" else pq.read_table(target)
    assert scores["application_id"].to_pylist() == table["application_id"].to_pylist()
    assert np.abs(scores["pd"].to_numpy() - expected).max() < 1e-12
    assert shares == sorted(shares)
    assert shares[-1] == (1.0, ROWS)
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


def test_a_folder_is_scored_file_by_file(scorer, table, inputs, tmp_path):
    folder = tmp_path / "in"
    (folder / "more").mkdir(parents=True)
    pacsv.write_csv(table.slice(0, 100), folder / "a.csv")
    pq.write_table(table.slice(100, 100), folder / "more" / "b.parquet")
    (folder / "readme.txt").write_text("not a table")
    done = score_files(scorer, folder, tmp_path / "scores.parquet")
    assert done.rows == 200
    assert [path.name for path in done.passed_over] == ["readme.txt"]
    ids = pq.read_table(tmp_path / "scores.parquet")["application_id"].to_pylist()
    assert ids == table["application_id"].slice(0, 200).to_pylist()


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_bad_rows_are_left_out_and_reported(scorer, table, tmp_path, ending):
    bad = {10_000: 203, 19_999: -1}
    ages = [bad.get(row, age) for row, age in enumerate(table["age"].to_pylist())]
    ids = [None if row == 17 else key for row, key in enumerate(table["application_id"].to_pylist())]
    names = table.column_names
    spoilt = table.set_column(names.index("age"), "age", pa.array(ages)).set_column(0, "application_id", pa.array(ids))
    source = tmp_path / f"in.{ending}"
    (pacsv.write_csv if ending == "csv" else pq.write_table)(spoilt, source)
    done = score_files(scorer, source, tmp_path / "out.parquet", rejected=tmp_path / "bad.csv")
    assert (done.rows, done.rejected) == (ROWS - 3, 3)
    faults = pacsv.read_csv(tmp_path / "bad.csv").to_pylist()
    assert [(fault["row"], fault["column"]) for fault in faults] == [
        (18, "application_id"),
        (10_001, "age"),
        (20_000, "age"),
    ]
    assert "203 is above 120" in faults[1]["reason"]
    assert {fault["file"] for fault in faults} == {str(source)}
    kept = pq.read_table(tmp_path / "out.parquet")
    clean = scorer.score_table(table.take(pa.array(sorted(set(range(ROWS)) - {17, *bad}))))
    assert kept["pd"].to_pylist() == clean["pd"].to_pylist()


def test_a_fault_in_one_of_many_blocks_is_reported_once(scorer, table, tmp_path):
    ages = [203 if row == 5 else age for row, age in enumerate(table["age"].to_pylist())]
    spoilt = table.set_column(table.column_names.index("age"), "age", pa.array(ages))
    pq.write_table(spoilt, tmp_path / "in.parquet")
    score_files(scorer, tmp_path / "in.parquet", tmp_path / "out.csv", rejected=tmp_path / "bad.csv")
    assert pacsv.read_csv(tmp_path / "bad.csv")["row"].to_pylist() == [6]


def test_a_file_without_a_good_row_gives_a_header_alone(scorer, table, tmp_path):
    few = table.slice(0, 3)
    ages = pa.array([203, 203, 203])
    pq.write_table(few.set_column(table.column_names.index("age"), "age", ages), tmp_path / "in.parquet")
    assert score_files(scorer, tmp_path / "in.parquet", tmp_path / "out.csv").rejected == 3
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 1


def test_legal_spellings_that_only_text_can_hold_are_read(scorer, table, tmp_path):
    lines = tmp_path / "in.csv"
    text = table.slice(0, 3000)
    ages = pc.binary_join_element_wise("+", text["age"].cast(pa.string()), "")
    pacsv.write_csv(text.set_column(text.column_names.index("age"), "age", ages), lines)
    score_files(scorer, lines, tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet")["pd"].to_pylist() == scorer.score_table(text)["pd"].to_pylist()


def test_reasons_are_the_librarys(scorer, table, inputs, tmp_path):
    few = tmp_path / "few.parquet"
    pq.write_table(table.slice(0, 500), few)
    wanted = scorer.score_table(table.slice(0, 500), reasons=True)["reasons"].to_pylist()
    assert any(wanted)
    for name in ("out.csv", "out.parquet"):
        score_files(scorer, few, tmp_path / name, reasons=True)
    assert pq.read_table(tmp_path / "out.parquet")["reasons"].to_pylist() == wanted
    written = pacsv.read_csv(tmp_path / "out.csv", convert_options=pacsv.ConvertOptions(strings_can_be_null=False))
    assert written["reasons"].to_pylist() == ["|".join(codes) for codes in wanted]


def damaged(table, path):
    pq.write_table(table, path, row_group_size=3000)
    path.write_bytes(path.read_bytes()[:-2000])


def cut_off(table, path):
    sink = pa.BufferOutputStream()
    pacsv.write_csv(table, sink)
    path.write_bytes(gzip.compress(sink.getvalue())[:-2000])


def ragged(table, path):
    pacsv.write_csv(table, path)
    lines = path.read_text().splitlines()
    lines[15_000] += ",1"
    path.write_text("\n".join(lines))


@pytest.mark.parametrize(
    ("name", "spoil", "words"),
    [
        ("in.parquet", damaged, "damaged"),
        ("in.csv.gz", cut_off, "cut off"),
        ("in.csv", ragged, "line 15001"),
        (
            "in.csv",
            lambda table, path: pacsv.write_csv(table.drop_columns(["age", "has_paid"]), path),
            "'age' and 1 more",
        ),
        ("in.csv", lambda table, path: path.write_text("a,b\n1,2\n"), "'application_id'"),
        ("in.csv", lambda table, path: path.write_text(""), "empty"),
    ],
)
def test_an_input_that_cannot_be_used_leaves_the_old_output(scorer, table, tmp_path, name, spoil, words):
    spoil(table, tmp_path / name)
    (tmp_path / "out.parquet").write_text("old")
    with pytest.raises(DataError, match=words):
        score_files(scorer, tmp_path / name, tmp_path / "out.parquet")
    assert (tmp_path / "out.parquet").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.integration
def test_what_a_killed_process_left_is_removed_by_the_next(scorer, inputs, tmp_path):
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    living = tmp_path / f".out.csv.{os.getppid()}.part"
    for path in (tmp_path / f".out.csv.{gone.pid}.part", tmp_path / f".other.csv.{gone.pid}.part", living):
        path.write_text("half")
    score_files(scorer, inputs / "typed.parquet", tmp_path / "out.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [f".other.csv.{gone.pid}.part", living.name, "out.csv"]
    )


@pytest.mark.integration
def test_memory_does_not_grow_with_the_rows(bundle, table, tmp_path):
    bundle.save(tmp_path / "model")
    for name, times in (("few", 3), ("many", 60)):
        with pq.ParquetWriter(tmp_path / f"{name}.parquet", table.schema) as writer:
            for _ in range(times):
                writer.write_table(table)
    program = """
import resource, sys
from credit_model.cli.main import main
assert main(["score", "--bundle", sys.argv[1], "--input", sys.argv[2], "--output", sys.argv[3]]) == 0
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    peaks = []
    for name in ("few", "many"):
        command = [sys.executable, "-c", program, tmp_path / "model", tmp_path / f"{name}.parquet", tmp_path / "o.csv"]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout.split()[-1]))
    assert peaks[1] <= 1.2 * peaks[0]


def test_what_is_read_or_written_already_is_not_written_over(scorer, portfolio, tmp_path):
    source = tmp_path / "in.parquet"
    pq.write_table(portfolio.holdout.slice(0, 5), source)
    before = source.read_bytes()
    with pytest.raises(DataError, match="is also read or written by this run"):
        score_files(scorer, source, source)
    with pytest.raises(DataError, match="is also read or written by this run"):
        score_files(scorer, source, tmp_path / "out.csv", rejected=tmp_path / "out.csv")
    assert source.read_bytes() == before
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize(
    "strange",
    [
        pa.array([2_000_000_000] * 5, pa.int32()).cast(pa.date32()),
        pa.array([9 * 10**18] * 5, pa.int64()).cast(pa.timestamp("us")),
        pa.array([0] * 5, pa.int64()).cast(pa.timestamp("ms")).cast(pa.timestamp("ms", tz="UTC")),
        pa.array(["1"] * 5, pa.string_view()),
    ],
)
def test_values_python_has_no_name_for_are_reported_like_others(scorer, portfolio, tmp_path, strange):
    table = portfolio.holdout.slice(0, 5)
    pq.write_table(table.set_column(table.column_names.index("age"), "age", strange), tmp_path / "in.parquet")
    found = score_files(scorer, tmp_path / "in.parquet", tmp_path / "out.csv")
    assert (found.rows, found.rejected) == (0, 5)
    assert set(found.examples.column("column").to_pylist()) == {"age"}


@pytest.mark.parametrize("blank", [b"\n", b"\r\n \n", b"\xef\xbb\xbf\n\n"])
@pytest.mark.parametrize("packed", [False, True])
def test_blank_lines_above_the_header_shift_nothing(scorer, table, tmp_path, blank, packed):
    sink = pa.BufferOutputStream()
    few = table.slice(0, 50)
    pacsv.write_csv(few, sink)
    body = blank + sink.getvalue().to_pybytes()
    source = tmp_path / ("in.csv.gz" if packed else "in.csv")
    source.write_bytes(gzip.compress(body) if packed else body)
    assert score_files(scorer, source, tmp_path / "out.parquet").rejected == 0
    found = pq.read_table(tmp_path / "out.parquet")
    assert found["application_id"].to_pylist() == few["application_id"].to_pylist()
    assert found["pd"].to_pylist() == scorer.score_table(few)["pd"].to_pylist()
