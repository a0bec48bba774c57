"""SageMaker's `/invocations`: a table of applicants in, their scores out, in Parquet, CSV or JSON Lines."""

import codecs
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from credit_model.errors import BundleError
from credit_model.scoring.blocks import BlockScorer
from credit_model.scoring.scorer import SCORES_SCHEMA, Scorer
from images.serve.errors import NotAcceptableError, RequestError, UnsupportedTypeError
from images.serve.protocols import table_readers, table_writers
from images.serve.protocols.table_readers import ScoreStream

PARQUET, CSV, JSON_LINES = "application/x-parquet", "text/csv", "application/jsonlines"
ALIASES = {"application/parquet": PARQUET, "application/x-jsonlines": JSON_LINES, "application/json-lines": JSON_LINES}
_READERS: dict[str, Callable[[bytes, BlockScorer, str | None], ScoreStream]] = {
    PARQUET: table_readers.parquet,
    CSV: table_readers.comma_separated,
    JSON_LINES: table_readers.json_lines,
}
# Defaults for a batch transform: one request at a time keeps all cores busy.
EXECUTION_PARAMETERS = {"MaxConcurrentTransforms": 1, "BatchStrategy": "MULTI_RECORD", "MaxPayloadInMB": 100}
SCORED_AT = pa.field("scored_at", pa.timestamp("us", tz="UTC"))


@dataclass(frozen=True)
class MediaType:
    """A content type or one choice of an Accept header, with its parameters.

    Attributes:
        name: Canonical name in lower case, without parameters.
        parameters: Lower case.
    """

    name: str
    parameters: dict[str, str]

    def choice(self, parameter: str, *values: str) -> str | None:
        """Return the value of a parameter, None if it is absent.

        Raises:
            RequestError: it is not one of the allowed values.
        """
        value = self.parameters.get(parameter)
        if value is not None and value not in values:
            raise RequestError(f"{parameter}={value} in a content type: must be one of {', '.join(values)}")
        return value


@dataclass(frozen=True)
class TableResponse:
    """An answer, and its counts for metrics.

    Attributes:
        body: The scores.
        content_type: Type of the body.
        rows: Number of scored applicants.
        unknown: Number of unknown levels by column.
    """

    body: bytes
    content_type: str
    rows: int
    unknown: Counter[str]


def answer(body: bytes, scorer: Scorer, *, content_type: str, accept: str) -> TableResponse:
    """Score a whole object block by block on all cores, keeping only the object and the answer.

    Args:
        body: The object. A CSV without a header line holds the features in the contract's order, optionally after the
            id; JSON Lines holds one applicant per line.
        scorer: The model.
        content_type: Type of the body; `text/csv` may say `header=present` or `header=absent`.
        accept: Types the client accepts; empty or `*/*` for the type it sent. `reasons=true` asks for reason codes.
            `text/csv` may say `header=present` or `header=absent`; by default the answer has a header if the body has.

    Returns:
        The scores (application_id, pd, score, grade, decision, model_version, reasons if asked for, scored_at), one
        row per applicant in the same order.

    Raises:
        RequestError: The body cannot be read, or is too large.
        InputError: An applicant breaks the contract.
    """
    given = _readable(content_type)
    wanted = _accepted(accept, given)
    header = given.choice("header", "present", "absent")
    heading = wanted.choice("header", "present", "absent")
    reasons = wanted.choice("reasons", "true", "false") == "true"
    found = _READERS[given.name](body, BlockScorer(scorer, reasons=reasons), header)
    headed = (heading or ("present" if found.header else "absent")) == "present"
    counted = _Counts()
    try:
        blocks = counted.noted(found, datetime.now(UTC))
        written = table_writers.WRITERS[wanted.name](_schema(reasons=reasons), blocks, headed)
    except BundleError as error:
        raise RequestError(f"reasons cannot be given: {error}") from error
    return TableResponse(written, wanted.name, counted.rows, counted.unknown)


class _Counts:
    """What is counted while a table is scored."""

    def __init__(self) -> None:
        self.rows = 0
        self.unknown: Counter[str] = Counter()

    def noted(self, found: ScoreStream, moment: datetime) -> Iterator[pa.Table]:
        """Yield the scores of each block with the moment, counting its rows and unknown levels."""
        for part in found.parts:
            self.rows += part.num_rows
            self.unknown.update(part.unknown)
            yield part.scores.append_column(SCORED_AT, pa.repeat(pa.scalar(moment, SCORED_AT.type), part.num_rows))


def media_type(header: str) -> MediaType:
    """Parse a content type.

    >>> media_type("text/csv; header=absent")
    MediaType(name='text/csv', parameters={'header': 'absent'})
    """
    plain, *more = (part.strip().lower() for part in header.split(";"))
    pairs = (part.partition("=") for part in more if part)
    return MediaType(ALIASES.get(plain, plain), {name.strip(): value.strip(' "') for name, _, value in pairs})


def _readable(content_type: str) -> MediaType:
    given = media_type(content_type)
    if given.name not in _READERS:
        raise UnsupportedTypeError(f"content type {content_type!r}: send one of {', '.join(_READERS)}")
    if not _is_utf8(given):
        raise UnsupportedTypeError(f"charset {given.parameters['charset']!r}: send UTF-8")
    return given


def _is_utf8(kind: MediaType) -> bool:
    """Return whether text of this type is UTF-8, by any of its names, or ASCII, which is a subset."""
    try:
        return codecs.lookup(kind.parameters.get("charset", "utf-8")).name in ("utf-8", "utf-8-sig", "ascii")
    except (LookupError, ValueError):
        return False


def _accepted(accept: str, given: MediaType) -> MediaType:
    """Return the type to answer with: the client's favourite, the first of equals, or its own type if any will do."""
    ranges = [media_type(part) for part in accept.split(",") if part.strip()] or [MediaType("*/*", {})]
    found: list[tuple[float, int, MediaType]] = []
    for name in dict.fromkeys((given.name, *table_writers.WRITERS)):
        # The most specific range that matches a type decides.
        holding = [(_exactness(kind, name), -place) for place, kind in enumerate(ranges) if _exactness(kind, name)]
        if holding:
            place = -max(holding)[1]
            found.append((-_quality(ranges[place]), place, MediaType(name, ranges[place].parameters)))
    best = min(found, key=lambda choice: choice[:2], default=None)
    if best is None or best[0] == 0:
        raise NotAcceptableError(f"accept {accept!r}: this route answers {', '.join(table_writers.WRITERS)}")
    return best[2]


def _exactness(kind: MediaType, name: str) -> int:
    """Return how specifically a range of an Accept header matches a type, 0 if it does not match."""
    if not _is_utf8(kind):
        return 0
    return {"*/*": 1, f"{name.partition('/')[0]}/*": 2, name: 3}.get(kind.name, 0)


def _quality(kind: MediaType) -> float:
    """Return the weight of a range, 0 to 1.

    Raises:
        RequestError: it is not a weight.
    """
    text = kind.parameters.get("q", "1")
    try:
        quality = float(text)
    except ValueError:
        quality = -1
    if not 0 <= quality <= 1:
        raise RequestError(f"q={text} in an Accept header: must be a number from 0 to 1")
    return quality


def _schema(*, reasons: bool) -> pa.Schema:
    schema = SCORES_SCHEMA.append(pa.field("reasons", pa.list_(pa.string()))) if reasons else SCORES_SCHEMA
    return schema.append(SCORED_AT)
