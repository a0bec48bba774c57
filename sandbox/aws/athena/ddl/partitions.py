"""Partitions as DDL names them: specifications, and the folders of their files."""

import re
from dataclasses import replace
from urllib.parse import unquote

from sandbox.aws.athena.catalog import Table
from sandbox.aws.athena.ddl.tokens import Reader
from sandbox.aws.errors import QueryError
from sandbox.aws.storage import Location

DEFAULT = "__HIVE_DEFAULT_PARTITION__"
# The characters that Hive writes as %XX in the name of a folder.
_ESCAPED = re.compile(r"[\x00-\x1f\"#%'*/:=?\\\x7f{}\[\]^]")


def escape(value: str) -> str:
    """Return a partition's value as Hive writes it in a path.

    >>> escape("2020-01-01 10:00")
    '2020-01-01 10%3A00'
    """
    return _ESCAPED.sub(lambda found: f"%{ord(found[0]):02X}", value)


def unescape(text: str) -> str:
    """Return the value that a part of a path stands for."""
    return unquote(text, errors="replace")


def folder(table: Table, values: tuple[str, ...]) -> Location:
    """Return where the files of a partition go if nothing else is said."""
    path = "/".join(f"{escape(key)}={escape(value)}" for key, value in zip(table.keys, values, strict=True))
    return replace(table.location, key=f"{table.location.key}{path}/")


def spec(reader: Reader, table: Table) -> dict[str, str]:
    """Read `PARTITION (key = value, …)`, with any of the table's keys.

    Raises:
        QueryError: It is malformed, or names something that is no key.
    """
    reader.expect("PARTITION")

    def pair() -> tuple[str, str]:
        name = reader.name()
        reader.expect_sign("=")
        return name, _value(reader)

    found = dict(reader.listed(pair))
    unknown = next((name for name in found if name not in table.keys), None)
    if unknown:
        raise QueryError(
            "FAILED: SemanticException [Error 10098]: Non-Partition column appears in the partition specification: "
            f"{unknown}"
        )
    return found


def _value(reader: Reader) -> str:
    minus = "-" if reader.accept_sign("-") else ""
    if reader.next.kind != "text" and not re.fullmatch(r"[\d.]+", reader.next.value):
        reader.fail("a literal")
    return minus + reader.take().value


def complete(reader: Reader, table: Table) -> tuple[str, ...]:
    """Read a specification that names all of the table's keys; return the values in their order.

    Raises:
        QueryError: A key is missing.
    """
    found = spec(reader, table)
    if set(found) != set(table.keys):
        raise QueryError(
            f"FAILED: SemanticException: partition spec {found} doesn't contain all ({len(table.keys)}) partition "
            "columns"
        )
    return tuple(found[key] for key in table.keys)
