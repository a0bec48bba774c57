"""The schema of InferenceServices beside KServe's own definition, path by path."""

import pytest

from sandbox.kubernetes.apiserver.resources import definition
from tests.sandbox.kubernetes import real_api

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not real_api.CRD_FILE.exists(), reason="KServe's own definition is not here"),
]
# What may differ: the texts for people, and the order of lists without one.
TEXTS = {"description"}
UNORDERED = {"required", "enum"}


def schema_in(thing):
    return thing["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def differences(ours, theirs, path=""):
    for key in sorted({*ours, *theirs} - TEXTS):
        left, right = ours.get(key), theirs.get(key)
        if key == "properties":
            for name in sorted({*(left or {}), *(right or {})}):
                yield from differences((left or {}).get(name, {}), (right or {}).get(name, {}), f"{path}.{name}")
        elif isinstance(left, dict) and isinstance(right, dict) and key in ("items", "additionalProperties"):
            yield from differences(left, right, f"{path}[]")
        elif left != right and not (key in UNORDERED and sorted(left or ()) == sorted(right or ())):
            yield f"{path}: {key}: {left} instead of {right}"


def test_the_schema_is_kserves_own():
    assert list(differences(schema_in(definition()), schema_in(real_api.kserves_own()))) == []


def test_a_missing_enum_would_be_noticed():
    theirs = {"properties": {"mode": {"type": "string", "enum": ["all", "request"]}}}
    ours = {"properties": {"mode": {"type": "string"}}}
    assert list(differences(ours, theirs)) == [".mode: enum: None instead of ['all', 'request']"]


@pytest.mark.parametrize("part", ["additionalPrinterColumns", "subresources", "name", "served", "storage"])
def test_the_version_is_kserves_own(part):
    assert definition()["spec"]["versions"][0][part] == real_api.kserves_own()["spec"]["versions"][0][part]


@pytest.mark.parametrize("part", ["group", "names", "scope", "conversion"])
def test_the_definition_is_kserves_own(part):
    assert definition()["spec"][part] == real_api.kserves_own()["spec"][part]
