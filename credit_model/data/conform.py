"""Tables of applicants in the contract's names and types: ids and features, or the first value at fault."""

from __future__ import annotations

import pyarrow as pa

from credit_model.contract.contract import ID, Column, Contract
from credit_model.data.coercion import Coerced, coerce, flat, value_at
from credit_model.data.identifiers import identifiers as read_identifiers
from credit_model.errors import InputError


def conform(table: pa.Table, contract: Contract) -> pa.Table:
    """Return the id (where there is one) and the features of a table, in canonical names and types.

    Args:
        table: Columns under raw or canonical names in any case; other columns are left out. Text is converted.
        contract: The feature contract.

    Raises:
        InputError: A required column or value is missing, or a value has a wrong type, is not finite or is out of
            bounds; names the first such column and its first such row.
    """
    found = found_columns(table, contract)
    arrays = {ID: _identifiers(table, found[ID])} if ID in found else {}
    for column in contract.features:
        arrays[column.name] = conform_column(table, column, found.get(column.name))
    return pa.table(arrays)


def found_columns(table: pa.Table, contract: Contract) -> dict[str, int]:
    """Return the position in a table of each column that the contract knows, by canonical name.

    Args:
        table: Columns under raw or canonical names in any case.
        contract: The feature contract.

    Raises:
        InputError: Two columns of the table mean the same one.
    """
    found: dict[str, int] = {}
    for position, header in enumerate(table.column_names):
        name = contract.request_headers.get(header.strip().lower())
        if name in found:
            raise InputError(index=0, column=header, value=None, reason=f"'{name}' is given twice; send it once")
        if name is not None:
            found[name] = position
    return found


def identifiers(table: pa.Table, contract: Contract) -> pa.Array:
    """Return the application ids of a table as text, null where it has none.

    Raises:
        InputError: An id is neither text nor a whole number, or two columns hold ids.
    """
    position = found_columns(table, contract).get(ID)
    return pa.nulls(table.num_rows, pa.string()) if position is None else _identifiers(table, position)


def conform_column(table: pa.Table, column: Column, position: int | None) -> pa.Array:
    """Return one feature of a table in its canonical type, shape (rows,).

    Args:
        table: The raw table.
        column: The feature in the contract.
        position: Its position in the table, as `found_columns` gives it; None where the table lacks it, which gives
            nulls for a nullable column.

    Raises:
        InputError: A value breaks the contract, or a required column is missing; names the first row.
    """
    if position is None:
        if not column.nullable:
            raise InputError(index=0, column=column.name, value=None, reason="the column is missing; add it")
        return pa.nulls(table.num_rows, column.arrow_type)
    raw = flat(table.column(position))
    return _without_fault(coerce(raw, column.rule, closed=False), raw, column.name)


def _identifiers(table: pa.Table, position: int) -> pa.Array:
    raw = table.column(position)
    return _without_fault(read_identifiers(raw), raw, ID)


def _without_fault(coerced: Coerced, raw: pa.Array | pa.ChunkedArray, name: str) -> pa.Array:
    if coerced.faults:
        first = min(coerced.faults, key=lambda fault: fault.row)
        raise InputError(index=first.row, column=name, value=value_at(flat(raw), first.row), reason=first.reason)
    return coerced.values
