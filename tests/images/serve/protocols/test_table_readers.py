"""What a batch body means does not depend on its format, nor on how it happens to be read."""

import asyncio
import io
from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from credit_model.bundle.bundle import Bundle
from credit_model.errors import InputError
from credit_model.parallel import cores
from credit_model.scoring.scorer import Scorer
from images.serve.errors import NotAcceptableError, RequestError, UnsupportedTypeError
from images.serve.metrics import Metrics
from images.serve.protocols import invocations
from tests.images.serve.tables_written import CSV, LINES, PARQUET, as_csv, as_lines, as_parquet

KINDS = [PARQUET, CSV, LINES]


def as_odd_lines(table):
    """Legal in every line, and with a blank between, so that it is read line by line."""
    return as_lines(table).replace(b"\n", b"\n\n")


WRITE = {PARQUET: as_parquet, CSV: as_csv, LINES: as_lines}
EVERY_WAY = [(PARQUET, as_parquet), (CSV, as_csv), (LINES, as_lines), (LINES, as_odd_lines)]


@pytest.fixture(scope="module")
def table(applications, scorer):
    return applications.select(["application_id", *scorer.columns])


def spoilt(table, **columns):
    """The table with other values in some rows of some columns."""
    for name, changes in columns.items():
        values = [changes.get(row, value) for row, value in enumerate(table[name].to_pylist())]
        table = table.set_column(table.column_names.index(name), name, pa.array(values))
    return table


def answer(body, scorer, kind, accept=PARQUET):
    return invocations.answer(body, scorer, content_type=kind, accept=accept)


def scores(body, scorer, kind):
    return pq.read_table(io.BytesIO(answer(body, scorer, kind).body))


@pytest.mark.parametrize(("kind", "write"), EVERY_WAY)
def test_ids_come_out_the_same(scorer, table, kind, write):
    spellings = ["NA", " a ", "1.0", "007", "", "123456789012345678901234567890"]
    body = write(table.slice(0, 6).set_column(0, "application_id", pa.array(spellings)))
    found = scores(body, scorer, kind)["application_id"].to_pylist()
    assert found == ["NA", "a", "1", "007", None, "123456789012345678901234567890"]


@pytest.mark.parametrize("ids", [[True, False], [1.5, 2.0], [float("nan"), 1.0], [[1], [2]]])
def test_ids_that_are_none_are_refused(scorer, table, ids):
    body = as_parquet(table.slice(0, 2).set_column(0, "application_id", pa.array(ids)))
    with pytest.raises(InputError, match="send text or a whole number") as caught:
        answer(body, scorer, PARQUET)
    assert (caught.value.index, caught.value.column) == (0, "application_id")


@pytest.mark.parametrize(("kind", "write"), EVERY_WAY)
def test_unknown_levels_are_counted_the_same(scorer, table, kind, write):
    unknown = {"merchant_group": {3: "new", 7: "newer"}, "merchant_category": {4: "x"}, "name_in_email": {9: "y"}}
    found = answer(write(spoilt(table, **unknown)), scorer, kind)
    assert found.unknown == {name: len(rows) for name, rows in unknown.items()}
    assert found.rows == table.num_rows


def test_no_count_is_lost_where_many_count_at_once(bundle_folder, table):
    """As the server does it: bodies in threads, single applicants in the event loop."""
    scorer = Scorer(Bundle.load(bundle_folder))
    body = as_parquet(spoilt(table, merchant_group=dict.fromkeys(range(300), "new")))
    [row] = spoilt(table.slice(0, 1), merchant_group={0: "new"}).to_pylist()

    metrics = Metrics(scorer.features, version=scorer.version, unknown=scorer.reader.unknown)

    async def batch():
        found = await asyncio.to_thread(invocations.answer, body, scorer, content_type=PARQUET, accept="")
        metrics.add_table(found.rows, found.unknown)

    async def all_at_once():
        jobs = [asyncio.create_task(batch()) for _ in range(20)]
        singles = 0
        while not all(job.done() for job in jobs):
            scorer.score_one(row)
            singles += 1
            await asyncio.sleep(0)
        return singles

    singles = asyncio.run(all_at_once())
    assert singles > 20
    assert +scorer.reader.unknown == Counter({"merchant_group": 20 * 300 + singles})


def test_metrics_show_unknown_levels_of_batches(http, table):
    def counted():
        lines = http.get("/metrics").text.splitlines()
        return next(float(line.split()[1]) for line in lines if 'unknown_levels_total{column="merchant_group"}' in line)

    before = counted()
    for kind, write in EVERY_WAY:
        body = write(spoilt(table, merchant_group={0: "new"}))
        assert http.post("/invocations", content=body, headers={"Content-Type": kind}).status_code == 200
    assert counted() == before + len(EVERY_WAY)


