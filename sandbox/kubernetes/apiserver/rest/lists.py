"""Lists in pages: `limit` and `continue`, each page of the same moment."""

import base64
import json

from aiohttp import web

from sandbox.kubernetes.apiserver.documents import Object
from sandbox.kubernetes.apiserver.errors import BadRequestError, ExpiredError
from sandbox.kubernetes.apiserver.resources import ResourceType
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
    selecting = bool(query.get("labelSelector") or query.get("fieldSelector"))
    matches = parse(query.get("labelSelector", ""), query.get("fieldSelector", ""), resource.plural)
    limit = _limit(query.get("limit", ""))
    version, start = _position(store, query.get("continue", ""), query.get("resourceVersion", ""))
    things = store.at(resource, version, request.match_info.get("namespace", ""))
    left = [thing for thing in things if _key(thing) >= start and matches(thing)]
    items = left[:limit] if limit else left
    metadata: Object = {"resourceVersion": str(version)}
    if len(items) < len(left):
        metadata["continue"] = _token(version, _key(items[-1]) + "\0")
        if not selecting:
            metadata["remainingItemCount"] = len(left) - len(items)
    return {
        "apiVersion": resource.api_version,
        "kind": f"{resource.kind}List",
        "metadata": metadata,
        "items": items,
    }


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
        raise BadRequestError("continue key is not valid: the token cannot be read") from error
    if moment == -1:
        return store.version, start
    try:
        store.check_version(moment)
    except ExpiredError as error:
        raise ExpiredPageError(_token(-1, start)) from error
    return moment, start


def number(version: str) -> int:
    """Return a resourceVersion as a number.

    Raises:
        BadRequestError: It is not one.
    """
    if not version.isdigit():
        text = f'strconv.ParseUint: parsing "{version}": invalid syntax'
        raise BadRequestError(f"resourceVersion: Invalid value: {json.dumps(version)}: {text}")
    return int(version)


def _token(version: int, start: str) -> str:
    content = json.dumps({"v": "meta.k8s.io/v1", "rv": version, "start": start}, separators=(",", ":"))
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")
