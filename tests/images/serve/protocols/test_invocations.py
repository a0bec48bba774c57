"""SageMaker's routes over HTTP against the real process: tables in and out in every pair of formats."""

import datetime as dt
import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from credit_model.simulation.simulate import simulate
from tests.images.serve.tables_written import CSV, LINES, PARQUET, as_csv, as_lines, as_parquet

COLUMNS = ["application_id", "pd", "score", "grade", "decision", "model_version", "scored_at"]


WRITE = {PARQUET: as_parquet, CSV: as_csv, LINES: as_lines}
READ = {
    PARQUET: lambda body: pq.read_table(io.BytesIO(body)).to_pylist(),
    CSV: lambda body: pyarrow.csv.read_csv(io.BytesIO(body)).to_pylist(),
    LINES: lambda body: [json.loads(line) for line in body.splitlines()],
}


def features(applications, scorer):
    return applications.select(["application_id", *scorer.columns])


@pytest.fixture(scope="module")
def expected(applications, scorer):
    return scorer.score_table(applications).to_pylist()


def invoke(http, body, content_type, **headers):
    return http.post("/invocations", content=body, headers={"Content-Type": content_type, **headers})


def test_ping(http):
    answer = http.get("/ping")
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("accept", [PARQUET, CSV, LINES])
@pytest.mark.parametrize("sent", [PARQUET, CSV, LINES])
def test_every_pair_of_formats(http, applications, scorer, expected, sent, accept):
    answer = invoke(http, WRITE[sent](features(applications, scorer)), sent, Accept=accept)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == accept
    rows = READ[accept](answer.content)
    assert list(rows[0]) == COLUMNS
    assert [r["application_id"] for r in rows] == [r["application_id"] for r in expected]
    np.testing.assert_allclose([r["pd"] for r in rows], [r["pd"] for r in expected], rtol=0, atol=1e-12)
    for key in ("score", "grade", "decision", "model_version"):
        assert [r[key] for r in rows] == [r[key] for r in expected]


def test_columns_that_are_no_features_are_left_out(http, applications, expected):
    rows = READ[PARQUET](invoke(http, as_parquet(applications), PARQUET).content)
    assert [r["pd"] for r in rows] == [r["pd"] for r in expected]


def test_the_moment_of_scoring_is_carried(http, applications):
    body = invoke(http, as_parquet(applications), PARQUET).content
    table = pq.read_table(io.BytesIO(body))
    assert table.schema.field("scored_at").type == pa.timestamp("us", tz="UTC")
    age = dt.datetime.now(dt.UTC) - table["scored_at"][0].as_py()
    assert abs(age) < dt.timedelta(minutes=1)


def test_an_empty_table_gives_an_empty_table(http, applications):
    assert READ[PARQUET](invoke(http, as_parquet(applications.slice(0, 0)), PARQUET).content) == []


def test_a_content_type_may_have_parameters_and_accept_a_wildcard(http, applications, scorer):
    answer = invoke(http, as_csv(features(applications, scorer)), "text/csv; charset=utf-8", Accept="*/*")
    assert answer.headers["Content-Type"] == CSV


@pytest.mark.parametrize(
    ("body", "content_type", "status", "words"),
    [
        (b"PAR1", PARQUET, 400, "not Parquet"),
        (b"", PARQUET, 400, "not Parquet"),
        (b"1,2,3\n4,5,6\n", CSV, 400, "header"),
        (b"\xff\xfe,\n", CSV, 400, "UTF-8"),
        (b"", CSV, 400, "header"),
        (b"age,has_paid\n1,2,3\n", CSV, 400, "does not name 'account_amount_added_12_24m'"),
        (b"age,has_paid\n1,2,3\n", "text/csv; header=present", 400, "not CSV"),
        (b'"' + b"a" * 200_000 + b'"\n', CSV, 400, "header cannot be read"),
        (b"{}\n{", LINES, 400, "line 2 is not one JSON object"),
        (b"[]", LINES, 400, "line 1 is not an object"),
        (b"x", "image/png", 415, "image/png"),
        (b"x", "", 415, "send one of"),
    ],
)
def test_bodies_that_cannot_be_read(http, body, content_type, status, words):
    answer = invoke(http, body, content_type)
    assert answer.status_code == status
    assert words in answer.json()["error"]


