"""What reaches moto and what does not, the form of every failure, and the check of answers."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from botocore.parsers import create_parser

from sandbox.aws.strict import models
from sandbox.aws.strict.answers import Answers, deviations
from sandbox.aws.strict.front import Front

SIGNED = "AWS4-HMAC-SHA256 Credential=test/20261128/eu-west-1/{}/aws4_request, SignedHeaders=host, Signature=0"


def environ(service: str, body: bytes = b"", *, target: str = "", form: bool = False, **more: str) -> dict[str, Any]:
    kind = "application/x-www-form-urlencoded" if form else "application/x-amz-json-1.1"
    return {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/",
        "QUERY_STRING": "",
        "CONTENT_TYPE": kind,
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_AUTHORIZATION": SIGNED.format(service),
        "wsgi.input": io.BytesIO(body),
        **({"HTTP_X_AMZ_TARGET": target} if target else {}),
        **more,
    }


class Behind:
    """Stands for moto: remembers the body it was given, and answers or fails as its test asks."""

    def __init__(self, answer: bytes = b"{}", status: str = "200 OK", error: Exception | None = None) -> None:
        self.answer, self.status, self.error = answer, status, error
        self.body: bytes | None = None

    def __call__(self, given: dict[str, Any], start_response: Any) -> list[bytes]:
        self.body = given["wsgi.input"].read()
        if self.error:
            raise self.error
        start_response(self.status, [("Content-Type", "text/plain"), ("Content-Length", str(len(self.answer)))])
        return [self.answer]


def ask(given: dict[str, Any], behind: Behind, answers: Answers | None = None) -> tuple[int, dict[str, str], bytes]:
    kept: list[Any] = []
    body = b"".join(Front(behind, answers)(given, lambda status, headers: kept.extend([status, headers])))
    return int(kept[0][:3]), dict(kept[1]), body


def parsed(protocol: str, status: int, headers: dict[str, str], body: bytes) -> dict[str, str]:
    """Return an error as botocore reads it."""
    lower = {name.lower(): value for name, value in headers.items()}
    response = {"status_code": status, "headers": lower, "body": body}
    found: dict[str, str] = create_parser(protocol).parse(response, None)["Error"]
    return found


LIST = {"target": "SageMaker.ListModels"}


def test_a_valid_request_passes_as_it_came():
    behind = Behind()
    assert ask(environ("sagemaker", b'{"MaxResults": 5}', **LIST), behind)[0] == 200
    assert behind.body == b'{"MaxResults": 5}'


def test_an_invalid_request_does_not_pass():
    behind = Behind()
    status, headers, body = ask(environ("sagemaker", b'{"MaxResults": 500}', **LIST), behind)
    assert behind.body is None
    error = parsed("json", status, headers, body)
    assert (status, error["Code"]) == (400, "ValidationException")
    assert error["Message"].startswith("1 validation error detected: Value '500' at 'maxResults'")


@pytest.mark.parametrize("body", [b"{", b"[]", b'"text"'])
def test_a_body_that_is_no_object_is_refused(body):
    status, headers, answer = ask(environ("sagemaker", body, **LIST), Behind())
    assert (status, parsed("json", status, headers, answer)["Code"]) == (400, "SerializationException")


FORM = b"Action=GetUser&Version=2010-05-08&UserName=a"
FAILURES = [
    ("json", environ("sagemaker", b"{}", **LIST), "sagemaker:ListModels"),
    ("query", environ("iam", FORM, form=True), "iam:GetUser"),
    ("ec2", environ("ec2", b"Action=DescribeVpcs&Version=2016-11-15", form=True), "ec2:DescribeVpcs"),
    ("rest-xml", environ("s3", PATH_INFO="/b", REQUEST_METHOD="GET"), "s3: GET /b"),
]


@pytest.mark.parametrize(("protocol", "given", "named"), FAILURES, ids=[item[0] for item in FAILURES])
@pytest.mark.parametrize(
    ("error", "status", "code"),
    [(NotImplementedError(), 501, "NotImplemented"), (KeyError("x"), 500, "InternalFailure")],
)
def test_a_failure_has_the_form_of_its_protocol(protocol, given, named, error, status, code):
    given = {**given, "wsgi.input": io.BytesIO(given["wsgi.input"].getvalue())}
    found, headers, body = ask(given, Behind(error=error))
    assert found == status
    told = parsed(protocol, found, headers, body)
    assert told["Code"] == code
    assert named in told["Message"]


def test_a_page_of_the_server_is_no_answer():
    behind = Behind(b"<!doctype html><title>404</title>", "404 NOT FOUND")
    status, headers, body = ask(environ("sagemaker", b"{}", **LIST), behind)
    assert (status, parsed("json", status, headers, body)["Code"]) == (501, "NotImplemented")


def test_an_operation_that_the_service_does_not_have_is_unknown():
    status, headers, body = ask(environ("sagemaker", b"{}", target="SageMaker.MakeCoffee"), Behind())
    assert parsed("json", status, headers, body)["Code"] == "UnknownOperationException"


def test_a_json_service_has_no_404_and_no_words_of_a_client_in_its_message():
    said = b'{"__type": "X", "message": "An error occurred (X) when calling the ListModels operation: not   there"}'
    status, headers, body = ask(environ("sagemaker", b"{}", **LIST), Behind(said, "404 NOT FOUND"))
    assert (status, json.loads(body)["message"], headers["Content-Length"]) == (400, "not there", str(len(body)))


def test_names_in_glue_are_folded_before_moto_sees_them():
    behind = Behind()
    table = {"Name": "Scores", "Description": "As It Is"}
    body = json.dumps({"DatabaseName": "Lake", "TableInput": table}).encode()
    ask(environ("glue", body, target="AWSGlue.CreateTable"), behind)
    assert json.loads(behind.body or b"") == {"DatabaseName": "lake", "TableInput": {**table, "Name": "scores"}}


def test_unsigned_requests_pass():
    given = environ("sagemaker", b"x")
    del given["HTTP_AUTHORIZATION"]
    assert ask(given, Behind(b"ok"))[2] == b"ok"


def test_answers_are_held_against_the_model(tmp_path: Path):
    path = tmp_path / "answers.jsonl"
    answers = Answers(path)
    for _ in range(2):
        ask(environ("sagemaker", b"{}", **LIST), Behind(b'{"Models": [{"ModelName": 1, "Colour": "red"}]}'), answers)
    assert [json.loads(line)["wrong"] for line in path.read_text().splitlines()] == [
        ".Models[].ModelArn: missing",
        ".Models[].CreationTime: missing",
        ".Models[].ModelName: int for string",
        ".Models[].Colour: unknown",
    ]


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        ({"Tags": []}, []),
        ({"Tags": [{"Key": "a", "Value": "b"}], "NextToken": None}, []),
        ({"Tags": {}}, [".Tags: dict for list"]),
        ({"Tags": [{"Key": True, "Value": "b"}]}, [".Tags[].Key: bool for string"]),
    ],
)
def test_deviations_of_an_answer(value, wrong):
    shape = models.service("sagemaker").operation_model("ListTags").output_shape
    assert deviations(shape, value) == wrong
