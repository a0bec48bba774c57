"""Valid requests pass, and each broken constraint is refused, for random requests of random operations."""

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from sandbox.aws.strict import models
from sandbox.aws.strict.constraints import NULL, WrongTypeError, compile_shape, violations
from sandbox.aws.strict.patterns import compiled
from tests.sandbox.aws.strict.requests_of_models import Maker, UnfitError, mutations

SERVICES = (
    "sagemaker", "ecs", "glue", "athena", "dynamodb", "events", "logs", "sqs", "secretsmanager", "ssm", "iam", "sts",
    "ecr", "cloudformation", "kms",
)  # fmt: skip


def operations() -> list[tuple[str, str]]:
    """Return the operations of all services that take something."""
    found = []
    for service in SERVICES:
        model = models.service(service)
        found += [(service, name) for name in model.operation_names if model.operation_model(name).input_shape]
    return found


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(operation=st.sampled_from(operations()), seed=st.integers(0, 2**32))
def test_valid_requests_pass_and_each_mutation_is_refused(operation: tuple[str, str], seed: int) -> None:
    service, name = operation
    shape = models.service(service).operation_model(name).input_shape
    try:
        request = Maker(random.Random(seed)).value(shape)
    except UnfitError:  # a required text whose pattern none of the samples fits
        reject()
    check = compile_shape(shape)
    assert violations(check, request) == []
    for what, changed in mutations(shape, request, random.Random(seed)):
        assert refused(check, changed), f"{service}:{name}: {what}"


def refused(check: Any, request: Any) -> bool:
    try:
        return bool(violations(check, request))
    except WrongTypeError:
        return True


def test_every_pattern_of_the_services_compiles():
    for service in SERVICES:
        model = models.service(service)
        for name in model.shape_names:
            pattern = model.shape_for(name).metadata.get("pattern")
            if pattern:
                compiled(pattern)


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        (r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*", "größe 7", True),
        (r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*", "a,b", False),
        (r"([\p{L}]*)${1,256}", "abc", True),
        (r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\t]*", "a😀\t", True),
        (r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\t]*", "a\n", False),
        (r"[\w-_]*", "a-b_c", True),
        (r"arn:[\p{Alnum}\-]+:x", "arn:aws-cn:x", True),
        (r"\w+", "ü", False),
        (r"[a-z]+", "abc\n", False),
    ],
)
def test_patterns_mean_what_java_means(pattern: str, text: str, fits: bool) -> None:
    assert (compiled(pattern).fullmatch(text) is not None) is fits


def said(service: str, operation: str, request: dict[str, Any]) -> list[str]:
    found = models.operation(service, operation)
    return [str(item) for item in violations(found.check, request)]


TAGS = {"Tags": [{"Key": "a", "Value": "b,c"}]}


@pytest.mark.parametrize(
    ("service", "operation", "request_", "message"),
    [
        (
            "sagemaker",
            "AddTags",
            TAGS,
            "Value null at 'resourceArn' failed to satisfy constraint: Member must not be",
        ),
        (
            "sagemaker",
            "AddTags",
            TAGS,
            "Value 'b,c' at 'tags.1.member.value' failed to satisfy constraint",
        ),
        ("events", "PutTargets", {"Rule": "r", "Targets": []}, "Value '[]' at 'targets' failed to satisfy constraint"),
        ("sagemaker", "ListModels", {"MaxResults": 101}, "Value '101' at 'maxResults' failed to satisfy constraint"),
        ("secretsmanager", "PutSecretValue", {"SecretId": "a", "SecretString": ""}, "Value at 'secretString' failed"),
        ("ecr", "BatchGetImage", {"repositoryName": "a", "imageIds": [{"imageDigest": 1}]}, None),
        ("glue", "GetPartitions", {"DatabaseName": "a", "TableName": "b", "MaxResults": "5"}, None),
        ("glue", "GetPartitions", {"DatabaseName": "a", "TableName": "b", "MaxResults": True}, None),
        ("dynamodb", "PutItem", {"TableName": "abc", "Item": {"a": {"N": 1}}}, None),
        ("dynamodb", "PutItem", {"TableName": "abc", "Item": []}, None),
    ],
)
def test_messages_are_those_of_aws(service: str, operation: str, request_: Any, message: str | None) -> None:
    if message is None:
        with pytest.raises(WrongTypeError):
            said(service, operation, request_)
    else:
        assert any(text.startswith(message) for text in said(service, operation, request_))


def test_lists_of_texts_are_refused_as_a_whole():
    [text] = said("ecs", "DescribeTasks", {"tasks": ["a"], "include": ["NAMES"]})
    assert text == (
        "Value '[NAMES]' at 'include' failed to satisfy constraint: Member must satisfy constraint: "
        f"[Member must satisfy enum value set: [TAGS], {NULL}]"
    )


def test_null_is_the_same_as_nothing():
    assert said("sagemaker", "ListModels", {"MaxResults": None, "Unknown": 1}) == []
