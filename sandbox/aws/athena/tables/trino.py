"""Trino's names of Glue's column types, as `information_schema` and views show them."""

import re

from sandbox.aws.athena.sql.types import split_top_level

_NAMES = {
    "string": "varchar",
    "int": "integer",
    "float": "real",
    "timestamp": "timestamp(3)",
    "binary": "varbinary",
    "decimal": "decimal(10,0)",
}


def trino_type(glue: str) -> str:
    """Return Trino's name of a type.

    >>> trino_type("array<struct<a:int,b:map<string,float>>>")
    'array(row(a integer, b map(varchar, real)))'
    """
    name = glue.strip().lower()
    nested = re.fullmatch(r"(array|map|struct)<(.*)>", name, re.DOTALL)
    if not nested:
        return _NAMES.get(name, name)
    inner = split_top_level(nested[2])
    if nested[1] == "struct":
        fields = (field.partition(":") for field in inner)
        return "row(" + ", ".join(f"{field.strip()} {trino_type(kind)}" for field, _, kind in fields) + ")"
    return f"{nested[1]}({', '.join(map(trino_type, inner))})"