def test_a_type_that_cannot_be_given(http, applications):
    assert invoke(http, as_parquet(applications), PARQUET, Accept="image/png").status_code == 406


@pytest.mark.parametrize("sent", [PARQUET, CSV, LINES])
def test_a_row_that_breaks_the_contract_is_named(http, applications, scorer, sent):
    table = features(applications, scorer)
    ages = table["age"].to_pylist()
    ages[17] = 999
    table = table.set_column(table.column_names.index("age"), "age", pa.array(ages))
    answer = invoke(http, WRITE[sent](table), sent)
    assert answer.status_code == 422
    assert (answer.json()["index"], answer.json()["column"]) == (17, "age")


def test_a_missing_column_is_named(http, applications):
    answer = invoke(http, as_parquet(applications.drop_columns(["age"])), PARQUET)
    assert answer.status_code == 422
    assert answer.json()["column"] == "age"


@pytest.mark.parametrize("name", ["application_id", "age", "has_paid", "merchant_category", "account_status"])
@pytest.mark.parametrize(
    "unfit",
    [pa.array([b"\xff"] * 3), pa.array([[1]] * 3), pa.array([{"a": 1}] * 3), pa.array([b"\xff"] * 3).view(pa.string())],
    ids=["bytes", "lists", "structs", "text that is not UTF-8"],
)
def test_a_column_of_a_type_that_cannot_hold_its_values_is_refused(http, applications, scorer, name, unfit):
    table = features(applications, scorer).slice(0, 3)
    body = as_parquet(table.set_column(table.column_names.index(name), name, unfit))
    answer = invoke(http, body, PARQUET)
    assert answer.status_code in (400, 422)
    assert answer.json()["error"]


def test_lines_of_a_csv_may_end_in_any_way(http, applications, scorer, expected):
    body = as_csv(features(applications, scorer).slice(0, 3))
    for ending in (b"\r\n", b"\r"):
        answer = invoke(http, body.replace(b"\n", ending), CSV, Accept=LINES)
        assert [row["pd"] for row in READ[LINES](answer.content)] == [row["pd"] for row in expected[:3]]


def without_header(table, scorer):
    """The id and the features in contract order, and nothing that says so."""
    return as_csv(table.select(["application_id", *scorer.columns])).split(b"\n", 1)[1]


@pytest.mark.parametrize("content_type", [CSV, "text/csv; header=absent"])
def test_a_csv_without_header_is_in_contract_order(http, applications, scorer, expected, content_type):
    answer = invoke(http, without_header(applications, scorer), content_type)
    assert answer.status_code == 200, answer.text
    lines = answer.text.splitlines()
    assert len(lines) == len(expected)
    assert [float(line.split(",")[1]) for line in lines] == [row["pd"] for row in expected]
    assert lines[0].split(",")[0].strip('"') == expected[0]["application_id"]


def test_a_csv_of_features_alone_has_no_ids(http, applications, scorer, expected):
    body = as_csv(applications.select(scorer.columns)).split(b"\n", 1)[1]
    rows = READ[LINES](invoke(http, body, CSV, Accept=LINES).content)
    assert [row["pd"] for row in rows] == [row["pd"] for row in expected]
    assert {row["application_id"] for row in rows} == {None}


def test_the_answer_has_a_header_where_asked(http, applications, scorer):
    bare, headed = without_header(applications, scorer), as_csv(features(applications, scorer))
    assert invoke(http, bare, CSV, Accept="text/csv; header=present").text.startswith('"application_id"')
    assert invoke(http, headed, CSV).text.startswith('"application_id"')
    assert not invoke(http, headed, CSV, Accept="text/csv;header=absent").text.startswith('"application_id"')


