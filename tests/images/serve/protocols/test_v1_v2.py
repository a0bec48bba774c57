"""V1 and V2 over HTTP against the real process: right numbers, and refusals that say where and why."""

import json

import numpy as np
import pytest

V1 = "/v1/models/credit-model:predict"
V2 = "/v2/models/credit-model/infer"
DATATYPES = {"numeric": "FP64", "integer": "INT64", "boolean": "BOOL", "categorical": "BYTES", "ordinal": "BYTES"}


def rows_of(golden):
    return [g["row"] | {"application_id": g["application_id"]} for g in golden]


def test_v1_gives_the_golden_probabilities(http, golden, scorer):
    answer = http.post(V1, json={"instances": rows_of(golden), "parameters": {}}).json()
    assert answer["model_version"] == scorer.version
    assert [p["id"] for p in answer["predictions"]] == [g["application_id"] for g in golden]
    np.testing.assert_allclose([p["pd"] for p in answer["predictions"]], [g["pd"] for g in golden], rtol=0, atol=1e-12)
    for prediction in answer["predictions"]:
        assert set(prediction) == {"id", "pd", "score", "grade", "decision"}
        assert prediction["decision"] in ("approve", "refer", "decline")


def tensors(golden, contract):
    columns = [{"name": "application_id", "datatype": "BYTES", "data": [g["application_id"] for g in golden]}]
    for column in contract.features:
        data = [g["row"].get(column.name) for g in golden]
        columns.append({"name": column.name, "datatype": DATATYPES[column.kind], "data": data})
    return [c | {"shape": [len(golden)]} for c in columns]


def by_name(answer):
    return {output["name"]: output for output in answer["outputs"]}


def test_v2_gives_the_golden_probabilities(http, golden, scorer):
    body = {"id": "r-1", "inputs": list(reversed(tensors(golden, scorer.contract)))}
    answer = http.post(V2, json=body).json()
    assert (answer["id"], answer["model_name"], answer["model_version"]) == ("r-1", "credit-model", scorer.version)
    outputs = by_name(answer)
    assert set(outputs) == {"pd", "score", "grade", "decision", "id"}
    assert outputs["pd"]["datatype"] == "FP64"
    assert outputs["pd"]["shape"] == [len(golden)]
    np.testing.assert_allclose(outputs["pd"]["data"], [g["pd"] for g in golden], rtol=0, atol=1e-12)
    assert outputs["id"]["data"] == [g["application_id"] for g in golden]


def test_v2_takes_nested_columns_and_answers_the_outputs_asked_for(http, golden, scorer):
    inputs = tensors(golden, scorer.contract)
    for tensor in inputs:
        tensor |= {"shape": [len(golden), 1], "data": [[value] for value in tensor["data"]]}
    answer = http.post(V2, json={"inputs": inputs, "outputs": [{"name": "pd"}]}).json()
    assert list(by_name(answer)) == ["pd"]
    np.testing.assert_allclose(by_name(answer)["pd"]["data"], [g["pd"] for g in golden], rtol=0, atol=1e-12)


def test_v2_metadata_lists_every_column(http, scorer):
    metadata = http.get("/v2/models/credit-model").json()
    assert metadata["versions"] == [scorer.version]
    expected = {c.name: DATATYPES[c.kind] for c in scorer.contract.features}
    assert {i["name"]: i["datatype"] for i in metadata["inputs"]} == expected
    assert [i["name"] for i in metadata["inputs"]] == list(scorer.columns)


def test_health_and_metrics(http):
    assert http.get("/v1/models/credit-model").json() == {"name": "credit-model", "ready": True}
    assert http.get("/v2/health/live").status_code == 200
    assert http.get("/v2/health/ready").json() == {"ready": True}
    assert http.get("/v2/models/credit-model/ready").status_code == 200


def test_the_request_id_is_echoed_or_made(http, golden):
    body = {"instances": rows_of(golden[:1])}
    assert http.post(V1, json=body, headers={"X-Request-Id": "abc-1"}).headers["X-Request-Id"] == "abc-1"
    made = {http.post(V1, json=body).headers["X-Request-Id"] for _ in range(2)}
    assert len(made) == 2
    assert http.post(V1, content=b"{", headers={"X-Request-Id": "abc-2"}).headers["X-Request-Id"] == "abc-2"


