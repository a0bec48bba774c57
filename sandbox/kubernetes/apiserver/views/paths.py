"""The JSON paths that printer columns use: fields, and list items by a condition."""

import re
from collections.abc import Iterator

from sandbox.kubernetes.apiserver.documents import Json, Object

_STEP = re.compile(r"\.(?P<field>[\w-]+)|\[\?\(@\.(?P<key>\w+)==(?P<value>'[^']*'|\w+)\)\]")


def first(thing: Object, path: str) -> Json:
    """Return the first value at a path, or None.

    >>> first({"c": [{"type": "A", "s": 1}, {"type": "B", "s": 2}]}, ".c[?(@.type=='B')].s")
    2
    """
    return next(_find(thing, path), None)


def _find(thing: Object, path: str) -> Iterator[Json]:
    values: list[Json] = [thing]
    for step in _STEP.finditer(path):
        if step["field"]:
            values = [value[step["field"]] for value in values if isinstance(value, dict) and step["field"] in value]
        else:
            wanted = _literal(step["value"])
            items = [item for value in values if isinstance(value, list) for item in value]
            values = [item for item in items if isinstance(item, dict) and item.get(step["key"]) == wanted]
    yield from values


def _literal(text: str) -> Json:
    if text.startswith("'"):
        return text.strip("'")
    return {"true": True, "false": False}.get(text, int(text) if text.isdigit() else text)
