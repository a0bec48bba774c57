"""Label and field selectors of list and watch requests."""

import re
from collections.abc import Callable, Iterator

from sandbox.kubernetes.apiserver.documents import Json, Object
from sandbox.kubernetes.apiserver.errors import BadRequestError
from sandbox.kubernetes.apiserver.syntax import VALUE, qualified_faults

Predicate = Callable[[Object], bool]

_TOKEN = re.compile(r"\s*(==|!=|[=!<>(),]|[^=!<>(),\s]+|$)")
_SYMBOLS = ("==", "!=", "=", "!", "<", ">", "(", ")", ",", "")
_EQUAL = re.compile(r"([^=!\s]+)\s*(==|=|!=)\s*([^=!\s]*)")
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
    "inferenceservices": (),
}
_PLACES = {"source": "source.component"}


def parse(labels: str, fields: str, plural: str = "inferenceservices") -> Predicate:
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
    terms = [term.strip() for term in fields.split(",") if term.strip()]
    tests = [*_Parser(labels).requirements(), *(_field_test(term, plural) for term in terms)]
    return lambda thing: all(test(thing) for test in tests)


class _Parser:
    """Reads a label selector, token by token."""

    def __init__(self, text: str) -> None:
        self._tokens = [match[1] for match in _TOKEN.finditer(text)] + ["", ""]
        self._at = 0

    def requirements(self) -> Iterator[Predicate]:
        """Yield a test for each requirement."""
        if self._next and not self._starts():
            raise _unexpected(self._next, "!, identifier, or 'end of string'")
        while self._next:
            try:
                yield self._requirement()
            except BadRequestError as error:
                raise BadRequestError(f"unable to parse requirement: {error}") from error
            if self._next not in ("", ","):
                raise _unexpected(self._next, "',' or 'end of string'")
            if self._take() and not self._starts():
                raise _unexpected(self._next, "identifier after ','")

    @property
    def _next(self) -> str:
        return self._tokens[self._at]

    def _take(self) -> str:
        token = self._next
        self._at += 1
        return token

    def _starts(self) -> bool:
        return self._next == "!" or self._next not in _SYMBOLS

    def _requirement(self) -> Predicate:
        absent = self._next == "!" and bool(self._take())
        if self._next in _SYMBOLS:
            raise _unexpected(self._next, "identifier")
        key = self._take()
        if faults := list(qualified_faults(key)):
            raise BadRequestError(f'invalid label key "{key}": {"; ".join(faults)}')
        if absent or self._next in ("", ","):
            return lambda thing: (key in _labels(thing)) != absent
        operator = self._take()
        if operator not in ("=", "==", "!=", "in", "notin"):
            raise _unexpected(operator, "in, notin, =, ==, !=, gt, lt")
        values = self._set() if operator in ("in", "notin") else {self._value()}
        for value in sorted(values):
            for fault in VALUE.faults(value):
                raise BadRequestError(f'invalid label value: "{value}": at key: "{key}": {fault}')
        wanted = operator not in ("!=", "notin")
        return lambda thing: (_labels(thing).get(key) in values) == wanted

    def _value(self) -> str:
        if self._next in ("", ","):
            return ""
        if self._next in _SYMBOLS:
            raise _unexpected(self._next, "identifier")
        return self._take()

    def _set(self) -> set[str]:
        if self._take() != "(":
            raise BadRequestError(f"found '{self._tokens[self._at - 1]}' expected: '('")
        values = {self._value()}
        while self._next == ",":
            self._take()
            values.add("" if self._next == ")" else self._value())
        if self._next != ")":
            raise _unexpected(self._next, "',' or ')'")
        self._take()
        return values


def _unexpected(token: str, expected: str) -> BadRequestError:
    return BadRequestError(f"found '{token}', expected: {expected}")


def _field_test(term: str, plural: str) -> Predicate:
    match = _EQUAL.fullmatch(term)
    if not match:
        raise BadRequestError(f"invalid selector: '{term}'; can't understand '{term}'")
    known = ("metadata.name", "metadata.namespace", *FIELDS.get(plural, ()))
    if match[1] not in known and plural in FIELDS:
        raise BadRequestError(f"field label not supported: {match[1]}")
    if match[1] not in known:
        only = '"metadata.name", "metadata.namespace"'
        raise BadRequestError(f'"{match[1]}" is not a known field selector: only {only}')
    path, wanted, value = _PLACES.get(match[1], match[1]).split("."), match[2] != "!=", match[3]
    return lambda thing: (_at(thing, path) == value) == wanted


def _at(thing: Object, path: list[str]) -> str:
    found: Json = thing
    for name in path:
        found = (found or {}).get(name)
    return str(found or "")


def _labels(thing: Object) -> dict[str, str]:
    return thing["metadata"].get("labels") or {}