def row(golden, **changes):
    return [golden[0]["row"] | changes]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"{", 400, "not JSON"),
        (b"\xff\xfe", 400, "not JSON"),
        (b"", 400, "not JSON"),
        (b'{"instances": [{"age": NaN}]}', 400, "not JSON"),
        (b"[]", 400, "JSON object"),
        (b"{}", 400, "instances is missing"),
        (b'{"instances": {}}', 400, "instances is not a list"),
        (b'{"instances": null}', 400, "instances is not a list"),
        (b'{"instances": []}', 400, "no applicant"),
        (b'{"instances": [3]}', 400, "instances[0] is not an object"),
        (b'{"instances": [{}], "parameters": []}', 400, "parameters"),
        (b'{"instances": [{}], "parameters": {"x": 1}}', 400, "'x' is unknown"),
        (b'{"instances": [{}], "parameters": {"explain": 1}}', 400, "true or false"),
        (b'{"instances": ["a-1"]}', 422, "online feature table"),
        (b'{"instances": [{"id": 7}]}', 422, "online feature table"),
        (b'{"instances": [{}], "inputs": []}', 400, "'inputs'"),
        (json.dumps({"instances": [{}] * 101}).encode(), 413, "at most 100"),
    ],
)
def test_v1_requests_that_are_no_request(http, body, status, words):
    answer = http.post(V1, content=body)
    assert answer.status_code == status
    assert words in answer.json()["error"]


@pytest.mark.parametrize(
    ("changes", "column", "words"),
    [
        ({"age": "old"}, "age", "not a number"),
        ({"age": True}, "age", "not a number"),
        ({"age": 10**30}, "age", "above"),
        ({"age": 41.5}, "age", "whole"),
        ({"age": [41]}, "age", "not a number"),
        ({"shoe_size": 42}, "shoe_size", "unknown column"),
        ({"has_paid": "perhaps"}, "has_paid", "not true or false"),
        ({"AGE": 41}, "age", "twice"),
    ],
)
def test_an_applicant_that_breaks_the_contract_is_named(http, golden, changes, column, words):
    good = golden[1]["row"]
    answer = http.post(V1, json={"instances": [good, golden[0]["row"] | changes]})
    assert answer.status_code == 422
    fault = answer.json()
    assert (fault["index"], fault["column"]) == (1, column)
    assert words in fault["reason"]
    assert f"column '{column}' row 1" in fault["error"]


def test_a_missing_required_column_is_named(http, golden):
    short = dict(golden[0]["row"])
    del short["age"]
    fault = http.post(V1, json={"instances": [short]}).json()
    assert (fault["column"], fault["index"]) == ("age", 0)


def tensor(**changes):
    return {"name": "age", "shape": [1], "datatype": "INT64", "data": [41]} | changes


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        (None, "inputs must be a list"),
        ([], "inputs must be a list"),
        ([3], "inputs[0]"),
        ([tensor(name=None)], "inputs[0]"),
        ([tensor(datatype="COMPLEX")], "datatype 'COMPLEX'"),
        ([tensor(shape=[2])], "needs 2 values, got 1"),
        ([tensor(shape=[-1])], "shape must be"),
        ([tensor(shape=[1, 1, 1])], "shape must be"),
        ([tensor(shape=[True])], "shape must be"),
        ([tensor(shape=[1, 0])], "no columns"),
        ([tensor(data=41)], "data must be a list"),
        ([tensor(data=[41.5])], "not INT64"),
        ([tensor(data=["41"])], "not INT64"),
        ([tensor(data=[True])], "not INT64"),
        ([tensor(), tensor()], "given twice"),
        ([tensor(), tensor(name="has_paid", shape=[2], datatype="BOOL", data=[True, False])], "as the first"),
        ([tensor(shape=[0], data=[])], "no applicant"),
        ([tensor(name="input-0", datatype="FP64", data=[1.5])], "1 columns, the model has 41"),
        ([tensor(name="input-0", shape=[1, 41], datatype="FP64", data=[[0.0] * 41])], "levels in text"),
        ([tensor(name="input-0", shape=[1, 41], datatype="INT64", data=[0] * 41)], "must be FP64"),
    ],
)
def test_v2_requests_that_are_no_request(http, inputs, words):
    answer = http.post(V2, json={"inputs": inputs})
    assert answer.status_code == 400
    assert words in answer.json()["error"]


