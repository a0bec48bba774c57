"""Which CSV values mean missing: empty text in any column, and NA in a column that has no such level."""

from __future__ import annotations

from collections.abc import Collection

import pyarrow as pa
import pyarrow.compute as pc

from credit_model.contract.contract import ID, Contract
from credit_model.contract.rule import EMPTY, NA

# Arrow applies these to columns of numbers. It has no setting for a single column, so text is read as it is
# (`strings_can_be_null=False`) and cleared by `without_markers`.
NULL_VALUES = [EMPTY, NA]


def literal_columns(contract: Contract, levels: dict[str, tuple[str, ...]] | None = None) -> frozenset[str]:
    """Return canonical names of the columns where NA is a value: the id, and columns with such a level.

    Args:
        contract: The feature contract.
        levels: Levels a model has learnt, by column; a column without a closed list may have learnt NA.
    """
    named = {column.name for column in contract.columns if NA not in column.rule.missing}
    learnt = {name for name, known in (levels or {}).items() if NA in known}
    return frozenset({ID, *named, *learnt})


def without_markers(batch: pa.RecordBatch, literal: Collection[str]) -> pa.RecordBatch:
    """Return the batch with nulls where text stands for a missing value.

    Args:
        batch: Rows of a CSV, read with `NULL_VALUES` and `strings_can_be_null=False`.
        literal: Headers of the columns where NA is a value. Empty text is missing in every column.
    """
    columns = [
        _cleared(column, [EMPTY] if name in literal else NULL_VALUES)
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, batch.schema.names)


def _cleared(values: pa.Array, markers: list[str]) -> pa.Array:
    if pa.types.is_dictionary(values.type):
        found = _cleared(values.dictionary, markers)
        if not found.null_count:
            return values
        # Arrow does not count a null in the dictionary as a null of the array, so the indices become null instead.
        missing = pa.scalar(None, values.indices.type)
        indices = pc.if_else(found.is_null().take(values.indices), missing, values.indices)
        return pa.DictionaryArray.from_arrays(indices, values.dictionary)
    if not pa.types.is_string(values.type):
        return values
    marked = pc.is_in(values, value_set=pa.array(markers))
    return pc.if_else(marked, pa.scalar(None, pa.string()), values) if pc.any(marked).as_py() else values
