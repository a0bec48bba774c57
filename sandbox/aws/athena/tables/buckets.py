"""Hive's buckets: which bucket of a table a row belongs to, and which buckets a query can read."""

import re
from collections.abc import Callable
from itertools import product

from sandbox.aws.athena.catalog import Table
from sandbox.aws.athena.pruning import Filter
from sandbox.aws.athena.sql.types import from_hive
from sandbox.aws.errors import UnsupportedSqlError

_MOST = 2**31 - 1


def _signed(value: int) -> int:
    return (value + 2**31) % 2**32 - 2**31


def _long(value: int) -> int:
    bits = value % 2**64
    return _signed((bits ^ (bits >> 32)) % 2**32)


def _text(value: str) -> int:
    code = 0
    for byte in value.encode():
        code = _signed(code * 31 + (byte - 256 if byte > 127 else byte))
    return code


_HASHES: dict[str, Callable[[object], int]] = {
    "BOOLEAN": lambda value: int(bool(value)),
    **dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER"), lambda value: int(str(value))),
    "BIGINT": lambda value: _long(int(str(value))),
    "VARCHAR": lambda value: _text(str(value)),
}


def hasher(kinds: list[str]) -> Callable[[tuple[object, ...]], int]:
    """Return Hive's hash of values of these DuckDB types.

    Raises:
        UnsupportedSqlError: The sandbox does not know the hash of a type.

    Example:
        >>> [hasher(["BIGINT"])((key,)) % 2 for key in (1, 2, 3)], hasher(["VARCHAR"])(("ab",))
        ([1, 0, 1], 3105)
    """
    unknown = next((kind for kind in kinds if kind not in _HASHES), None)
    if unknown:
        raise UnsupportedSqlError(f"bucketed_by a column of type {unknown}")

    def code(values: tuple[object, ...]) -> int:
        result = 0
        for value, kind in zip(values, kinds, strict=True):
            result = _signed(result * 31 + (0 if value is None else _HASHES[kind](value)))
        return result & _MOST

    return code


def wanted(table: Table, asked: Filter) -> set[int] | None:
    """Return the buckets that a query can read, or None if it can read all of them."""
    named = [asked.named(column) for column in table.bucketed_by]
    kinds = [from_hive(table.columns[column]) for column in table.bucketed_by if column in table.columns]
    if not named or any(values is None for values in named) or len(kinds) < len(named):
        return None
    if table.options.get("bucketing_version", "1") != "1" or any(kind not in _HASHES for kind in kinds):
        return None
    code = hasher(kinds)
    typed = (
        [value == "true" if kind == "BOOLEAN" else value for value in values or ()]
        for values, kind in zip(named, kinds, strict=True)
    )
    return {code(values) % table.buckets for values in product(*typed)} if table.buckets else None


def of_file(key: str) -> int | None:
    """Return the bucket that the name of a file says it is.

    >>> of_file("t/20240101_000000_00001_abcde_bucket-00003.csv")
    3
    """
    found = re.search(r"bucket-(\d+)(?:\.[\w.]*)?$", key)
    return int(found[1]) if found else None
