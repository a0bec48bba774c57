"""One table of types: Glue (Hive) ↔ DuckDB ↔ Athena's API."""

import re

from sandbox.aws.errors import UnsupportedSqlError

_HIVE_TO_DUCK = {
    "string": "VARCHAR",
    "boolean": "BOOLEAN",
    "tinyint": "TINYINT",
    "smallint": "SMALLINT",
    "int": "INTEGER",
    "integer": "INTEGER",
    "bigint": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "binary": "BLOB",
}
# DuckDB type → (name in the API, name in Glue, precision, scale)
_SIMPLE = {
    "VARCHAR": ("varchar", "string", 2147483647, 0),
    "BOOLEAN": ("boolean", "boolean", 0, 0),
    "TINYINT": ("tinyint", "tinyint", 3, 0),
    "SMALLINT": ("smallint", "smallint", 5, 0),
    "INTEGER": ("integer", "int", 10, 0),
    "BIGINT": ("bigint", "bigint", 19, 0),
    "FLOAT": ("float", "float", 17, 0),
    "DOUBLE": ("double", "double", 17, 0),
    "DATE": ("date", "date", 0, 0),
    "TIMESTAMP": ("timestamp", "timestamp", 3, 0),
    "TIMESTAMP WITH TIME ZONE": ("timestamp with time zone", "timestamp", 3, 0),
    "BLOB": ("varbinary", "binary", 1073741824, 0),
}


def split_top_level(text: str) -> list[str]:
    """Split on commas outside brackets.

    >>> split_top_level("a:int, b:map<int,date>")
    ['a:int', 'b:map<int,date>']
    """
    parts, depth, start = [], 0, 0
    for position, char in enumerate(text):
        depth += (char in "<(") - (char in ">)")
        if char == "," and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    return [part.strip() for part in [*parts, text[start:]] if part.strip()]


def from_hive(kind: str) -> str:
    """Return the DuckDB type of a Glue column type.

    Raises:
        UnsupportedSqlError: The sandbox does not support the type.

    Example:
        >>> from_hive("array<struct<a:int>>")
        'STRUCT("a" INTEGER)[]'
    """
    name = kind.strip().lower()
    if name in _HIVE_TO_DUCK:
        return _HIVE_TO_DUCK[name]
    if name.startswith("decimal"):
        return name.upper() if "(" in name else "DECIMAL(10,0)"
    if re.fullmatch(r"(var)?char(\(\d+\))?", name):
        return "VARCHAR"
    nested = re.fullmatch(r"(array|map|struct)<(.*)>", name, re.DOTALL)
    if not nested:
        raise UnsupportedSqlError(f"column type {kind!r}")
    inner = split_top_level(nested[2])
    if nested[1] == "array":
        return f"{from_hive(inner[0])}[]"
    if nested[1] == "map":
        return f"MAP({from_hive(inner[0])}, {from_hive(inner[1])})"
    fields = (field.partition(":") for field in inner)
    return "STRUCT(" + ", ".join(f'"{name}" {from_hive(kind)}' for name, _, kind in fields) + ")"


def to_hive(duck: str) -> str:
    """Return the Glue type of a DuckDB result column, as CTAS registers it.

    Raises:
        UnsupportedSqlError: Glue has no such type.

    Example:
        >>> to_hive("MAP(VARCHAR, INTEGER[])")
        'map<string,array<int>>'
    """
    if duck in _SIMPLE:
        return _SIMPLE[duck][1]
    if duck.startswith("DECIMAL"):
        return duck.lower().replace(" ", "")
    if duck.endswith("[]"):
        return f"array<{to_hive(duck[:-2])}>"
    if duck.startswith("MAP("):
        return "map<" + ",".join(to_hive(part) for part in split_top_level(duck[4:-1])) + ">"
    if duck.startswith("STRUCT("):
        fields = (part.partition(" ") for part in split_top_level(duck[7:-1]))
        return "struct<" + ",".join(f"{name.strip(chr(34))}:{to_hive(kind)}" for name, _, kind in fields) + ">"
    raise UnsupportedSqlError(f"result type {duck}")


def column_info(name: str, duck: str) -> dict[str, object]:
    """Return the `ColumnInfo` that GetQueryResults gives for a result column."""
    kind, precision, scale = _api_type(duck)
    return {
        "CatalogName": "hive",
        "SchemaName": "",
        "TableName": "",
        "Name": name,
        "Label": name,
        "Type": kind,
        "Precision": precision,
        "Scale": scale,
        "Nullable": "UNKNOWN",
        "CaseSensitive": kind == "varchar",
    }


def _api_type(duck: str) -> tuple[str, int, int]:
    if duck in _SIMPLE:
        kind, _, precision, scale = _SIMPLE[duck]
        return kind, precision, scale
    if duck in ("INTERVAL DAY TO SECOND", "INTERVAL YEAR TO MONTH", "JSON", "CHAR"):
        return duck.lower(), 0, 0
    decimal = re.fullmatch(r"DECIMAL\((\d+),\s*(\d+)\)", duck)
    if decimal:
        return "decimal", int(decimal[1]), int(decimal[2])
    if duck.endswith("[]"):
        return "array", 0, 0
    return ("map" if duck.startswith("MAP") else "row"), 0, 0
