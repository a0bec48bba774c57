"""The constraints of a service model, compiled into checks of requests."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.aws.strict.patterns import compiled
from sandbox.aws.strict.render import lowered, render

NULL = "Member must not be null"
Json = Any
Shape = Any  # botocore's shapes, which have no types


@dataclass(frozen=True)
class Violation:
    """A value that the model does not allow.

    Attributes:
        path: Where it is, for example `tags.1.member.key`.
        value: Its text; None if the model calls it sensitive.
        constraint: What it breaks, for example `Member must not be null`.
        names: The path as the member names of the model and positions from 0, for example `("Tags", 0, "Key")`.
    """

    path: str
    value: str | None
    constraint: str
    names: tuple[str | int, ...] = ()

    def __str__(self) -> str:
        given = "" if self.value is None else " null" if self.value == "null" else f" '{self.value}'"
        return f"Value{given} at '{self.path}' failed to satisfy constraint: {self.constraint}"


class WrongTypeError(Exception):
    """A value has another JSON type than the model says; AWS does not come to check the rest."""


# Where a value is: the place around it, and its name, position or key. Most are never spelt out, so they are cheap.
Place = tuple[Any, ...]
ROOT: Place = ()


def _names(place: Place) -> tuple[str | int, ...]:
    return (*_names(place[0]), place[1]) if place else ()


def _path(place: Place) -> str:
    """Return a place as messages spell it: positions count from 1, and what a list or map holds is a `member`."""
    if not place:
        return ""
    around, name, held = place
    before = f"{_path(around)}." if around else ""
    if not held:
        return before + lowered(name)
    return f"{before}{name + 1 if isinstance(name, int) else name}.member"


Check = Callable[[Json, Place, list[Violation]], None]
_ATTRIBUTE = "AttributeValue"
_SIMPLE, _SHORT = frozenset("SNB"), 255
_COMPOUND = {"structure", "list", "map"}
_JSON_TYPES: dict[str, tuple[type, ...]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
    "string": (str,),
    "integer": (int, float),
    "long": (int, float),
    "float": (int, float, str),
    "double": (int, float, str),
    "boolean": (bool,),
}
_SHOWN = {str: "STRING_VALUE", bool: "TRUE_VALUE", int: "NUMBER_VALUE", float: "DECIMAL_VALUE"}
_WANTED = {"structure": "Structure", "integer": "Integer", "map": "Map", "list": "List"}


def violations(check: Check, value: Json) -> list[Violation]:
    """Return what is wrong with a request.

    Raises:
        WrongTypeError: A value has another JSON type than the model says.
    """
    found: list[Violation] = []
    check(value, ROOT, found)
    return found


def compile_shape(shape: Shape, known: dict[str, Check] | None = None) -> Check:
    """Compile the check of a shape.

    Args:
        shape: A botocore shape.
        known: Checks of the shapes around this one, by name, because shapes may contain themselves.

    Returns:
        A function that appends the violations of a value; it raises `WrongTypeError`.
    """
    known = {} if known is None else known
    if shape.name not in known:
        known[shape.name] = lambda value, place, found: known[shape.name](value, place, found)  # noqa: PLW0108 - later
        known[shape.name] = _MAKERS.get(shape.type_name, _scalar)(shape, known)
    return known[shape.name]


def _plain_attribute(value: Json) -> bool:
    """Return whether a value of DynamoDB is simple: requests hold thousands of them, and nearly all are."""
    try:
        ((kind, inner),) = value.items()
    except (AttributeError, ValueError):
        return False
    return type(inner) is str and kind in _SIMPLE


def _typed(value: Json, shape: Shape) -> None:
    wanted = _JSON_TYPES.get(shape.type_name)
    if wanted is None or (isinstance(value, wanted) and (type(value) is not bool or shape.type_name == "boolean")):
        return
    if isinstance(value, dict | list):
        raise WrongTypeError("Start of structure or map found where not expected.")
    name = _WANTED.get(shape.type_name, shape.type_name.capitalize())
    shown = "FALSE_VALUE" if value is False else _SHOWN.get(type(value), type(value).__name__)
    raise WrongTypeError(f"{shown} can not be converted to {'an' if name[0] in 'AEIO' else 'a'} {name}")


def _structure(shape: Shape, known: dict[str, Check]) -> Check:
    required = frozenset(shape.required_members) - {
        name for name, of in shape.members.items() if of.metadata.get("idempotencyToken")
    }
    members = {
        wire: (name, compile_shape(of, known))
        for name, of in shape.members.items()
        for wire in {name, of.serialization.get("name", name)}
    }

    def check(value: Json, place: Place, found: list[Violation]) -> None:
        if not isinstance(value, dict):
            _typed(value, shape)
        for name in required:
            if value.get(name) is None:
                found.append(_violation((place, name, False), "null", NULL))
        for key, item in value.items():
            member = members.get(key)
            if member is not None and item is not None:
                member[1](item, (place, member[0], False), found)

    return check


def _list(shape: Shape, known: dict[str, Check]) -> Check:
    limits, inner = _limits(shape), compile_shape(shape.member, known)
    simple = shape.member.type_name not in _COMPOUND
    stated = [text for text, _ in _limits(shape.member)] if simple else []

    def check(value: Json, place: Place, found: list[Violation]) -> None:
        if not isinstance(value, list):
            _typed(value, shape)
        _limit(limits, value, shape, place, found)
        wrong: list[Violation] = []
        for position, item in enumerate(value):
            if item is None:
                wrong.append(_violation(place, None, NULL))
            else:
                inner(item, (place, position, True), wrong)
        if simple and wrong:
            text = f"Member must satisfy constraint: [{', '.join([*stated, NULL])}]"
            found.append(_violation(place, _shown(value, shape), text))
        else:
            found.extend(wrong)

    return check


def _map(shape: Shape, known: dict[str, Check]) -> Check:
    limits, keys, inner = _limits(shape), _limits(shape.key), compile_shape(shape.value, known)
    simple = shape.value.type_name not in _COMPOUND
    of_values = [text for text, _ in _limits(shape.value)] if simple else []
    of_items = shape.value.name == _ATTRIBUTE

    def check(value: Json, place: Place, found: list[Violation]) -> None:
        if not isinstance(value, dict):
            _typed(value, shape)
        _limit(limits, value, shape, place, found)
        if of_items and all(map(_plain_attribute, value.values())) and max(map(len, value), default=0) <= _SHORT:
            return
        for stated, what, wrong in (
            (keys, "Map keys", any(not holds(key) for key in value for _, holds in keys)),
            ([(text, None) for text in of_values], "Map value", simple and _any_wrong(inner, value, place)),
        ):
            if wrong:
                text = f"{what} must satisfy constraint: [{', '.join([*(text for text, _ in stated), NULL])}]"
                found.append(_violation(place, _shown(value, shape), text))
        if not simple:
            for key, item in value.items():
                if item is not None:
                    inner(item, (place, key, True), found)

    return check


def _any_wrong(inner: Check, value: dict[str, Json], place: Place) -> bool:
    wrong: list[Violation] = []
    for item in value.values():
        if item is None:
            return True
        inner(item, place, wrong)
    return bool(wrong)


def _scalar(shape: Shape, _: dict[str, Check]) -> Check:
    limits, wanted = _limits(shape), _JSON_TYPES.get(shape.type_name)

    def check(value: Json, place: Place, found: list[Violation]) -> None:
        if wanted is not None and (type(value) is bool or not isinstance(value, wanted)):
            _typed(value, shape)
        if limits:
            _limit(limits, value, shape, place, found)

    return check


def _limit(limits: list["Limit"], value: Json, shape: Shape, place: Place, found: list[Violation]) -> None:
    for text, holds in limits:
        if not holds(value):
            found.append(_violation(place, _shown(value, shape), text))


def _violation(place: Place, value: str | None, constraint: str) -> Violation:
    return Violation(_path(place), value, constraint, _names(place))


def _shown(value: Json, shape: Shape) -> str | None:
    return None if shape.metadata.get("sensitive") else render(value, shape)


Limit = tuple[str, Callable[[Json], bool]]


def _limits(shape: Shape) -> list[Limit]:
    """Return the limits of a shape itself: enum, pattern, and range of its value or length."""
    found: list[Limit] = []
    facts, kind = shape.metadata, shape.type_name
    if kind == "string" and getattr(shape, "enum", None):
        allowed = frozenset(shape.enum)
        found.append((f"Member must satisfy enum value set: [{', '.join(shape.enum)}]", allowed.__contains__))
    if kind == "string" and facts.get("pattern"):
        fits = compiled(facts["pattern"]).fullmatch
        text = f"Member must satisfy regular expression pattern: {facts['pattern']}"
        found.append((text, lambda value: fits(value) is not None))
    if kind in ("integer", "long", "float", "double"):
        found += _range(facts, "value", _number)
    elif kind in ("string", "list", "map"):
        found += _range(facts, "length", len)
    elif kind == "blob":
        found += _range(facts, "length", _bytes)
    return found


def _range(facts: dict[str, Any], what: str, measure: Callable[[Json], float]) -> list[Limit]:
    found: list[Limit] = []
    if "max" in facts:
        most = facts["max"]
        found.append((f"Member must have {what} less than or equal to {most}", lambda value: measure(value) <= most))
    if "min" in facts:
        least = facts["min"]
        text = f"Member must have {what} greater than or equal to {least}"
        found.append((text, lambda value: measure(value) >= least))
    return found


def _number(value: Json) -> float:
    return float(value) if isinstance(value, str) else value


def _bytes(value: Json) -> int:
    """Return the number of bytes of a blob, which is base64 in JSON."""
    return len(value) if isinstance(value, bytes) else len(value) * 3 // 4 - value[-2:].count("=")


_MAKERS: dict[str, Callable[[Shape, dict[str, Check]], Check]] = {"structure": _structure, "list": _list, "map": _map}
