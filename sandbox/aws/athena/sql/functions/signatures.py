"""Signatures of functions, and the choice of one for the types of a call's arguments."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cache

from sandbox.aws.athena.sql import kinds
from sandbox.aws.athena.sql.binding.bound import Argument, Bound, Lambda, coerced
from sandbox.aws.athena.sql.kinds import Kind
from sandbox.aws.athena.sql.types import split_top_level

_LINE = re.compile(r"(?P<name>\w+)\((?P<parameters>.*?)\)\s*->\s*(?P<result>[^=]*?)\s*=\s(?P<template>.*)")
_TYPE = re.compile(r"(?P<name>\w+)(?:\((?P<inner>.*)\))?")
_VARIABLE = re.compile(r"[A-Z]")
Variables = dict[str, Kind]


@dataclass(frozen=True)
class Pattern:
    """A type in a signature: `E` and the like stand for any type, `decimal(p,s)` for any decimal."""

    name: str
    parts: tuple[Pattern, ...] = ()
    sizes: tuple[str, ...] = ()

    def __str__(self) -> str:
        inside = ", ".join(map(str, self.parts)) or ",".join(self.sizes)
        return f"{self.name}({inside})" if inside else self.name


@dataclass(frozen=True)
class Signature:
    """One form of a function.

    Attributes:
        template: DuckDB text; `{0}` is the first argument, `{*}` all of them.
        variadic: Whether the last parameter repeats, once at least.
    """

    name: str
    parameters: tuple[Pattern, ...]
    result: Pattern
    template: str
    variadic: bool = False

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(str, self.parameters))})"

    def patterns(self, count: int) -> tuple[Pattern, ...] | None:
        """Return the parameters for `count` arguments; None if there cannot be so many."""
        if self.variadic and count >= len(self.parameters):
            return self.parameters + self.parameters[-1:] * (count - len(self.parameters))
        return self.parameters if count == len(self.parameters) else None


def parse_table(text: str) -> dict[str, list[Signature]]:
    """Read lines such as `lower(varchar(x)) -> varchar(x) = lower({0})`; blank lines and `#` comments are skipped.

    >>> [str(item) for item in parse_table("abs(double) -> double = abs({0})")["abs"]]
    ['abs(double)']
    """
    found: dict[str, list[Signature]] = defaultdict(list)
    for line in filter(None, (line.strip() for line in text.splitlines())):
        if not line.startswith("#"):
            signature = _signature(line)
            found[signature.name].append(signature)
    return dict(found)


def _signature(line: str) -> Signature:
    head, _, rest = line.partition(" -> ")
    result, _, template = rest.partition(" = ")
    name, _, inside = head.partition("(")
    parameters = tuple(pattern(part.removesuffix("...")) for part in split_top_level(inside[:-1]))
    return Signature(name, parameters, pattern(result), template.strip(), head.endswith("...)"))


@cache
def pattern(text: str) -> Pattern:
    """Parse a type of a signature."""
    found = _TYPE.fullmatch(text.strip())
    assert found, text  # noqa: S101 - the tables are ours
    inner = split_top_level(found["inner"] or "")
    if found["name"] in ("decimal", "varchar", "char", "timestamp", "timestamptz"):
        return Pattern(found["name"], sizes=tuple(inner))
    return Pattern(found["name"], parts=tuple(map(pattern, inner)))


@dataclass(frozen=True)
class Match:
    """A signature that fits a call, with the converted arguments and the type of the result."""

    signature: Signature
    arguments: list[Bound]
    result: Kind
    conversions: int


def match(signature: Signature, arguments: list[Argument]) -> Match | None:
    """Fit a signature to the arguments of a call."""
    patterns = signature.patterns(len(arguments))
    if patterns is None:
        return None
    variables: Variables = {}
    values = [item for item in zip(patterns, arguments, strict=True) if isinstance(item[1], Bound)]
    if not all(_unify(wanted, given.kind, variables) for wanted, given in values if isinstance(given, Bound)):
        return None
    fitted = [_fit(wanted, given, variables) for wanted, given in zip(patterns, arguments, strict=True)]
    ready = [item for item in fitted if item is not None]
    if len(ready) != len(fitted):
        return None
    changed = sum(isinstance(a, Bound) and a.kind != b.kind for a, b in zip(arguments, ready, strict=True))
    return Match(signature, ready, substitute(signature.result, variables), changed)


def _fit(wanted: Pattern, given: Argument, variables: Variables) -> Bound | None:
    if isinstance(given, Lambda):
        return _fit_lambda(wanted, given, variables)
    target = substitute(wanted, variables)
    return coerced(given, target) if kinds.coercible(given.kind, target) else None


def _fit_lambda(wanted: Pattern, given: Lambda, variables: Variables) -> Bound | None:
    if wanted.name != "function" or given.arity != len(wanted.parts) - 1:
        return None
    body = given.bind(tuple(substitute(part, variables) for part in wanted.parts[:-1]))
    result = wanted.parts[-1]
    if not _unify(result, body.kind, variables):
        return None
    target = substitute(result, variables)
    if not kinds.coercible(body.kind, target):
        return None
    head, _, inside = body.sql.partition(": ")
    return Bound(target, f"{head}: {coerced(Bound(body.kind, inside), target).sql}")


def _unify(wanted: Pattern, given: Kind, variables: Variables) -> bool:
    if _VARIABLE.fullmatch(wanted.name):
        known = kinds.common(variables.get(wanted.name, kinds.UNKNOWN), given)
        if known:
            variables[wanted.name] = known
        return known is not None
    if given == kinds.UNKNOWN:
        return True
    if wanted.name == "decimal":
        return _unify_decimal(wanted, kinds.as_decimal(given), variables)
    if wanted.parts:
        same = given.name == wanted.name and len(given.parts) == len(wanted.parts)
        return same and all(_unify(a, b, variables) for a, b in zip(wanted.parts, given.parts, strict=True))
    if wanted.name == "char" and given.name != "char":
        return False
    if wanted.sizes and wanted.name == given.name and not wanted.sizes[0].isdigit():
        variables[wanted.sizes[0]] = given
    return kinds.common(given, substitute(wanted, variables)) is not None


def _unify_decimal(wanted: Pattern, given: Kind, variables: Variables) -> bool:
    if given.name != "decimal":
        return False
    key = str(wanted)
    known = kinds.common(variables.get(key, given), given)
    if known:
        variables[key] = known
    return known is not None


def substitute(wanted: Pattern, variables: Variables) -> Kind:
    """Return the type that a pattern stands for."""
    if _VARIABLE.fullmatch(wanted.name):
        return variables.get(wanted.name, kinds.UNKNOWN)
    if wanted.name == "decimal":
        return variables.get(str(wanted)) or _sized(wanted, variables)
    if wanted.sizes:
        known = variables.get(wanted.sizes[0])
        return Kind(wanted.name, known.sizes) if known else _sized(wanted, variables)
    if wanted.parts:
        parts = tuple(substitute(part, variables) for part in wanted.parts)
        return kinds.row(parts) if wanted.name == "row" else Kind(wanted.name, parts=parts)
    if wanted.name in ("timestamp", "timestamptz"):
        return Kind(wanted.name, (3,))
    return Kind(wanted.name)


def _sized(wanted: Pattern, variables: Variables) -> Kind:
    if wanted.name == "decimal":
        known = next((kind for key, kind in variables.items() if key.startswith("decimal")), kinds.decimal(38, 0))
        known_scale = known.sizes[1]
        sizes = [int(size) if size.isdigit() else known_scale for size in wanted.sizes]
        return kinds.decimal(sizes[0], sizes[1])
    if wanted.name in ("timestamp", "timestamptz"):
        return Kind(wanted.name, (int(wanted.sizes[0]) if wanted.sizes[0].isdigit() else 3,))
    return Kind("varchar", tuple(int(size) for size in wanted.sizes if size.isdigit()))


def best(signatures: list[Signature], arguments: list[Argument]) -> Match | None:
    """Return the form of a function that fits a call with the fewest conversions."""
    found = [item for item in (match(signature, arguments) for signature in signatures) if item]
    return min(found, key=lambda item: item.conversions, default=None)