def test_v2_refuses_what_it_would_get_wrong(http, golden, scorer):
    inputs = tensors(golden, scorer.contract)
    unknown = [*inputs, {"name": "shoe_size", "shape": [len(golden)], "datatype": "INT64", "data": [1] * len(golden)}]
    answer = http.post(V2, json={"inputs": unknown})
    assert (answer.status_code, answer.json()["column"]) == (422, "shoe_size")
    answer = http.post(V2, json={"inputs": inputs, "outputs": [{"name": "margin"}]})
    assert answer.status_code == 400


def test_v2_asked_for_reasons_alone_says_what_is_missing(http, golden):
    inputs = [{"name": "application_id", "shape": [1], "datatype": "BYTES", "data": ["a"]}]
    answer = http.post(V2, json={"inputs": inputs, "outputs": [{"name": "reasons"}]})
    assert answer.status_code == 400
    assert "explain" in answer.json()["error"]


def test_a_body_too_large_is_refused_before_it_is_read(http):
    answer = http.post(V1, content=b" " * ((16 << 20) + 1))
    assert answer.status_code == 413


def test_another_model_or_version_is_not_found(http):
    assert http.post("/v1/models/other:predict", json={"instances": []}).status_code == 404
    assert http.post("/v2/models/credit-model/versions/v9/infer", json={"inputs": []}).status_code == 404
    assert http.post("/v2/models/other/infer", json={"inputs": []}).status_code == 404
    assert http.post("/v1/models/credit-model:explain", json={"instances": []}).status_code == 404
    assert http.post("/v2/repository/models/credit-model/unload").status_code == 404
    assert http.get("/v2/models/credit-model/infer").status_code == 405
    assert http.get("/v2/health/ready").status_code == 200


def nested(depth):
    return json.loads("[" * depth + "]" * depth)


@pytest.mark.parametrize("path", [V1, V2])
@pytest.mark.parametrize("value", [nested(900), {"a": nested(300)}, "x" * 1_000_000], ids=["deep", "object", "long"])
def test_deep_or_long_values_are_refused_in_a_short_answer(http, golden, path, value):
    rows = {"instances": row(golden, age=value)}
    bodies = {V1: [rows, {"instances": row(golden, **{"x" * 1_000_000: value})}]}
    bodies[V2] = [{"inputs": [tensor(**{key: value})]} for key in ("name", "shape", "datatype", "data")]
    bodies[V2] += [{"inputs": [tensor(data=[value])]}, {"inputs": [tensor()], "outputs": [{"name": value}]}]
    for body in bodies[path]:
        answer = http.post(path, content=json.dumps(body))
        assert answer.status_code in (400, 422)
        assert len(answer.content) < 4_000


@pytest.mark.parametrize("wrong", [True, nested(900), {"a": 1}], ids=["boolean", "deep", "object"])
def test_an_id_is_text_or_a_number(http, golden, wrong):
    answer = http.post(V1, json={"instances": row(golden, application_id=wrong)})
    assert (answer.status_code, answer.json()["column"]) == (422, "application_id")
    twice = http.post(V1, json={"instances": row(golden, application_id="a", uuid="b")})
    assert "twice" in twice.json()["reason"]


def test_a_question_may_call_the_id_as_the_answer_does(http, golden):
    row = {name: value for name, value in golden[0]["row"].items() if name != "application_id"}
    (given,) = http.post(V1, json={"instances": [row | {"id": " a-17 "}]}).json()["predictions"]
    (named,) = http.post(V1, json={"instances": [row | {"application_id": "a-17"}]}).json()["predictions"]
    assert given == named
    assert given["id"] == "a-17"
    twice = http.post(V1, json={"instances": [row | {"id": "a", "application_id": "b"}]})
    assert twice.status_code == 422


def test_an_unknown_field_of_a_v2_request_is_named(http):
    answer = http.post(V2, json={"inputs": [], "paramters": {"explain": True}})
    assert answer.status_code == 400
    assert "'paramters'" in answer.json()["error"]


def test_a_head_is_answered_as_a_get_without_its_body(http):
    answer = http.head("/ping")
    assert (answer.status_code, answer.content) == (200, b"")
    assert http.head("/openapi.json").headers["content-length"] == str(len(http.get("/openapi.json").content))