@pytest.fixture(scope="module")
def knows_na(bundle_folder):
    """A model that has learnt NA as one of the merchant categories."""
    bundle = Bundle.load(bundle_folder)
    learnt = bundle.document.levels["merchant_category"]
    levels = {**bundle.document.levels, "merchant_category": ("NA", *learnt[1:])}
    known = Scorer(replace(bundle, document=bundle.document.model_copy(update={"levels": levels})))
    return known, Scorer(bundle), learnt[0]


@pytest.mark.parametrize(("kind", "write"), EVERY_WAY)
def test_na_is_a_level_where_the_model_has_learnt_it(knows_na, table, kind, write):
    known, plain, first = knows_na
    few = table.slice(0, 20)
    named = spoilt(few, merchant_category=dict.fromkeys(range(20), first))
    found = answer(write(spoilt(few, merchant_category=dict.fromkeys(range(20), "NA"))), known, kind)
    assert found.unknown == {}
    pds = pq.read_table(io.BytesIO(found.body))["pd"].to_pylist()
    assert pds == plain.score_table(named)["pd"].to_pylist()


def test_na_is_a_missing_value_of_a_csv_elsewhere(scorer, table):
    with pytest.raises(InputError, match="a value is missing") as caught:
        answer(as_csv(spoilt(table, merchant_category={5: "NA"})), scorer, CSV)
    assert (caught.value.index, caught.value.column) == (5, "merchant_category")
    assert answer(as_parquet(spoilt(table, merchant_category={5: "NA"})), scorer, PARQUET).unknown == {
        "merchant_category": 1
    }


def test_missing_values_of_a_csv_may_be_written_na(scorer, table):
    lines = as_csv(table).split(b"\n")
    body = b"\n".join(line.replace(b",,", b",NA,").replace(b",,", b",NA,") for line in lines)
    assert body.count(b",NA,") > 100
    assert scores(body, scorer, CSV)["pd"].to_pylist() == scorer.score_table(table)["pd"].to_pylist()


@pytest.mark.parametrize("value", [2**53, 2**53 + 1])
@pytest.mark.parametrize("name", ["sum_paid_inv_0_12m", "num_unpaid_bills"])
@pytest.mark.parametrize(("kind", "write"), [*EVERY_WAY, (CSV, lambda table: as_csv(table).replace(b",9", b",+9"))])
def test_whole_numbers_that_are_not_exact_are_refused(scorer, table, kind, write, name, value):
    column = scorer.contract.column(name)
    assert (column.kind, column.max) == ("integer", None)
    with pytest.raises(InputError, match="too large for a whole number") as caught:
        answer(write(spoilt(table.slice(0, 5), **{name: {2: value}})), scorer, kind)
    assert (caught.value.index, caught.value.column) == (2, name)
    assert answer(write(spoilt(table.slice(0, 5), **{name: {2: 2**53 - 1}})), scorer, kind).rows == 5


@pytest.mark.parametrize(
    ("spoil", "line", "index"),
    [
        (lambda lines: [b"", lines[0], b" \t", b"", lines[1], b"{"], 6, 2),
        (lambda lines: [lines[0], lines[1] + lines[2]], 2, 1),
        (lambda lines: [lines[0] + b" " + lines[1]], 1, 0),
        (lambda lines: [b"", lines[0], lines[1].replace(b",", b",\n", 1), lines[2] + lines[3]], 3, 1),
        (lambda lines: [lines[0], lines[1] + b",", lines[2]], 2, 1),
        (lambda lines: [lines[0], b"", b"[" + lines[1] + b"]"], 3, 1),
    ],
    ids=["blank lines", "two on a line", "two on one line", "one over two lines", "a comma", "a list"],
)
@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
def test_a_line_that_is_not_one_object_is_told_by_its_number(scorer, table, spoil, line, index, ending):
    body = ending.join(spoil(as_lines(table.slice(0, 4)).split(b"\n")))
    with pytest.raises(RequestError, match=f"line {line} is not") as caught:
        answer(body, scorer, LINES)
    assert caught.value.where == {"index": index}


def test_a_bad_line_far_down_is_told_by_its_number(scorer, table):
    """Beyond the first piece, with blank lines before."""
    lines = as_lines(table)
    times = (3 << 20) // len(lines)
    body = (lines + b"\n\n") * times + b"{"
    with pytest.raises(RequestError, match=f"line {(table.num_rows + 1) * times + 1} is not") as caught:
        answer(body, scorer, LINES)
    assert caught.value.where == {"index": table.num_rows * times}


