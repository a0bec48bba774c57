"""Paths of fields, sets of them, and their form in `managedFields`."""

import json
from collections.abc import Iterable
from typing import Any, TypeAlias

# Elements as `fieldsV1` writes them: `f:name` of a field, `k:{…}` of a list item by its keys, `v:…` by its value.
Path: TypeAlias = tuple[str, ...]
FieldSet: TypeAlias = frozenset[Path]
Tree: TypeAlias = dict[str, Any]

MEMBER = "."


def to_fields(paths: Iterable[Path]) -> Tree:
    """Return a set of paths as `fieldsV1`.

    >>> to_fields({("f:spec",), ("f:spec", "f:replicas")})
    {'f:spec': {'.': {}, 'f:replicas': {}}}
    """
    root: Tree = {}
    members = set(paths)
    for path in sorted(members):
        node = root
        for depth, element in enumerate(path, start=1):
            node = node.setdefault(element, {})
            if depth < len(path) and path[:depth] in members:
                node.setdefault(MEMBER, {})
    return root


def from_fields(tree: Tree, prefix: Path = ()) -> FieldSet:
    """Return the set of paths that `fieldsV1` stands for.

    >>> sorted(from_fields({"f:spec": {".": {}, "f:replicas": {}}}))
    [('f:spec',), ('f:spec', 'f:replicas')]
    """
    found: set[Path] = set()
    for element, inner in tree.items():
        path = prefix if element == MEMBER else (*prefix, element)
        if element == MEMBER or not inner:
            found.add(path)
        found |= from_fields(inner, path)
    return frozenset(found)


def readable(path: Path) -> str:
    """Return a path as messages write it.

    >>> readable(("f:spec", 'k:{"name":"a"}', "f:image"))
    '.spec[name="a"].image'
    """
    return "".join(_readable(element) for element in path)


def _readable(element: str) -> str:
    kind, _, rest = element.partition(":")
    if kind == "f":
        return f".{rest}"
    if kind == "v":
        return f"[={rest}]"
    return "[" + ",".join(f"{key}={json.dumps(value)}" for key, value in sorted(json.loads(rest).items())) + "]"


def with_parents(paths: Iterable[Path]) -> FieldSet:
    """Return the paths and all that lead to them."""
    return frozenset(path[:depth] for path in paths for depth in range(1, len(path) + 1))
