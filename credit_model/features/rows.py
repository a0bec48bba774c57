"""Applicants given as dictionaries: checked, and turned into the numbers that tables give."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from math import isfinite, nan
from struct import Struct

import numpy as np
import pyarrow as pa

from credit_model.contract.contract import ID, Column
from credit_model.contract.rule import EXACT, Rule, without_point
from credit_model.data.coercion import show
from credit_model.data.identifiers import IdentifierError, identifier
from credit_model.data.whole_numbers import floats_as_text
from credit_model.errors import InputError
from credit_model.features.encoder import Encoder
from credit_model.features.fast_rows import BOOLEANS, UNKNOWN, Convert, Ids, QuickReader, Row
from credit_model.types import Matrix


class _RefusedError(ValueError):
    """A converter's reason for refusing a value."""


class RowReader:
    """Reader of applicants for the online path: ordinary rows many at a time, all others one by one with care.

    Attributes:
        id_headers: Names under which a row may hold its application id, in lower case and as the contract spells it.
        unknown: How many values of each categorical column were levels the model does not know, since the start.
    """

    def __init__(self, encoder: Encoder) -> None:
        levels = [column.name for column in encoder.contract.features if column.kind == "categorical"]
        self.unknown: Counter[str] = Counter(dict.fromkeys(levels, 0))
        self._contract = encoder.contract
        self._columns = encoder.contract.features
        converters = {c.name: _converter(c, encoder) for c in self._columns}
        slots = {name: (encoder.places.get(name), name, convert) for name, convert in converters.items()}
        headers = encoder.contract.request_headers
        # None marks a header that is no feature, such as the id or a protected attribute.
        self._slots = {header: slots.get(name) for header, name in headers.items()}
        self.id_headers = {header for header, name in headers.items() if name == ID} | {encoder.contract.id.source}
        self._required = {c.name for c in self._columns if not c.nullable}
        self._width, self._places = len(encoder.names), len(encoder.places)
        self._packed = Struct(f"{self._width}d")
        self._derived = encoder.derivations
        self._quick = QuickReader(encoder, converters, self.unknown)

    def read(self, rows: Sequence[Row]) -> tuple[Matrix, Ids]:
        """Return the matrix, shape (rows, features), and the application id of each row, None where it has none.

        Raises:
            InputError: Names the first row and column that cannot be read.
        """
        found = self._quick.rows(rows)
        if found is None:
            return self._carefully(rows), [self.identifier(row) for row in rows]
        return found[0][:, : self._width], found[1]

    def read_one(self, row: Row) -> tuple[bytes, str | None]:
        """Return one row of the matrix as its float64 bytes, and the application id.

        Raises:
            InputError: Names the column that cannot be read.
        """
        found = self._quick.one(row)
        if found is None:
            return self._carefully([row]).tobytes(), self.identifier(row)
        return self._packed.pack(*found[0][: self._width]), found[1]

    def read_columns(self, columns: Mapping[str, Sequence[object]], count: int) -> tuple[Matrix, Ids]:
        """Return what `read` does, for applicants given as columns of `count` values each.

        Raises:
            InputError: Names the first row and column that cannot be read.
        """
        found = self._quick.columns(columns, count)
        if found is not None:
            return found[0][:, : self._width], found[1]
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        return self._carefully(rows), [self.identifier(row) for row in rows]

    def matrix(self, rows: Sequence[Row]) -> Matrix:
        """Return the matrix, shape (rows, features).

        Raises:
            InputError: Names the first row and column that cannot be read.
        """
        return self.read(rows)[0]

    def _carefully(self, rows: Sequence[Row]) -> Matrix:
        matrix = np.full((len(rows), self._places), nan)
        unknown: list[str] = []
        for index, row in enumerate(rows):
            self._fill(matrix[index], row, index, unknown)
            self._derive(matrix[index])
        self.unknown.update(unknown)
        return matrix[:, : self._width]

    def _derive(self, out: Matrix) -> None:
        if self._derived:
            values = out.tolist()
            for position, parts, derived in self._derived:
                out[position] = derived.of_values([values[part] for part in parts])

    def identifier(self, row: Row) -> str | None:
        """Return the application id of a row, None where it has none."""
        found = self._identifiers(row)
        return identifier(found[0]) if found else None

    def _identifiers(self, row: Row) -> list[object]:
        return [value for name, value in row.items() if value is not None and name.strip().lower() in self.id_headers]

    def _fill(self, out: Matrix, row: Row, index: int, unknown: list[str]) -> None:
        if not isinstance(row, Mapping):
            raise InputError(index=index, column=None, value=row, reason="an applicant is an object of columns")
        seen = set()
        for header, value in row.items():
            slot = self._slot(header, index)
            if slot is None:
                continue
            position, name, convert = slot
            if name in seen:
                raise InputError(index=index, column=name, value=value, reason="is given twice; send it once")
            seen.add(name)
            try:
                number = convert(value)
            except _RefusedError as refused:
                raise InputError(index=index, column=name, value=value, reason=str(refused)) from None
            if position is not None:
                out[position] = number
            if number is UNKNOWN:
                unknown.append(name)
        self._check_complete(seen, index)
        self._check_identifier(row, index)

    def _check_identifier(self, row: Row, index: int) -> None:
        found = self._identifiers(row)
        if len(found) > 1:
            raise InputError(index=index, column=ID, value=None, reason="is given twice; send it once")
        try:
            identifier(found[0] if found else None)
        except IdentifierError as error:
            raise InputError(index=index, column=ID, value=found[0], reason=str(error)) from None

    def _slot(self, header: str, index: int) -> tuple[int | None, str, Convert] | None:
        try:
            return self._slots[header]
        except KeyError:
            pass
        lowered = header.strip().lower() if isinstance(header, str) else ""
        if lowered not in self._slots:
            names = f"the columns are those of contract '{self._contract.name}'"
            raise InputError(index=index, column=str(header), value=None, reason=f"unknown column; {names}")
        return self._slots[lowered]

    def _check_complete(self, seen: set[str], index: int) -> None:
        if self._required <= seen:
            return
        name = next(c.name for c in self._columns if c.name in self._required and c.name not in seen)
        raise InputError(index=index, column=name, value=None, reason="the column is missing; send a value")


