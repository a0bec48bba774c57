"""The fast path for applicants given as dictionaries: reads many legal values at a time, leaves the rest to `rows`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from struct import error as StructError  # noqa: N812 - it is a class
from struct import pack_into
from types import NoneType
from typing import Any

import numpy as np

from credit_model.contract.contract import ID, Column
from credit_model.contract.rule import Rule
from credit_model.data.identifiers import IdentifierError, identifier
from credit_model.features.encoder import Encoder
from credit_model.types import Matrix

Row = Mapping[str, object]
Ids = list[str | None]
Convert = Callable[[object], float]
# What a converter gives for a level that the model does not know: a NaN recognised by its identity (`is`).
UNKNOWN = float("nan")
# True == 1 and False == 0, so these are exactly the legal spellings of a row.
BOOLEANS: dict[object, float] = {False: 0.0, True: 1.0}
_MISSING = float("nan")
_NUMBERS = frozenset({int, float, NoneType})
_ANY_NUMBER = Rule("numeric", low=0.0)


class QuickReader:
    """Reader of applicants with columns under canonical names; declines what the careful reader must look at.

    It never says what is wrong, and accepts nothing that the careful reader refuses.
    """

    def __init__(self, encoder: Encoder, converters: Mapping[str, Convert], unknown: Counter[str]) -> None:
        """Prepare look-ups and limits.

        Args:
            encoder: Levels, derived features and their places in the matrix.
            converters: The careful reader's converter of each contract feature.
            unknown: Counter of unknown levels by column, raised as rows are read.
        """
        self._unknown = unknown
        features = {column.name: column for column in encoder.contract.features}
        unread = [name for name in features if name not in encoder.places]
        self._columns = [features.get(name) for name in (*encoder.places, *unread)]
        self._width = len(self._columns)
        # A client may not send a derived feature, so its key is a tuple, which no JSON object can have.
        keys: list[object] = [column.name if column else (position,) for position, column in enumerate(self._columns)]
        fillers: list[object] = [None if column else 0.0 for column in self._columns]
        self._blank: dict[Any, object] = dict(zip((*keys, ID), (*fillers, None), strict=True))
        self._positions = {key: position for position, key in enumerate(self._blank)}
        self._levels = [
            (position, _codes(column, encoder), converters[column.name], column.name)
            for position, column in enumerate(self._columns)
            if column and not column.rule.is_number
        ]
        self._derived = encoder.derivations
        self._set_limits()

    def _set_limits(self) -> None:
        # Codes of levels and places of derived features are not below zero, so any number passes for them.
        rules = [column.rule if column and column.rule.is_number else _ANY_NUMBER for column in self._columns]
        self._low, self._high = np.array([rule.limits for rule in rules]).T.copy()
        numbers = [(place, rule) for place, rule in enumerate(rules) if rule is not _ANY_NUMBER]
        self._numbers = [(place, *rule.limits, rule.is_whole, rule.nullable) for place, rule in numbers]
        self._optional = [place for place, rule in numbers if rule.nullable]
        self._is_number = np.array([rule is not _ANY_NUMBER for rule in rules])
        self._whole = np.array([rule.is_whole for rule in rules])

    def one(self, row: Row) -> tuple[list[float], str | None] | None:
        """Return the numbers of one applicant, as a row of the matrix, and the id; or None.

        Plain Python, because one call of NumPy costs as much as forty values.
        """
        try:
            flat: list[Any] = list({**self._blank, **row}.values())
        except TypeError:
            return None
        if len(flat) != self._width + 1:
            return None
        try:
            name = identifier(flat.pop())
            unknown = self._encode_one(flat)
        except (ValueError, IdentifierError):
            return None
        if not self._check_one(flat):
            return None
        if unknown:
            self._unknown.update(unknown)
        for position, parts, derived in self._derived:
            flat[position] = derived.of_values([flat[part] for part in parts])
        return flat, name

    def _encode_one(self, flat: list[Any]) -> list[str]:
        unknown: list[str] = []
        for position, codes, convert, name in self._levels:
            try:
                flat[position] = codes[flat[position]]
            except (KeyError, TypeError):
                flat[position] = _convert(flat[position], convert, unknown, name)
        return unknown

    def _check_one(self, flat: list[Any]) -> bool:
        """Return whether all numbers are legal, and replace missing ones by NaN."""
        for place, low, high, whole, nullable in self._numbers:
            value = flat[place]
            kind = type(value)
            if value is None and nullable:
                flat[place] = _MISSING
            # NaN is never within limits.
            elif (kind is not float and kind is not int) or not low <= value <= high:
                return False
            elif kind is int:
                # As a matrix holds it, so that derived features come from the same numbers.
                flat[place] = float(value)
            elif whole and not value.is_integer():
                return False
        return True

    def rows(self, rows: Sequence[Row]) -> tuple[Matrix, Ids] | None:
        """Return the matrix, shape (rows, places and unread columns), and the ids; or None."""
        flat: list[object] = []
        try:
            for row in rows:
                flat.extend({**self._blank, **row}.values())
        except TypeError:
            return None
        # A row with an unknown key is longer; none can be shorter.
        return self._read(flat, len(rows)) if len(flat) == len(rows) * (self._width + 1) else None

    def columns(self, columns: Mapping[str, Sequence[object]], count: int) -> tuple[Matrix, Ids] | None:
        """Return what `rows` does, for applicants given as columns of `count` values each."""
        flat = list(chain.from_iterable([self._blank.values()] * count))
        for name, values in columns.items():
            position = self._positions.get(name)
            if position is None:
                return None
            flat[position :: self._width + 1] = values
        return self._read(flat, count)

    def _read(self, flat: list[object], count: int) -> tuple[Matrix, Ids] | None:
        ids = flat[self._width :: self._width + 1]
        del flat[self._width :: self._width + 1]
        try:
            names = [identifier(value) for value in ids]
            unknown = self._encode(flat)
            if not _NUMBERS.issuperset(map(type, flat)):
                return None
            missing = self._replace_missing(flat)
            matrix = np.empty((count, self._width))
            # Takes a third of NumPy's time for a list. Only a null of a required column is left, which fails here.
            pack_into(f"{len(flat)}d", matrix.data, 0, *flat)
        except (ValueError, StructError, IdentifierError):
            return None
        if not self._is_legal(matrix, missing):
            return None
        if unknown:
            self._unknown.update(unknown)
        for position, parts, derived in self._derived:
            matrix[:, position] = derived.of_columns([matrix[:, part] for part in parts])
        return matrix, names

    def _encode(self, flat: list[Any]) -> list[str]:
        """Replace levels by codes, and return the column of each level that the model does not know.

        Raises:
            ValueError: A level is refused.
        """
        unknown: list[str] = []
        for position, codes, convert, name in self._levels:
            values = flat[position :: self._width]
            try:
                found = [codes[value] for value in values]
            except (KeyError, TypeError):
                found = [_code(value, codes, convert, unknown, name) for value in values]
            flat[position :: self._width] = found
        return unknown

    def _replace_missing(self, flat: list[Any]) -> int:
        """Replace nulls of nullable numbers by NaN, and return how many there were."""
        missing = 0
        for place in self._optional:
            values = flat[place :: self._width]
            if None in values:
                missing += values.count(None)
                flat[place :: self._width] = [_MISSING if value is None else value for value in values]
        return missing

    def _is_legal(self, matrix: Matrix, missing: int) -> bool:
        if np.count_nonzero((matrix < self._low) | (matrix > self._high)):
            return False
        # More NaN than nulls: a client sent NaN, which is not a legal number.
        if np.count_nonzero(np.isnan(matrix) & self._is_number) != missing:
            return False
        return not np.count_nonzero((np.floor(matrix) < matrix) & self._whole)


def _code(value: object, codes: Mapping[object, float], convert: Convert, unknown: list[str], name: str) -> float:
    try:
        return codes[value]
    except (KeyError, TypeError):
        return _convert(value, convert, unknown, name)


def _convert(value: object, convert: Convert, unknown: list[str], name: str) -> float:
    number = convert(value)
    if number is UNKNOWN:
        unknown.append(name)
    return number


def _codes(column: Column, encoder: Encoder) -> dict[object, float]:
    """Return the codes of exact spellings; any other spelling goes to the converter."""
    if column.kind == "boolean":
        codes: dict[object, float] = dict(BOOLEANS)
    elif column.kind == "categorical" and column.name not in encoder.names:
        codes = _AnyLevel()
    else:
        codes = {level: float(code) for code, level in enumerate(encoder.codes(column))}
    if column.nullable:
        codes[None] = _MISSING
    return codes


class _AnyLevel(dict[object, float]):
    """Levels of a column the model does not read: any text that is not blank."""

    def __missing__(self, level: object) -> float:
        if isinstance(level, str) and level.strip():
            return 0.0
        raise KeyError(level)
