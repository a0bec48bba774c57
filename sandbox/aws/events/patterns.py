"""EventBridge's event patterns: checked when they are written, matched against events."""

import ipaddress
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

Json = Any
_TOO_COMPLEX = 5  # wildcards that the same character follows
MISSING = object()


class PatternError(ValueError):
    """A pattern is not valid; the message is EventBridge's reason."""


Matcher = Callable[[Json], bool]


def parse(text: str | None) -> dict[str, Json]:
    """Read and check a pattern.

    Raises:
        PatternError: EventBridge refuses it.
    """
    if not text:
        return {}
    try:
        found = json.loads(text)
    except ValueError as error:
        raise PatternError(f"Unrecognized token or unexpected character: {error}") from error
    if not isinstance(found, dict):
        raise PatternError("Filter is not an object")
    check(found)
    return found


def check(pattern: dict[str, Json]) -> None:
    """Check a pattern and what it contains.

    Raises:
        PatternError: EventBridge refuses it.
    """
    for name, value in pattern.items():
        if name == "$or" and isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            for item in value:
                check(item)
        elif isinstance(value, dict):
            if not value:
                raise PatternError("Empty objects are not allowed")
            check(value)
        elif isinstance(value, list):
            if not value:
                raise PatternError("Empty arrays are not allowed")
            for item in value:
                matcher(item)
        else:
            raise PatternError(f'"{name}" must be an object or an array')


def matches(pattern: dict[str, Json], event: Json) -> bool:
    """Return whether an event matches a pattern.

    Example:
        >>> matches({"detail": {"n": [{"numeric": [">", 4]}]}}, {"detail": {"n": 5}})
        True
    """
    return all(_field(name, value, event) for name, value in pattern.items())


def _field(name: str, wanted: Json, event: Json) -> bool:
    if name == "$or" and isinstance(wanted, list):
        return any(matches(item, event) for item in wanted)
    value = _get(event, name)
    if isinstance(wanted, dict):
        # Of an array of objects, one must match the whole of the inner pattern.
        return any(matches(wanted, item) for item in value) if isinstance(value, list) else matches(wanted, value)
    return any(_leaf(item, value) for item in wanted)


def _get(event: Json, name: str) -> Json:
    """Return a field; a dot in a name, of the event or of the pattern, is the same as a step into an object."""
    if not isinstance(event, dict):
        return MISSING
    if name in event:
        return event[name]
    first, dot, rest = name.partition(".")
    if dot and first in event:
        return _get(event[first], rest)
    inner = {key[len(name) + 1 :]: value for key, value in event.items() if key.startswith(f"{name}.")}
    return inner or MISSING


def _leaf(wanted: Json, value: Json) -> bool:
    if isinstance(wanted, dict) and set(wanted) == {"exists"}:
        present = value is not MISSING and not isinstance(value, dict) and value != []
        return present is wanted["exists"]
    holds = matcher(wanted)
    if isinstance(value, list):
        return any(holds(item) for item in value)
    return value is not MISSING and holds(value)


def matcher(wanted: Json) -> Matcher:
    """Return the test of one value of a pattern.

    Raises:
        PatternError: EventBridge refuses it.
    """
    if not isinstance(wanted, dict):
        if isinstance(wanted, list):
            raise PatternError("Match value must be String, number, true, false, or null")
        return lambda value: _same(value, wanted)
    if len(wanted) != 1:
        raise PatternError("Only one key allowed in match expression")
    ((kind, given),) = wanted.items()
    if kind not in _KINDS:
        raise PatternError(f"Unrecognized match type {kind}")
    return _KINDS[kind](given)


def _same(value: Json, wanted: Json) -> bool:
    if _is_number(value) and _is_number(wanted):
        return bool(value == wanted)
    return type(value) is type(wanted) and bool(value == wanted)


def _text(kind: str, value: Json) -> str:
    if not isinstance(value, str):
        raise PatternError(f"{kind} match pattern must be a string")
    return value


def _affix(kind: str) -> Callable[[Json], Matcher]:
    def make(given: Json) -> Matcher:
        if isinstance(given, dict) and set(given) == {"equals-ignore-case"}:
            wanted = _text("equals-ignore-case", given["equals-ignore-case"]).lower()
            return lambda value: isinstance(value, str) and _has(kind, value.lower(), wanted)
        text = _text(kind, given)
        return lambda value: isinstance(value, str) and _has(kind, value, text)

    return make


def _has(kind: str, value: str, part: str) -> bool:
    return value.startswith(part) if kind == "prefix" else value.endswith(part)


def _ignoring_case(given: Json) -> Matcher:
    wanted = _text("equals-ignore-case", given).lower()
    return lambda value: isinstance(value, str) and value.lower() == wanted


