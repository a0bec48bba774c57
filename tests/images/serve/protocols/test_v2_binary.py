"""The V2 binary extension and reasons, with bytes written by NumPy after the protocol's text."""

import json
import struct

import numpy as np
import pytest

V1 = "/v1/models/credit-model:predict"
V2 = "/v2/models/credit-model/infer"
KINDS = {"numeric": ("FP64", "<f8"), "integer": ("INT64", "<i8"), "boolean": ("BOOL", "?")}


def texts(values):
    encoded = [("" if value is None else value).encode() for value in values]
    return b"".join(struct.pack("<I", len(text)) + text for text in encoded)


def column_bytes(column, values):
    """Numbers that are missing are sent as FP64 with NaN, for integers in bytes have no null."""
    if column.has_levels:
        return "BYTES", texts(values)
    datatype, kind = KINDS[column.kind]
    if None in values:
        datatype, kind = "FP64", "<f8"
        values = [np.nan if value is None else value for value in values]
    return datatype, np.array(values, kind).tobytes()


def binary_request(golden, contract, **more):
    inputs, blobs = [], []
    for column in contract.features:
        datatype, blob = column_bytes(column, [g["row"].get(column.name) for g in golden])
        size = {"binary_data_size": len(blob)}
        inputs.append({"name": column.name, "shape": [len(golden)], "datatype": datatype, "parameters": size})
        blobs.append(blob)
    head = json.dumps({"inputs": inputs, **more}).encode()
    return head + b"".join(blobs), {"Inference-Header-Content-Length": str(len(head))}


def test_binary_in_and_out_gives_the_golden_probabilities(http, golden, scorer):
    body, headers = binary_request(golden, scorer.contract, parameters={"binary_data_output": True})
    answer = http.post(V2, content=body, headers=headers)
    assert answer.headers["Content-Type"] == "application/octet-stream"
    length = int(answer.headers["Inference-Header-Content-Length"])
    outputs, rest, found = json.loads(answer.content[:length])["outputs"], answer.content[length:], {}
    for output in outputs:
        size = output["parameters"]["binary_data_size"]
        found[output["name"]], rest = rest[:size], rest[size:]
    assert rest == b""
    expected = [g["pd"] for g in golden]
    np.testing.assert_allclose(np.frombuffer(found["pd"], "<f8"), expected, rtol=0, atol=1e-12)
    by_json = http.post(V1, json={"instances": [g["row"] for g in golden]}).json()["predictions"]
    assert np.frombuffer(found["score"], "<i8").tolist() == [p["score"] for p in by_json]
    assert found["grade"] == texts([p["grade"] for p in by_json])


def test_binary_in_and_json_out(http, golden, scorer):
    wanted = [{"name": "decision"}, {"name": "pd", "parameters": {"binary_data": False}}]
    body, headers = binary_request(golden, scorer.contract, outputs=wanted)
    decisions, pds = http.post(V2, content=body, headers=headers).json()["outputs"]
    assert set(decisions["data"]) <= {"approve", "refer", "decline"}
    np.testing.assert_allclose(pds["data"], [g["pd"] for g in golden], rtol=0, atol=1e-12)


def tensor(blob, datatype="INT64", shape=(1,), **more):
    entry = {"name": "age", "shape": list(shape), "datatype": datatype, "parameters": {"binary_data_size": len(blob)}}
    return {"inputs": [entry | more]}, blob


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (tensor(b"1234567"), "are 8 bytes, binary_data_size is 7"),
        (tensor(b"12345678", shape=[2]), "are 16 bytes"),
        (tensor(b"12345678", data=[41]), "not both"),
        (tensor(b"12345678", parameters={"binary_data_size": -1}), "whole number of bytes"),
        (tensor(b"12345678", parameters={"binary_data_size": 9}), "8 bytes are left"),
        (tensor(b"12345678", parameters={"binary_data_size": 10**18}), "8 bytes are left"),
        (tensor(b"1234567890", parameters={"binary_data_size": 8}), "2 bytes follow"),
        (tensor(b"\2", datatype="BOOL"), "not BOOL"),
        (tensor(b"\4\0\0\0ab", datatype="BYTES"), "ends after"),
        (tensor(b"\4\0", datatype="BYTES"), "ends after"),
        (tensor(b"\2\0\0\0\xff\xff", datatype="BYTES"), "not UTF-8"),
        (tensor(b"\0\0\0\0\0\0\0\0", datatype="BYTES"), "exactly 1 texts"),
        (tensor(b"", datatype="BYTES", shape=[10**15]), "exactly"),
    ],
)
def test_bytes_that_are_no_tensor(http, request_, words):
    document, blob = request_
    head = json.dumps(document).encode()
    answer = http.post(V2, content=head + blob, headers={"Inference-Header-Content-Length": str(len(head))})
    assert (answer.status_code, words in answer.json()["error"]) == (400, True), answer.text


@pytest.mark.parametrize("length", ["x", "-1", "99999", "", "1e3", "9" * 30])
def test_a_json_length_that_is_none(http, length):
    answer = http.post(V2, content=b"{}", headers={"Inference-Header-Content-Length": length})
    assert answer.status_code == 400
    assert "Inference-Header-Content-Length" in answer.json()["error"]


def test_an_infinity_in_bytes_is_refused(http, golden):
    inputs = [
        {"name": name, "shape": [1], "datatype": "BYTES" if isinstance(value, str) else "FP64", "data": [value]}
        for name, value in golden[0]["row"].items()
        if name != "age" and not isinstance(value, bool)
    ]
    inputs += [
        {"name": name, "shape": [1], "datatype": "BOOL", "data": [value]}
        for name, value in golden[0]["row"].items()
        if isinstance(value, bool)
    ]
    blob = struct.pack("<d", np.inf)
    inputs.append({"name": "age", "shape": [1], "datatype": "FP64", "parameters": {"binary_data_size": 8}})
    head = json.dumps({"inputs": inputs}).encode()
    answer = http.post(V2, content=head + blob, headers={"Inference-Header-Content-Length": str(len(head))})
    assert (answer.status_code, answer.json()["column"]) == (422, "age")
    assert "finite" in answer.json()["reason"]


def test_reasons_are_those_of_the_library(http, golden, scorer):
    rows = [g["row"] for g in golden]
    expected = [[reason.code for reason in reasons] for reasons in scorer.explain_rows(rows)]
    body = {"instances": rows, "parameters": {"explain": True}}
    predictions = http.post(V1, json=body).json()["predictions"]
    assert [[reason["code"] for reason in p["reasons"]] for p in predictions] == expected
    assert all(reason["text"] for p in predictions for reason in p["reasons"])
    body, headers = binary_request(golden, scorer.contract, parameters={"explain": True})
    outputs = {output["name"]: output for output in http.post(V2, content=body, headers=headers).json()["outputs"]}
    assert outputs["reasons"]["shape"] == [len(golden), 4]
    assert outputs["reasons"]["data"] == [code for codes in expected for code in [*codes, "", "", "", ""][:4]]
