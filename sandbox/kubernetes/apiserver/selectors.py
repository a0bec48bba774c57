"""Label and field selectors of list and watch requests."""

import re
from collections.abc import Callable

from sandbox.kubernetes.apiserver.documents import Object
from sandbox.kubernetes.apiserver.errors import BadRequestError

Predicate = Callable[[Object], bool]

_SET = re.compile(r"(\S+)\s+(in|notin)\s+\(([^)]*)\)")
_EQUAL = re.compile(r"([^=!\s]+)\s*(==|=|!=)\s*([^=!\s]*)")
_EXISTS = re.compile(r"(!?)\s*([^=!\s()]+)")
_COMMA_OUTSIDE_PARENTHESES = re.compile(r",(?![^(]*\))")


def parse(labels: str, fields: str) -> Predicate:
    """Return a predicate for objects from a `labelSelector` and a `fieldSelector`, either of which may be empty.

    Raises:
        BadRequestError: A term is malformed, or a field selector is on a field other than name and namespace.

    Example:
        >>> selected = parse("app=credit,tier notin (test, dev)", "metadata.name=m")
        >>> selected({"metadata": {"name": "m", "labels": {"app": "credit"}}})
        True
    """
    tests = [_label_test(term) for term in _terms(labels)] + [_field_test(term) for term in _terms(fields)]
    return lambda thing: all(test(thing) for test in tests)


def _terms(text: str) -> list[str]:
    return [term.strip() for term in _COMMA_OUTSIDE_PARENTHESES.split(text) if term.strip()]


def _label_test(term: str) -> Predicate:
    if match := _SET.fullmatch(term):
        key, wanted, values = match[1], match[2] == "in", {v.strip() for v in match[3].split(",")}
        return lambda thing: (_labels(thing).get(key) in values) == wanted
    if match := _EQUAL.fullmatch(term):
        key, wanted, value = match[1], match[2] != "!=", match[3]
        return lambda thing: (_labels(thing).get(key) == value) == wanted
    if match := _EXISTS.fullmatch(term):
        key, wanted = match[2], not match[1]
        return lambda thing: (key in _labels(thing)) == wanted
    raise BadRequestError(f"unable to parse requirement: {term!r}")


def _field_test(term: str) -> Predicate:
    match = _EQUAL.fullmatch(term)
    if not match or match[1] not in ("metadata.name", "metadata.namespace"):
        raise BadRequestError(f"field label not supported: {term!r}")
    key, wanted, value = match[1].removeprefix("metadata."), match[2] != "!=", match[3]
    return lambda thing: (thing["metadata"].get(key, "") == value) == wanted


def _labels(thing: Object) -> dict[str, str]:
    return thing["metadata"].get("labels") or {}
