"""Any table of applicants in the contract's names and types: ids and features, or the first value at fault."""

from __future__ import annotations

import pyarrow as pa

from credit_model.contract.contract import ID, Column, Contract
from credit_model.data.coercion import coerce, flat, value_at
from credit_model.data.identifiers import identifiers as read_identifiers
from credit_model.errors import InputError


def conform(table: pa.Table, contract: Contract) -> pa.Table:
    """The id (where there is one) and the features of any table, in canonical names and types.

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
        arrays[column.name] = conformed(table, column, found.get(column.name))
    return pa.table(arrays)


def found_columns(table: pa.Table, contract: Contract) -> dict[str, int]:
    found: dict[str, int] = {}
    for position, header in enumerate(table.column_names):
        name = contract.request_headers.get(header.strip().lower())
        if name in found:
            raise InputError(index=0, column=header, value=None, reason=f"'{name}' is given twice; send it once")
        if name is not None:
            found[name] = position
    return found


def identifiers(table: pa.Table, contract: Contract) -> pa.Array:
    """Application ids of any table, as `credit_model.identifiers` reads them; nulls where it has none.

    Raises:
        InputError: An id is neither text nor a whole number, or there are two columns of them.
    """
    position = found_columns(table, contract).get(ID)
    return pa.nulls(table.num_rows, pa.string()) if position is None else _identifiers(table, position)


def _identifiers(table: pa.Table, position: int) -> pa.Array:
    raw = table.column(position)
    coerced = read_identifiers(raw)
    if coerced.faults:
        first = min(coerced.faults, key=lambda fault: fault.row)
        raise InputError(index=first.row, column=ID, value=value_at(flat(raw), first.row), reason=first.reason)
    return coerced.values


def conformed(table: pa.Table, column: Column, position: int | None) -> pa.Array:
    if position is None:
        if not column.nullable:
            raise InputError(index=0, column=column.name, value=None, reason="the column is missing; add it")
        return pa.nulls(table.num_rows, column.arrow_type)
    raw = flat(table.column(position))
    coerced = coerce(raw, column, closed=False)
    if coerced.faults:
        first = min(coerced.faults, key=lambda fault: fault.row)
        raise InputError(index=first.row, column=column.name, value=value_at(raw, first.row), reason=first.reason)
    return coerced.values
