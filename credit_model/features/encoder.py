"""The encoder: tables of applicants as the float64 matrix that the model reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from credit_model.contract.contract import Column, Contract
from credit_model.contract.derived import Derived
from credit_model.contract.rule import Rule
from credit_model.data.coercion import coerce, flat
from credit_model.data.conform import conform_column, found_columns
from credit_model.features.fast_columns import level_places, read_quickly
from credit_model.types import Floats, Matrix


@dataclass(frozen=True)
class Encoder:
    """How feature values become numbers.

    Missing values and levels the model never saw become NaN; a categorical level becomes its position among the
    learnt levels, an ordinal level its rank in the contract, a boolean 0 or 1.

    Attributes:
        contract: The feature contract.
        names: Features the model reads, in matrix order.
        levels: Learnt levels of each categorical feature.
    """

    contract: Contract
    names: tuple[str, ...]
    levels: dict[str, tuple[str, ...]]

    @classmethod
    def learn(cls, table: pa.Table, contract: Contract, *, names: Sequence[str]) -> Encoder:
        """Return an encoder with the levels that a training table holds, sorted, so that row order does not matter.

        Args:
            table: Canonical training rows.
            contract: The feature contract.
            names: Features the model reads, in matrix order.
        """
        kept = [contract.column(name) for name in names]
        levels = {c.name: _levels_of(table.column(c.name)) for c in kept if c.kind == "categorical"}
        return cls(contract, tuple(names), levels)

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """Contract columns of the features, in matrix order."""
        return tuple(self.contract.column(name) for name in self.names)

    @cached_property
    def derived(self) -> dict[str, Derived]:
        """Derived features among the features, by name."""
        return {derived.name: derived for derived in self.contract.derived if derived.name in self.names}

    @cached_property
    def _rules(self) -> dict[str, Rule]:
        return {column.name: column.rule for column in self.contract.features}

    @property
    def categorical(self) -> list[int]:
        """Positions of the categorical features in the matrix."""
        return [position for position, column in enumerate(self.columns) if column.kind == "categorical"]

    def codes(self, column: Column) -> tuple[str, ...]:
        """Return the levels of a categorical or ordinal column in code order; the contract's where none were learnt."""
        return self.levels.get(column.name, column.levels)

    @cached_property
    def places(self) -> dict[str, int]:
        """Place in the matrix of each feature, then of each further column that a derived feature needs."""
        hidden = (name for derived in self.derived.values() for name in derived.inputs)
        return {name: place for place, name in enumerate(dict.fromkeys((*self.names, *hidden)))}

    @cached_property
    def derivations(self) -> list[tuple[int, list[int], Derived]]:
        """Place of each derived feature, the places of its inputs, and the feature itself."""
        return [(self.places[d.name], [self.places[part] for part in d.inputs], d) for d in self.derived.values()]

    def matrix(self, table: pa.Table) -> Matrix:
        """Return the matrix, shape (rows, features), of a table in canonical types.

        Args:
            table: Every feature, as `conform` or `read_applications` gives it.
        """
        matrix = np.empty((table.num_rows, len(self.names)), dtype=np.float64)
        for position, column in enumerate(self.columns):
            matrix[:, position] = self._feature(table, column)
        return matrix

    def read(self, table: pa.Table) -> Matrix:
        """Return the matrix, shape (rows, features), of a raw table: `conform` and `matrix` in one pass.

        Args:
            table: As `conform` takes it.

        Returns:
            The matrix in column-major order.

        Raises:
            InputError: As `conform` raises it.
        """
        return self.read_counting(table)[0]

    def read_counting(self, table: pa.Table) -> tuple[Matrix, Counter[str]]:
        """Return the matrix as `read` does, and how many values of each categorical feature are unknown levels.

        Raises:
            InputError: As `conform` raises it.
        """
        unknown: Counter[str] = Counter()
        found = found_columns(table, self.contract)
        matrix = np.empty((table.num_rows, len(self.places) + 1), dtype=np.float64, order="F")
        for column in self.contract.features:
            # The model does not read every feature of the contract. Those are checked too, into the spare last column.
            position, out = found.get(column.name), matrix[:, self.places.get(column.name, -1)]
            self._read_column(table, column, position, out)
            if position is not None and column.kind == "categorical" and column.name in self.levels:
                unknown[column.name] += _unknown(_whole(table.column(position)), column, out)
        for place, parts, derived in self.derivations:
            matrix[:, place] = derived.of_columns([matrix[:, part] for part in parts])
        return matrix[:, : len(self.names)], +unknown

    def _read_column(self, table: pa.Table, column: Column, position: int | None, out: Floats) -> None:
        raw = None if position is None else _whole(table.column(position))
        if raw is None or not read_quickly(raw, self._rules[column.name], out, partial(self._numbers, column=column)):
            np.copyto(out, self._numbers(conform_column(table, column, position), column))

    def _feature(self, table: pa.Table, column: Column) -> Floats:
        derived = self.derived.get(column.name)
        if derived is None:
            return self._numbers(flat(table.column(column.name)), column)
        return derived.of_columns([self._feature(table, self.contract.column(name)) for name in derived.inputs])

    def _numbers(self, values: pa.Array, column: Column) -> Floats:
        if column.has_levels:
            values = pc.index_in(values, value_set=pa.array(self.codes(column), pa.string()))
        numbers: Floats = values.cast(pa.float64()).to_numpy(zero_copy_only=False)
        return numbers


def _unknown(raw: pa.Array, column: Column, numbers: Floats) -> int:
    """Return how many values are present but have no number; each distinct one is checked once."""
    absent = int(np.count_nonzero(np.isnan(numbers)))
    if absent == raw.null_count:
        return 0
    encoded = raw if pa.types.is_dictionary(raw.type) else raw.dictionary_encode()
    missing = coerce(encoded.dictionary, column.rule, closed=False).values.is_null()
    found = np.append(missing.to_numpy(zero_copy_only=False), True)[level_places(encoded, len(missing))]
    return absent - int(np.count_nonzero(found))


def _whole(values: pa.ChunkedArray) -> pa.Array:
    return values.chunk(0) if values.num_chunks == 1 else values.unify_dictionaries().combine_chunks()


def _levels_of(values: pa.ChunkedArray) -> tuple[str, ...]:
    return tuple(sorted(level for level in pc.unique(values).to_pylist() if level is not None))
