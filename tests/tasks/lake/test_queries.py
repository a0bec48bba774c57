"""The queries are SQL for any contract, whatever its columns are named."""

import pytest
import sqlglot
from sqlglot import expressions

from credit_model.contract.contract import Contract, load_contract
from tasks import batch
from tasks.lake import snapshot

KEYWORDS = ["order", "group", "select", "end", "case", "from", "table", "values", "limit"]


@pytest.fixture
def contract() -> Contract:
    shipped = load_contract("case")
    columns = tuple(shipped.column("age").model_copy(update={"name": name}) for name in KEYWORDS)
    return shipped.model_copy(update={"columns": columns})


@pytest.mark.parametrize("query", [batch.applicants_query, snapshot.labelled_query], ids=["batch", "snapshot"])
def test_columns_may_have_the_names_of_keywords(platform, contract, query):
    parsed = sqlglot.parse_one(query(contract), dialect="trino")
    assert isinstance(parsed, expressions.Select)
    assert set(KEYWORDS) <= set(parsed.named_selects)