def _wildcard(given: Json) -> Matcher:
    text = _text("wildcard", given)
    if "**" in text:
        raise PatternError(f"Consecutive wildcard characters at pos {text.index('**') + 1}")
    parts = text.split("*")
    followers = Counter(part[0] for part in parts[1:] if part)
    if followers and max(followers.values()) >= _TOO_COMPLEX:
        raise PatternError(
            "Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences after a "
            "wildcard character"
        )

    def holds(value: Json) -> bool:
        if not isinstance(value, str) or len(parts) == 1:
            return bool(value == text)
        if not value.startswith(parts[0]) or not value[len(parts[0]) :].endswith(parts[-1]):
            return False
        position, end = len(parts[0]), len(value) - len(parts[-1])
        for part in parts[1:-1]:
            found = value.find(part, position, end)
            if found < 0:
                return False
            position = found + len(part)
        return position <= end

    return holds


_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "=": lambda value, bound: value == bound,
    "<": lambda value, bound: value < bound,
    "<=": lambda value, bound: value <= bound,
    ">": lambda value, bound: value > bound,
    ">=": lambda value, bound: value >= bound,
}


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _numeric(given: Json) -> Matcher:
    if not isinstance(given, list):
        raise PatternError("Value of numeric must be an array.")
    if not given:
        raise PatternError("Invalid member in numeric match: ]")
    tests = []
    for operator, bound in zip(given[::2], [*given[1::2], None], strict=False):
        if operator not in _COMPARISONS:
            raise PatternError(f"Unrecognized numeric range operator: {operator}")
        if not _is_number(bound):
            raise PatternError(f"Value of {operator} must be numeric")
        tests.append((_COMPARISONS[operator], bound))
    _check_range(given[::2])
    return lambda value: _is_number(value) and all(compare(value, bound) for compare, bound in tests)


def _check_range(operators: list[str]) -> None:
    """Refuse more than one comparison, except a range: `>` or `>=`, and then `<` or `<=`."""
    if len(operators) == 1:
        return
    if not operators[0].startswith(">") or len(operators) > 2:
        raise PatternError("Too many elements in numeric expression")
    if not operators[1].startswith("<"):
        raise PatternError(f"Bad numeric range operator: {operators[1]}")


def _anything_but(given: Json) -> Matcher:
    if isinstance(given, dict):
        return _anything_but_expression(given)
    values = given if isinstance(given, list) else [given]
    if not values:
        raise PatternError("Empty arrays are not allowed")
    if any(isinstance(value, bool | list | dict) or value is None for value in values):
        if isinstance(given, list):
            raise PatternError("Inside anything but list, start|null|boolean is not supported.")
        raise PatternError("Value of anything-but must be an array or single string/number value.")
    return lambda value: not any(_same(value, item) for item in values)


def _anything_but_expression(given: dict[str, Json]) -> Matcher:
    if len(given) != 1:
        raise PatternError("Only one key allowed in match expression")
    ((kind, inner),) = given.items()
    if kind not in ("prefix", "suffix", "equals-ignore-case", "wildcard"):
        raise PatternError(f"Unsupported anything-but pattern: {kind}")
    values = inner if isinstance(inner, list) else [inner]
    if kind in ("prefix", "suffix"):
        if any(isinstance(value, dict) for value in values):
            raise PatternError("Value of anything-but must be an array or single string/number value.")
        if not all(isinstance(value, str) for value in values):
            raise PatternError("prefix/suffix match pattern must be a string")
        if not all(values):
            raise PatternError("Null prefix/suffix not allowed")
    elif not all(isinstance(value, str) for value in values):
        raise PatternError(f"Inside anything-but/{kind} list, number|start|null|boolean is not supported.")
    tests = [_KINDS[kind](value) for value in values]
    return lambda value: not any(holds(value) for holds in tests)


def _exists(given: Json) -> Matcher:
    if not isinstance(given, bool):
        raise PatternError("exists match pattern must be either true or false.")
    return lambda value: (value is not MISSING) is given


def _cidr(given: Json) -> Matcher:
    text = _text("cidr", given)
    address, slash, bits = text.partition("/")
    if not slash or "/" in bits:
        raise PatternError("Malformed CIDR, one '/' required")
    if not bits.isdigit():
        raise PatternError("Malformed CIDR, mask bits must be an integer")
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise PatternError(f"Nonstandard IP address: {address}") from error

    def holds(value: Json) -> bool:
        try:
            return ipaddress.ip_address(value) in network
        except ValueError:
            return False

    return holds


_KINDS: dict[str, Callable[[Json], Matcher]] = {
    "prefix": _affix("prefix"),
    "suffix": _affix("suffix"),
    "equals-ignore-case": _ignoring_case,
    "wildcard": _wildcard,
    "numeric": _numeric,
    "anything-but": _anything_but,
    "exists": _exists,
    "cidr": _cidr,
}