def _converter(column: Column, encoder: Encoder) -> Convert:
    convert, rule = _typed_converter(column, encoder), column.rule
    return lambda value: _absent(rule) if value is None else convert(value)


def _typed_converter(column: Column, encoder: Encoder) -> Convert:
    if column.kind == "categorical" and column.name not in encoder.names:
        return partial(_unread_level, rule=column.rule)
    if column.rule.has_levels:
        known = {level: float(code) for code, level in enumerate(encoder.codes(column))}
        return partial(_level, known=known, rule=column.rule)
    return _boolean if column.kind == "boolean" else partial(_number, rule=column.rule)


def _absent(rule: Rule) -> float:
    if rule.nullable:
        return nan
    raise _RefusedError("a value is missing; the contract requires one")


def _plain(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value


def _number(value: object, *, rule: Rule) -> float:
    value = _plain(value)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _RefusedError(f"{show(value)} is not a number")
    try:
        number = float(value)
    except OverflowError:
        raise _RefusedError("the number is too large") from None
    low, high = rule.limits
    if low <= number <= high and not (rule.is_whole and number != int(number)):
        return number
    raise _RefusedError(_number_fault(value, number, rule))


def _number_fault(value: object, number: float, rule: Rule) -> str:
    if not isfinite(number):
        return f"{value} is not a finite number"
    if number < rule.low:
        return f"{show(value)} is below {rule.low:g}"
    if number > rule.high:
        return f"{show(value)} is above {rule.high:g}"
    return f"{show(value)} is {'too large for' if abs(number) > EXACT else 'not'} a whole number"


def _boolean(value: object) -> float:
    value = _plain(value)
    try:
        return BOOLEANS[value]
    except (KeyError, TypeError):
        raise _RefusedError(f"{show(value)} is not true or false") from None


def _level(value: object, *, known: dict[str, float], rule: Rule) -> float:
    value = _plain(value)
    if isinstance(value, str) and value in known:
        return known[value]
    text = _level_text(value)
    if not text:
        return _absent(rule)
    if not rule.open and text not in known:
        text = without_point(text)
    if text in known:
        return known[text]
    if rule.refuses_unlisted(closed=False):
        raise _RefusedError(f"{show(value)} is not one of {rule.listing}")
    return UNKNOWN


def _unread_level(value: object, *, rule: Rule) -> float:
    """Accept any level of a column that the model does not read, and count none as unknown."""
    return 0.0 if _level_text(_plain(value)) else _absent(rule)


def _level_text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _RefusedError(f"{show(value)} is not a level")
    if isinstance(value, float):
        if not isfinite(value):
            raise _RefusedError(f"{value} is not a finite number")
        if value.is_integer() and abs(value) <= EXACT:
            return str(int(value))
        # Arrow's spelling, so that a level is the same text in a row and in a table: Python writes 5e-07 for 5e-7.
        return str(floats_as_text(pa.array([value]))[0])
    return value.strip() if isinstance(value, str) else str(value)
