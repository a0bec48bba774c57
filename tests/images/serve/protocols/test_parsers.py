"""The protocol readers on any JSON at all: they answer or refuse, and a matrix means its columns in order."""

import asyncio

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from credit_model.contract.contract import load_contract
from credit_model.errors import InputError
from images.serve.errors import ApplicantError, RequestError
from images.serve.protocols import v1, v2

LEAF = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=5)
JSON = st.recursive(LEAF, lambda c: st.lists(c, max_size=3) | st.dictionaries(st.text(max_size=5), c, max_size=3))
COLUMNS = st.sampled_from(["age", "AGE", "has_paid", "merchant_category", "account_status", "application_id", "zzz"])
ROWS = st.dictionaries(COLUMNS, JSON, max_size=4)
V1 = st.fixed_dictionaries({}, optional={"instances": st.lists(ROWS | JSON, max_size=3) | JSON, "parameters": JSON})
TENSOR = st.fixed_dictionaries(
    {},
    optional={
        "name": COLUMNS | JSON,
        "datatype": st.sampled_from(["FP64", "INT64", "BOOL", "BYTES", "X"]) | JSON,
        "shape": st.lists(st.integers(-1, 3), max_size=3) | JSON,
        "parameters": st.fixed_dictionaries({"binary_data_size": st.integers(-1, 40)}) | JSON,
        "data": st.lists(LEAF | st.lists(LEAF, max_size=2), max_size=4) | JSON,
    },
)
V2 = st.fixed_dictionaries({}, optional={"inputs": st.lists(TENSOR | JSON, max_size=3), "outputs": JSON, "id": JSON})
MANY = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def answered_or_refused(call):
    """Any other exception would be a 500; a refusal must be writable as JSON."""
    try:
        assert call() is not None
    except InputError as error:
        orjson.dumps(ApplicantError(error).body())
    except RequestError as error:
        orjson.dumps(error.body())


@MANY
@given(document=V1 | JSON)
def test_v1_never_fails(engine, scorer, document):
    def call():
        request = v1.read(document, max_rows=3)
        return v1.write(asyncio.run(engine.score(request.rows, explain=request.explain)), scorer.version)

    answered_or_refused(call)


@MANY
@given(document=V2 | JSON, binary=st.binary(max_size=40))
def test_v2_never_fails(engine, scorer, document, binary):
    def call():
        request = v2.read(document, scorer.contract, max_rows=3, binary=binary)
        answered = asyncio.run(engine.score_columns(request.columns, request.count, explain=request.explain))
        return v2.write(answered, request, name="m", version="1")

    answered_or_refused(call)


@pytest.mark.parametrize("nested", [False, True])
def test_a_matrix_means_its_columns_in_order(nested):
    contract = load_contract("uci_credit_card")
    names = [column.name for column in contract.features]
    rows = [[float(10 * row + column) for column in range(len(names))] for row in range(2)]
    data = rows if nested else [value for row in rows for value in row]
    tensor = {"name": "input-0", "shape": [2, len(names)], "datatype": "FP64", "data": data}
    request = v2.read({"inputs": [tensor]}, contract, max_rows=10)
    assert request.columns == {name: [row[place] for row in rows] for place, name in enumerate(names)}