def test_a_wrong_parameter_is_told(http, applications, scorer):
    answer = invoke(http, as_csv(features(applications, scorer)), "text/csv; header=maybe")
    assert (answer.status_code, "header=maybe" in answer.json()["error"]) == (400, True)


@pytest.mark.parametrize("accept", [PARQUET, CSV, LINES])
def test_reason_codes_on_demand(http, applications, scorer, accept):
    wanted = scorer.score_table(applications, reasons=True)["reasons"].to_pylist()
    assert any(wanted)
    rows = READ[accept](invoke(http, as_parquet(applications), PARQUET, Accept=f"{accept}; reasons=true").content)
    told = ["|".join(codes) for codes in wanted] if accept == CSV else wanted
    assert [row["reasons"] for row in rows] == told
    assert list(rows[0]) == [*COLUMNS[:-1], "reasons", COLUMNS[-1]]


@pytest.mark.parametrize("sent", [PARQUET, CSV, LINES])
def test_a_fault_in_a_later_block_is_told_by_its_row(http, scorer, sent):
    table = features(simulate(20_000, months=1, seed=9).applications, scorer)
    ages = table["age"].to_pylist()
    ages[19_000] = 999
    spoilt = table.set_column(table.column_names.index("age"), "age", pa.array(ages))
    answer = invoke(http, WRITE[sent](spoilt), sent)
    assert answer.status_code == 422
    assert (answer.json()["index"], answer.json()["column"]) == (19_000, "age")


@pytest.mark.parametrize("sent", [PARQUET, CSV, LINES])
def test_many_blocks_are_answered_in_order(http, scorer, sent):
    table = features(simulate(20_000, months=1, seed=9).applications, scorer)
    found = pq.read_table(io.BytesIO(invoke(http, WRITE[sent](table), sent, Accept=PARQUET).content))
    expected = scorer.score_table(table)
    assert found["application_id"].to_pylist() == table["application_id"].to_pylist()
    assert found["pd"].to_pylist() == expected["pd"].to_pylist()


def test_json_lines_may_write_values_in_every_legal_way(http, applications, scorer, expected):
    lines = [json.loads(line) for line in as_lines(features(applications, scorer)).splitlines()][:3]
    lines[0]["age"] = float(lines[0]["age"])
    lines[1] = {name.upper(): value for name, value in lines[1].items()}
    lines[2]["account_status"] = int(lines[2]["account_status"] or 1)
    body = b"\n\n".join(json.dumps(line).encode() for line in lines)
    rows = READ[LINES](invoke(http, body, LINES).content)
    assert [row["pd"] for row in rows][:2] == [row["pd"] for row in expected[:2]]
    assert rows[2]["application_id"] == expected[2]["application_id"]


def test_a_broken_line_is_told_by_its_number(http, applications, scorer):
    body = as_lines(features(simulate(20_000, months=1, seed=9).applications, scorer)) + b"\n{"
    answer = invoke(http, body, LINES)
    assert (answer.status_code, answer.json()["index"]) == (400, 20_000)


def test_a_table_that_unpacks_to_too_much_is_refused(http):
    sink = io.BytesIO()
    pq.write_table(pa.table({"age": pa.array(np.full(2_000_001, 30))}), sink)
    assert len(sink.getvalue()) < 100_000
    answer = invoke(http, sink.getvalue(), PARQUET)
    assert (answer.status_code, "2000000 rows" in answer.json()["error"]) == (413, True)


def test_sagemaker_is_told_what_suits(http):
    told = http.get("/execution-parameters").json()
    assert told == {"MaxConcurrentTransforms": 1, "BatchStrategy": "MULTI_RECORD", "MaxPayloadInMB": 100}
