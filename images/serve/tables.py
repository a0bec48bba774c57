"""SageMaker's `/invocations`: a table of applicants in, their scores out, in Parquet, CSV or JSON Lines."""

import csv
import re
from collections.abc import Callable
from datetime import UTC, datetime

import orjson
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from credit_model.scoring import SCORES_SCHEMA, Scorer
from images.serve.faults import NotAcceptableError, RequestError, UnsupportedTypeError

PARQUET, CSV, JSON_LINES = "application/x-parquet", "text/csv", "application/jsonlines"
ALIASES = {"application/parquet": PARQUET, "application/x-jsonlines": JSON_LINES, "application/json-lines": JSON_LINES}
SCORED_AT = pa.field("scored_at", pa.timestamp("us", tz="UTC"))


def score(body: bytes, scorer: Scorer, *, content_type: str, accept: str) -> tuple[bytes, str]:
    """Score a whole object.

    Args:
        body: the object; CSV needs a header line, JSON Lines holds an applicant a line.
        scorer: the model.
        content_type: of the body; parameters such as a charset are ignored.
        accept: what the client takes; empty or `*/*` for the type it sent.

    Returns:
        The scores (application_id, pd, score, grade, decision, model_version, scored_at), a row an applicant in the
        same order, and their content type.

    Raises:
        RequestError: the body cannot be read.
        InputError: an applicant breaks the contract.
    """
    given = _media_type(content_type)
    if given not in _READERS:
        raise UnsupportedTypeError(f"content type {content_type!r}: send one of {', '.join(_READERS)}")
    wanted = _accepted(accept, given)
    scores = _READERS[given](body, scorer)
    moment = pa.repeat(pa.scalar(datetime.now(UTC), SCORED_AT.type), scores.num_rows)
    return _WRITERS[wanted](scores.append_column(SCORED_AT, moment)), wanted


def _media_type(header: str) -> str:
    plain = header.split(";", maxsplit=1)[0].strip().lower()
    return ALIASES.get(plain, plain)


def _accepted(accept: str, given: str) -> str:
    choices = [_media_type(part) for part in accept.split(",") if part.strip()]
    for choice in choices or ["*/*"]:
        if choice in ("*/*", "application/*", "text/*"):
            return given
        if choice in _WRITERS:
            return choice
    raise NotAcceptableError(f"accept {accept!r}: this route answers {', '.join(_WRITERS)}")


def _score_parquet(body: bytes, scorer: Scorer) -> pa.Table:
    try:
        table = pq.read_table(pa.BufferReader(body))
        table.validate(full=True)  # Arrow reads text that is not UTF-8 without a word
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise RequestError(f"the body is not Parquet: {error}") from error
    return scorer.score_table(table)


def _score_csv(body: bytes, scorer: Scorer) -> pa.Table:
    """Everything is read as text: which type a column has is the contract's business."""
    try:
        header = next(csv.reader([re.split(rb"[\r\n]", body, maxsplit=1)[0].decode("utf-8-sig")]), [])
    except UnicodeDecodeError as error:
        raise RequestError(f"the CSV body is not UTF-8: {error}") from error
    except csv.Error as error:
        raise RequestError(f"the CSV body's header cannot be read: {error}") from error
    if not any(name.lower() in scorer.contract.by_header for name in header):
        raise RequestError("the CSV body has no header line with the model's columns; send one")
    options = pyarrow.csv.ConvertOptions(
        column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=True, null_values=["", "NA"]
    )
    try:
        table = pyarrow.csv.read_csv(pa.BufferReader(body), convert_options=options)
    except pa.ArrowException as error:
        raise RequestError(f"the body is not CSV: {error}") from error
    return scorer.score_table(table)


def _score_json_lines(body: bytes, scorer: Scorer) -> pa.Table:
    rows = []
    for number, line in enumerate(filter(None, map(bytes.strip, body.split(b"\n")))):
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise RequestError(f"line {number + 1} is not JSON: {error}", index=number) from error
        if not isinstance(row, dict):
            raise RequestError(f"line {number + 1} is not an object of columns", index=number)
        rows.append(row)
    return pa.Table.from_pylist([score.as_dict() for score in scorer.score_rows(rows)], schema=SCORES_SCHEMA)


def _write_parquet(scores: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(scores, sink, compression="zstd")
    return bytes(sink.getvalue())


def _write_csv(scores: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pyarrow.csv.write_csv(scores, sink)
    return bytes(sink.getvalue())


def _write_json_lines(scores: pa.Table) -> bytes:
    return b"".join(orjson.dumps(row) + b"\n" for row in scores.to_pylist())


_READERS: dict[str, Callable[[bytes, Scorer], pa.Table]] = {
    PARQUET: _score_parquet,
    CSV: _score_csv,
    JSON_LINES: _score_json_lines,
}
_WRITERS: dict[str, Callable[[pa.Table], bytes]] = {
    PARQUET: _write_parquet,
    CSV: _write_csv,
    JSON_LINES: _write_json_lines,
}
