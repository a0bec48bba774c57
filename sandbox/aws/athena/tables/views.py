"""Views as Glue keeps them: Presto's description of the view, as JSON in base64 in a comment."""

import base64
import json
import re
from typing import Any

from sandbox.aws.athena.sql.types import to_hive
from sandbox.aws.athena.tables.trino import trino_type
from sandbox.aws.errors import UnsupportedSqlError

_TEXT = re.compile(r"/\*\s*Presto View:\s*(\S+)\s*\*/")


def is_view(raw: dict[str, Any]) -> bool:
    """Return whether Glue's description is that of a view."""
    return bool(raw.get("TableType") == "VIRTUAL_VIEW")


def encode(name: str, query: str, columns: dict[str, str], *, database: str, comment: str | None) -> dict[str, Any]:
    """Return the `TableInput` of a view; `columns` maps names to DuckDB types."""
    kinds = {column.lower(): to_hive(kind) for column, kind in columns.items()}
    view: dict[str, Any] = {
        "originalSql": query,
        "catalog": "awsdatacatalog",
        "schema": database,
        "columns": [{"name": column, "type": trino_type(kind)} for column, kind in kinds.items()],
        "runAsInvoker": False,
        "properties": {},
    }
    if comment:
        view["comment"] = comment
    text = base64.b64encode(json.dumps(view).encode()).decode()
    return {
        "Name": name,
        "TableType": "VIRTUAL_VIEW",
        "Parameters": {"comment": "Presto View", "presto_view": "true"},
        "PartitionKeys": [],
        "StorageDescriptor": {
            "Columns": [{"Name": column, "Type": kind} for column, kind in kinds.items()],
            "Location": "",
            "SerdeInfo": {},
        },
        "ViewOriginalText": f"/* Presto View: {text} */",
        "ViewExpandedText": "/* Presto View */",
    }


def decode(raw: dict[str, Any]) -> dict[str, Any]:
    """Return the description of a view: `originalSql`, `schema`, `columns` and more.

    Raises:
        UnsupportedSqlError: It is not a view of Presto or Trino.
    """
    found = _TEXT.match(raw.get("ViewOriginalText") or "")
    if not found:
        raise UnsupportedSqlError(f"view {raw.get('Name')}, which Athena has not made")
    view: dict[str, Any] = json.loads(base64.b64decode(found[1]))
    return view
