"""Label and field selectors of list and watch requests."""

import re
from collections.abc import Callable

from sandbox.kubernetes.apiserver.documents import Json, Object
from sandbox.kubernetes.apiserver.errors import BadRequestError

Predicate = Callable[[Object], bool]

_SET = re.compile(r"(\S+)\s+(in|notin)\s+\(([^)]*)\)")
_EQUAL = re.compile(r"([^=!\s]+)\s*(==|=|!=)\s*([^=!\s]*)")
_EXISTS = re.compile(r"(!?)\s*([^=!\s()]+)")
_COMMA_OUTSIDE_PARENTHESES = re.compile(r",(?![^(]*\))")


# Fields that can be selected besides name and namespace; all others are refused.
FIELDS = {
    "events": (
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
    "pods": ("spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "status.phase"),
    "namespaces": ("status.phase",),
}
_PLACES = {"source": "source.component"}


def parse(labels: str, fields: str, plural: str = "") -> Predicate:
    """Return a predicate for objects from a `labelSelector` and a `fieldSelector`, either of which may be empty.

    Args:
        labels: The label selector.
        fields: The field selector.
        plural: The resource; some have fields that can be selected besides name and namespace.

    Raises:
        BadRequestError: A term is malformed, or a field cannot be selected.

    Example:
        >>> selected = parse("app=credit,tier notin (test, dev)", "metadata.name=m")
        >>> selected({"metadata": {"name": "m", "labels": {"app": "credit"}}})
        True
    """
    tests = [_label_test(term) for term in _terms(labels)] + [_field_test(term, plural) for term in _terms(fields)]
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


def _field_test(term: str, plural: str) -> Predicate:
    match = _EQUAL.fullmatch(term)
    if not match:
        raise BadRequestError(f"invalid selector: '{term}'; can't understand '{term}'")
    if match[1] not in ("metadata.name", "metadata.namespace", *FIELDS.get(plural, ())):
        raise BadRequestError(f"field label not supported: {match[1]}")
    path, wanted, value = _PLACES.get(match[1], match[1]).split("."), match[2] != "!=", match[3]
    return lambda thing: (_at(thing, path) == value) == wanted


def _at(thing: Object, path: list[str]) -> str:
    found: Json = thing
    for name in path:
        found = (found or {}).get(name)
    return str(found or "")


def _labels(thing: Object) -> dict[str, str]:
    return thing["metadata"].get("labels") or {}
