"""What a CSV holds where it holds nothing: nothing, or NA in a column that has no such level."""

from __future__ import annotations

from collections.abc import Collection

import pyarrow as pa
import pyarrow.compute as pc

from credit_model.contract.contract import ID, Contract

NA = "NA"
# Numbers are read so; in columns of text Arrow leaves both as they stand, for it knows no rule for a single column.
NULL_VALUES = ["", NA]


def literal_columns(contract: Contract, levels: dict[str, tuple[str, ...]] | None = None) -> frozenset[str]:
    """Canonical names of the columns where NA is a value: the id, and those that have it among their levels.

    Args:
        contract: Of the portfolio.
        levels: Levels a model has learnt, by column.
    """
    named = {column.name for column in contract.columns if NA in column.levels}
    learnt = {name for name, known in (levels or {}).items() if NA in known}
    return frozenset({ID, *named, *learnt})


def without_markers(batch: pa.RecordBatch, literal: Collection[str]) -> pa.RecordBatch:
    """The same batch with nulls where text stands for a missing value.

    Args:
        batch: Of a CSV, read with `NULL_VALUES` and `strings_can_be_null=False`.
        literal: Headers of the columns where NA is a value; empty text is none in any column.
    """
    columns = [
        _cleared(column, NULL_VALUES[:1] if name in literal else NULL_VALUES)
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, batch.schema.names)


def _cleared(values: pa.Array, markers: list[str]) -> pa.Array:
    if pa.types.is_dictionary(values.type):
        found = _cleared(values.dictionary, markers)
        if not found.null_count:
            return values
        # A null among the levels is no null of the array to Arrow, so it is the places that become null.
        missing = pa.scalar(None, values.indices.type)
        indices = pc.if_else(found.is_null().take(values.indices), missing, values.indices)
        return pa.DictionaryArray.from_arrays(indices, values.dictionary)
    if not pa.types.is_string(values.type):
        return values
    marked = pc.is_in(values, value_set=pa.array(markers))
    return pc.if_else(marked, pa.scalar(None, pa.string()), values) if pc.any(marked).as_py() else values
