"""The subset of JSONPath that SageMaker's data processing takes."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from sandbox.aws.errors import JobError

Record = Any
Step = Callable[[Record], Record]
_STEP = re.compile(r"\.(?P<name>\w+|\*)|\[(?P<parts>[^\]]+)\]")
_PART = re.compile(r"""\s*(?:'(?P<key>[^']*)'|(?P<all>\*)|(?P<start>-?\d*):(?P<end>-?\d*)|(?P<index>-?\d+))\s*""")


def compile_path(path: str) -> Step:
    """Compile a path: `$`, `$.a.b`, `$.*`, `$['a']`, `$['a','b']`, `$[1]`, `$[0,2]`, `$[1:]`, `$[0,5:]`.

    https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform-data-processing.html

    Raises:
        JobError: The expression is not in that subset.

    Example:
        >>> compile_path("$[0,2:]")(["id-7", 0.25, 3, 4])
        ['id-7', 3, 4]
    """
    if not path.startswith("$"):
        raise JobError(f"ClientError: filter {path!r} is not a JSONPath: it starts with $")
    steps = list(_steps(path))

    def apply(record: Record) -> Record:
        for step in steps:
            try:
                record = step(record)
            except (KeyError, IndexError, TypeError) as error:
                raise JobError(f"ClientError: filter {path} does not apply to a record: {error!r}") from error
        return record

    return apply


def _steps(path: str) -> Iterator[Step]:
    position = 1
    while position < len(path):
        found = _STEP.match(path, position)
        parts = _parts(found["parts"]) if found and found["parts"] else None
        if found is None or (found["parts"] and not parts):
            raise JobError(f"ClientError: filter {path!r} cannot be read at {path[position:]!r}")
        yield _selection(parts) if parts else _member(found["name"])
        position = found.end()


def _parts(text: str) -> list[re.Match[str]]:
    """Return what a bracket selects; nothing if it cannot be read."""
    found, position = [], 0
    while True:
        part = _PART.match(text, position)
        if part is None:
            return []
        found.append(part)
        if part.end() == len(text):
            return found
        if text[part.end()] != ",":
            return []
        position = part.end() + 1


def _member(name: str) -> Step:
    return _values if name == "*" else lambda record: record[name]


def _values(record: Record) -> Record:
    return list(record.values()) if isinstance(record, dict) else list(record)


def _selection(parts: list[re.Match[str]]) -> Step:
    if all(part["key"] is not None for part in parts):
        names = [part["key"] for part in parts]
        return (lambda record: record[names[0]]) if len(names) == 1 else lambda record: {n: record[n] for n in names}
    if len(parts) == 1 and parts[0]["index"] is not None:
        index = int(parts[0]["index"])
        return lambda record: _listed(record)[index]
    return lambda record: [value for part in parts for value in _chosen(part, record)]


def _listed(record: Record) -> list[Record]:
    if not isinstance(record, list):
        raise TypeError(f"a position is asked of {type(record).__name__}")
    return record


def _chosen(part: re.Match[str], record: Record) -> list[Record]:
    if part["all"]:
        return list(_values(record))
    if part["key"] is not None:
        return [record[part["key"]]]
    if part["index"] is not None:
        return [_listed(record)[int(part["index"])]]
    start, end = (int(text) if text else None for text in (part["start"], part["end"]))
    return _listed(record)[start:end]
