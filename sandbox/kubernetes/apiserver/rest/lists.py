"""Lists in pages: `limit` and `continue`, each page of the same moment."""

import base64
import json

from aiohttp import web

from sandbox.kubernetes.apiserver.documents import Object
from sandbox.kubernetes.apiserver.errors import BadRequestError, ExpiredError, FieldError, UnknownError
from sandbox.kubernetes.apiserver.resources import ResourceType
from sandbox.kubernetes.apiserver.rest.request import option_fault
from sandbox.kubernetes.apiserver.selectors import parse
from sandbox.kubernetes.apiserver.store import Store

TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter."
)


class ExpiredPageError(ExpiredError):
    """The moment that a page belongs to is no longer in the history; a new token continues without it."""

    def __init__(self, token: str) -> None:
        super().__init__(TOO_OLD)
        self.token = token

    def status(self) -> Object:
        """Return the `Status`, with the new token."""
        return {**super().status(), "metadata": {"continue": self.token}}


def page(store: Store, resource: ResourceType, request: web.Request) -> Object:
    """Return the list that a request asks for."""
    query = request.query
    _check_match(query.get("resourceVersionMatch", ""), query.get("resourceVersion", ""), query.get("continue", ""))
    selecting = bool(query.get("labelSelector") or query.get("fieldSelector"))
    matches = parse(query.get("labelSelector", ""), query.get("fieldSelector", ""), resource.plural)
    limit = _limit(query.get("limit", ""))
    version, start = _position(store, query.get("continue", ""), query.get("resourceVersion", ""))
    things = store.at(resource, version, request.match_info.get("namespace", ""))
    left = [thing for thing in things if _key(thing) >= start and matches(thing)]
    items = left[:limit] if limit > 0 else left
    metadata: Object = {**({"continue": ""} if resource.custom else {}), "resourceVersion": str(version)}
    if len(items) < len(left):
        metadata["continue"] = _token(version, _key(items[-1]) + "\0")
        if not selecting:
            metadata["remainingItemCount"] = len(left) - len(items)
    return {
        "apiVersion": resource.api_version,
        "kind": f"{resource.kind}List",
        "metadata": metadata,
        "items": items if resource.custom else [_untyped(thing) for thing in items],
    }


def _untyped(thing: Object) -> Object:
    """Return an item of a list of a built-in type: Go leaves out what the list says already."""
    return {key: value for key, value in thing.items() if key not in ("apiVersion", "kind")}


def _check_match(match: str, version: str, token: str) -> None:
    """Raise unless the rule for the list's version fits the other options."""
    if not match:
        return
    place = "resourceVersionMatch"
    if match not in ("Exact", "NotOlderThan"):
        text = f'Unsupported value: "{match}": supported values: "Exact", "NotOlderThan", ""'
        raise option_fault("GET", FieldError(place, "FieldValueNotSupported", text))
    text = ""
    if not version:
        text = f"{place} is forbidden unless resourceVersion is provided"
    elif token:
        text = f"{place} is forbidden when continue is provided"
    elif match == "Exact" and version == "0":
        text = f'{place} "exact" is forbidden for resourceVersion "0"'
    if text:
        raise option_fault("GET", FieldError(place, "FieldValueForbidden", f"Forbidden: {text}"))


def _key(thing: Object) -> str:
    return f"{thing['metadata'].get('namespace', '')}/{thing['metadata']['name']}"


def _limit(text: str) -> int:
    try:
        return int(text or 0)
    except ValueError as error:
        raise BadRequestError(f'strconv.ParseInt: parsing "{text}": invalid syntax') from error


def _position(store: Store, token: str, version: str) -> tuple[int, str]:
    """Return the moment and the first key of a page."""
    if not token:
        if version not in ("", "0"):
            store.check_future(number(version))
        return store.version, ""
    if version not in ("", "0"):
        raise BadRequestError("specifying resource version is not allowed when using continue")
    try:
        found = json.loads(base64.urlsafe_b64decode(token + "=="))
        moment, start = int(found["rv"]), str(found["start"])
    except (ValueError, KeyError, TypeError) as error:
        raise BadRequestError(f"invalid continue token: continue key is not valid: {_fault(token)}") from error
    if moment == -1:
        return store.version, start
    try:
        store.check_version(moment)
    except ExpiredError as error:
        raise ExpiredPageError(_token(-1, start)) from error
    return moment, start


def _fault(token: str) -> str:
    """Return what Go says of a token that it cannot read."""
    try:
        raw = base64.urlsafe_b64decode(token + "==")
    except ValueError:
        return "illegal base64 data at input byte 0"
    if not raw:
        return "unexpected end of JSON input"
    first = chr(raw[0]) if chr(raw[0]).isprintable() and raw[0] < 0x80 else f"\\u{raw[0]:04x}"
    return f"invalid character '{first}' looking for beginning of value"


def number(version: str) -> int:
    """Return a resourceVersion as a number.

    Raises:
        UnknownError: It is not one.
    """
    if not version.isdigit():
        text = f'strconv.ParseUint: parsing "{version}": invalid syntax'
        raise UnknownError(f"resourceVersion: Invalid value: {json.dumps(version)}: {text}")
    return int(version)


def _token(version: int, start: str) -> str:
    content = json.dumps({"v": "meta.k8s.io/v1", "rv": version, "start": start}, separators=(",", ":"))
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")
