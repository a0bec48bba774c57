"""DataProcessing of a batch transform: InputFilter, JoinSource and OutputFilter over CSV and JSON Lines records."""

import csv
import io
import json
from typing import Any

from sandbox.aws.errors import JobError
from sandbox.aws.sagemaker.paths import Record, compile_path


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

    def before(self, lines: list[bytes], body: bytes) -> bytes:
        """Filter what is to be sent: the records, or the whole JSON document if it is not split.

        Args:
            lines: The records; none if the object is sent whole.
            body: The request without filters.
        """
        if not self.active:
            return body
        if not lines:
            return body if self._csv else self._write(self._input(self._read(body))).encode()
        return "".join(self._write(self._input(self._read(line))) + "\n" for line in lines).encode()

    def after(self, sent: list[bytes], body: bytes, answer: bytes) -> bytes:
        """Join the answers to their inputs and filter the result.

        Raises:
            JobError: The numbers of records differ.
        """
        if not self.active or (self._csv and not sent):
            return answer
        inputs = sent or [body]
        outputs = [line for line in answer.split(b"\n") if line.strip()] if sent else [answer]
        if self._join and len(outputs) != len(inputs):
            raise JobError(
                f"ClientError: {len(inputs)} input records cannot be joined to {len(outputs)} output records"
            )
        joined = (
            [self._joined(source, output) for source, output in zip(inputs, outputs, strict=True)]
            if self._join
            else [self._read(line) for line in outputs]
        )
        return "\n".join(self._write(self._output(record)) for record in joined).encode()

    def _joined(self, source: bytes, output: bytes) -> Record:
        left, right = self._read(source), self._read(output)
        if self._csv:
            return [*left, *right]
        base = left if isinstance(left, dict) else {"SageMakerInput": left}
        return {**base, "SageMakerOutput": right}

    def _read(self, line: bytes) -> Record:
        try:
            text = line.decode()
            return next(csv.reader([text.removesuffix("\r")]), []) if self._csv else json.loads(text)
        except ValueError as error:
            kind = "UTF-8 text" if self._csv else "JSON"
            raise JobError(f"ClientError: record {line[:80]!r} is not {kind}: {error}") from error

    def _write(self, record: Record) -> str:
        if not self._csv:
            return json.dumps(record)
        text = io.StringIO()
        csv.writer(text, lineterminator="").writerow(record if isinstance(record, list) else [record])
        return text.getvalue()
