"""The demo splits a user's file into two readable parts, whatever its name and content."""

import gzip

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from sandbox.demo_files import DemoFileError, check_file, split_file

TABLE = pa.table({"id": [str(n) for n in range(50)], "note": [f'says "{n}"\nand\r\nmore, {n}' for n in range(50)]})
OPTIONS = pyarrow.csv.ParseOptions(newlines_in_values=True)


def read(path):
    table = pyarrow.csv.read_csv(path, parse_options=OPTIONS)
    return table.set_column(0, "id", table["id"].cast(pa.string()))


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_csv_is_split_between_rows_even_with_line_breaks_in_fields(tmp_path, pack):
    pyarrow.csv.write_csv(TABLE, tmp_path / "plain.csv")
    path = tmp_path / "file.csv"
    path.write_bytes(pack((tmp_path / "plain.csv").read_bytes()))
    files = split_file(path, "case", tmp_path / "files")
    parts = [read(files.first), read(files.second)]
    assert pa.concat_tables(parts).equals(TABLE)
    assert parts[0].num_rows >= 40


@pytest.mark.parametrize("name", ["file.parquet", "file.pq", "file"])
def test_parquet_is_recognised_by_its_content(tmp_path, name):
    pq.write_table(TABLE, tmp_path / name)
    files = split_file(tmp_path / name, "case", tmp_path / "files")
    assert pa.concat_tables([pq.read_table(files.first), pq.read_table(files.second)]).equals(TABLE)


@pytest.mark.parametrize("content", [b"", b"id,note\n", b"PAR1 but cut off", b"\x1f\x8b\x08 but cut off"])
def test_a_file_that_cannot_be_split_is_left_to_ingest(tmp_path, content):
    path = tmp_path / "file.csv"
    path.write_bytes(content)
    files = split_file(path, "case", tmp_path / "files")
    assert (files.first, files.second) == (path, None)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(DemoFileError, match="is not a file"):
        check_file(tmp_path / "none.csv", "case")


@pytest.mark.integration
def test_a_file_that_does_not_match_the_contract_is_refused_with_the_reason(tmp_path):
    path = tmp_path / "file.csv"
    path.write_text("id,note\n1,x\n")
    with pytest.raises(DemoFileError, match=r"file.csv: missing .* columns"):
        check_file(path, "case")
