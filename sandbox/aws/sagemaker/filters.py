"""DataProcessing of a batch transform: InputFilter, JoinSource and OutputFilter over CSV and JSON Lines records."""

import csv
import io
import json
import re
from collections.abc import Callable
from typing import Any

from sandbox.aws.errors import JobError

Record = Any
_STEP = re.compile(
    r"\.(?P<name>\w+)|\['(?P<key>[^']*)'\]|\[(?P<many>-?\d+(?:,-?\d+)+)\]|\[(?P<slice>[-\d]*:[-\d]*)\]|\[(?P<index>-?\d+)\]"
)


def compile_path(path: str) -> Callable[[Record], Record]:
    """Compile SageMaker's subset of JSONPath: `$`, `$.a.b`, `$['a']`, `$[1]`, `$[1:]`, `$[0,2]`.

    Raises:
        JobError: The expression is not in that subset.

    Example:
        >>> compile_path("$[1:]")(["id-7", 0.25, 3])
        [0.25, 3]
    """
    if not path.startswith("$"):
        raise JobError(f"ClientError: filter {path!r} is not a JSONPath: it starts with $")
    steps, position = [], 1
    while position < len(path):
        found = _STEP.match(path, position)
        if not found:
            raise JobError(f"ClientError: filter {path!r} cannot be read at {path[position:]!r}")
        steps.append(_step(found))
        position = found.end()

    def apply(record: Record) -> Record:
        for step in steps:
            try:
                record = step(record)
            except (KeyError, IndexError, TypeError) as error:
                raise JobError(f"ClientError: filter {path} does not apply to a record: {error!r}") from error
        return record

    return apply


def _step(found: re.Match[str]) -> Callable[[Record], Record]:
    name = found["name"] or found["key"]
    if name is not None:
        return lambda record: record[name]
    if found["many"]:
        wanted = [int(item) for item in found["many"].split(",")]
        return lambda record: [record[item] for item in wanted]
    if found["slice"]:
        start, end = (int(item) if item else None for item in found["slice"].split(":"))
        return lambda record: record[start:end]
    index = int(found["index"])
    return lambda record: record[index]


class RecordFilters:
    """Filters before and after the model, for one content type.

    Args:
        settings: The job's `DataProcessing`.
        content_type: Content type of the input; CSV and JSON (Lines) can be processed.

    Raises:
        JobError: The job asks for filters on another content type.
    """

    def __init__(self, settings: dict[str, Any], content_type: str) -> None:
        self.active = bool(settings) and settings != {"JoinSource": "None"}
        self._csv = "csv" in content_type
        if self.active and not (self._csv or "json" in content_type):
            raise JobError(f"ClientError: DataProcessing works on CSV and JSON, not on {content_type!r}")
        self._input = compile_path(settings.get("InputFilter", "$"))
        self._output = compile_path(settings.get("OutputFilter", "$"))
        self._join = settings.get("JoinSource", "None") == "Input"

    def before(self, lines: list[str]) -> list[str]:
        """Filter the records to send."""
        return [self._write(self._input(self._read(line))) for line in lines] if self.active else lines

    def after(self, sent: list[str], answer: bytes) -> bytes:
        """Join the answers to their inputs and filter the result.

        Raises:
            JobError: The numbers of records differ.
        """
        if not self.active:
            return answer
        outputs = [line for line in answer.decode().splitlines() if line.strip()]
        if self._join and len(outputs) != len(sent):
            raise JobError(f"ClientError: {len(sent)} input records cannot be joined to {len(outputs)} output records")
        joined = (
            [self._joined(source, output) for source, output in zip(sent, outputs, strict=True)]
            if self._join
            else [self._read(line) for line in outputs]
        )
        return "\n".join(self._write(self._output(record)) for record in joined).encode()

    def _joined(self, source: str, output: str) -> Record:
        left, right = self._read(source), self._read(output)
        if self._csv:
            return [*left, *right]
        base = left if isinstance(left, dict) else {"SageMakerInput": left}
        return {**base, "SageMakerOutput": right}

    def _read(self, line: str) -> Record:
        if self._csv:
            return next(csv.reader([line]), [])
        try:
            return json.loads(line)
        except json.JSONDecodeError as error:
            raise JobError(f"ClientError: record {line[:80]!r} is not JSON: {error}") from error

    def _write(self, record: Record) -> str:
        if not self._csv:
            return json.dumps(record)
        text = io.StringIO()
        csv.writer(text, lineterminator="").writerow(record if isinstance(record, list) else [record])
        return text.getvalue()