@pytest.mark.parametrize("blank", [b"\n", b"\r\n", b" \n\t\n\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("header", ["", "; header=present", "; header=absent"])
def test_blank_first_lines_shift_nothing(scorer, table, blank, mark, header):
    body = as_csv(table) if "absent" not in header else as_csv(table).split(b"\n", 1)[1]
    found = scores(mark + blank + body, scorer, CSV + header)
    assert found["application_id"].to_pylist() == table["application_id"].to_pylist()
    assert found["pd"].to_pylist() == scorer.score_table(table)["pd"].to_pylist()


def test_blank_lines_before_a_header_alone(scorer, table):
    assert answer(b"\n\n" + as_csv(table.slice(0, 0)), scorer, CSV).rows == 0


def test_a_columns_name_among_the_values_makes_no_header(scorer, table):
    named = spoilt(table, merchant_group={0: "age"}, application_id={0: "has_paid"})
    found = scores(as_csv(named).split(b"\n", 1)[1], scorer, CSV)
    assert found["application_id"].to_pylist()[0] == "has_paid"
    assert found["pd"].to_pylist() == scorer.score_table(named)["pd"].to_pylist()


def test_a_header_need_not_name_what_may_be_missing(scorer, table):
    optional = [column.name for column in scorer.contract.features if column.nullable]
    assert optional
    fewer = table.drop_columns(optional)
    assert scores(as_csv(fewer), scorer, CSV)["pd"].to_pylist() == scorer.score_table(fewer)["pd"].to_pylist()


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", CSV),
        ("*/*", CSV),
        ("text/csv;q=0, application/x-parquet", PARQUET),
        ("text/csv;q=0, */*", PARQUET),
        ("*/*, text/csv; q=0.000", PARQUET),
        ("application/jsonlines;q=0.5, application/x-parquet;q=0.9", PARQUET),
        ("application/jsonlines, application/x-parquet", LINES),
        ("image/png, application/jsonlines;q=0.1", LINES),
        ("application/*", PARQUET),
        ("text/*", CSV),
        ("text/csv; charset=utf-16, application/jsonlines;q=0.1", LINES),
        ("text/csv; charset=UTF-8", CSV),
        ("APPLICATION/X-JSONLINES", LINES),
    ],
)
def test_the_type_is_one_the_client_takes(scorer, table, accept, kind):
    assert answer(as_csv(table.slice(0, 3)), scorer, CSV, accept).content_type == kind


@pytest.mark.parametrize("accept", ["text/csv;q=0", "*/*;q=0", "image/*", "text/csv; charset=utf-16"])
def test_a_type_that_the_client_does_not_take_is_not_given(scorer, table, accept):
    with pytest.raises(NotAcceptableError):
        answer(as_csv(table.slice(0, 3)), scorer, CSV, accept)


def test_a_weight_that_is_none_is_told(scorer, table):
    for weight in ("1.5", "-1", "nan", "much"):
        with pytest.raises(RequestError, match=f"q={weight}"):
            answer(as_csv(table.slice(0, 3)), scorer, CSV, f"text/csv;q={weight}")


@pytest.mark.parametrize("charset", ["utf-8", "UTF8", "u8", '"utf-8"', "us-ascii", "ASCII", "utf-8-sig"])
def test_utf8_by_any_name_is_read(scorer, table, charset):
    assert answer(as_csv(table.slice(0, 3)), scorer, f"text/csv; charset={charset}").rows == 3


@pytest.mark.parametrize("charset", ["utf-16", "latin-1", "rot13", "no-such-thing", "a\0b"])
@pytest.mark.parametrize("kind", [CSV, LINES])
def test_another_charset_is_refused_by_name(scorer, table, kind, charset):
    with pytest.raises(UnsupportedTypeError, match="charset") as caught:
        answer(WRITE[kind](table.slice(0, 3)), scorer, f"{kind}; charset={charset}")
    assert (caught.value.status, repr(charset) in str(caught.value)) == (415, True)


def test_a_body_that_is_refused_makes_room_for_the_next(scorer, table):
    for _ in range(cores() + 1):
        with pytest.raises(RequestError):
            answer(b"PAR1", scorer, PARQUET)
    assert answer(as_parquet(table), scorer, PARQUET).rows == table.num_rows


def test_levels_in_numbers_and_dictionaries_are_counted(scorer, table):
    groups = pa.array([None if pc.is_null(v).as_py() else v.as_py() for v in table["merchant_group"]])
    encoded = table.set_column(table.column_names.index("merchant_group"), "merchant_group", groups.dictionary_encode())
    assert answer(as_parquet(encoded), scorer, PARQUET).unknown == {}
    numbers = pa.array(np.arange(table.num_rows))
    strange = table.set_column(table.column_names.index("merchant_group"), "merchant_group", numbers)
    assert answer(as_parquet(strange), scorer, PARQUET).unknown == {"merchant_group": table.num_rows}


@pytest.mark.parametrize(("kind", "write"), [(PARQUET, as_parquet), (CSV, as_csv), (LINES, as_lines)])
def test_a_table_may_call_the_id_as_online_answers_do(scorer, table, kind, write):
    renamed = table.rename_columns(["Id" if name == "application_id" else name for name in table.column_names])
    found, expected = (scores(write(one), scorer, kind).drop_columns("scored_at") for one in (renamed, table))
    assert found == expected
