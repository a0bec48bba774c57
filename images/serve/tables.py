"""SageMaker's `/invocations`: a table of applicants in, their scores out, in Parquet, CSV or JSON Lines."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from credit_model.errors import BundleError
from credit_model.scoring import SCORES_SCHEMA, Scorer
from images.serve import readers, writers
from images.serve.faults import NotAcceptableError, RequestError, UnsupportedTypeError
from images.serve.readers import Scored

PARQUET, CSV, JSON_LINES = "application/x-parquet", "text/csv", "application/jsonlines"
ALIASES = {"application/parquet": PARQUET, "application/x-jsonlines": JSON_LINES, "application/json-lines": JSON_LINES}
_READERS: dict[str, Callable[[bytes, Scorer, bool, str | None], Scored]] = {
    PARQUET: readers.parquet,
    CSV: readers.comma_separated,
    JSON_LINES: readers.json_lines,
}
# What a batch transform that says nothing else is told: one request at a time keeps all cores busy.
EXECUTION_PARAMETERS = {"MaxConcurrentTransforms": 1, "BatchStrategy": "MULTI_RECORD", "MaxPayloadInMB": 100}
SCORED_AT = pa.field("scored_at", pa.timestamp("us", tz="UTC"))


@dataclass(frozen=True)
class MediaType:
    """A content type or one choice of an Accept header, with its parameters.

    Attributes:
        name: Without parameters, lower case, by the name this server uses.
        parameters: Lower case.
    """

    name: str
    parameters: dict[str, str]

    def choice(self, parameter: str, *values: str) -> str | None:
        """Value of a parameter; None where it is not given.

        Raises:
            RequestError: it has another value than those.
        """
        value = self.parameters.get(parameter)
        if value is not None and value not in values:
            raise RequestError(f"{parameter}={value} in a content type: it is one of {', '.join(values)}")
        return value


def score(body: bytes, scorer: Scorer, *, content_type: str, accept: str) -> tuple[bytes, str]:
    """Score a whole object, block by block on all cores.

    Args:
        body: The object. A CSV without a header line holds the id and the features in the contract's order, or the
            features alone; JSON Lines holds an applicant a line.
        scorer: The model.
        content_type: Of the body; `text/csv` may say `header=present` or `header=absent`.
        accept: What the client takes, empty or `*/*` for the type it sent. `reasons=true` asks for reason codes;
            `text/csv` may say `header=present` or `header=absent`, else the answer has a header where the body has.

    Returns:
        The scores (application_id, pd, score, grade, decision, model_version, on demand reasons, scored_at), a row an
        applicant in the same order, and their content type.

    Raises:
        RequestError: The body cannot be read, or is too large.
        InputError: An applicant breaks the contract.
    """
    given = media_type(content_type)
    if given.name not in _READERS:
        raise UnsupportedTypeError(f"content type {content_type!r}: send one of {', '.join(_READERS)}")
    wanted = _accepted(accept, given)
    header = given.choice("header", "present", "absent")
    reasons = wanted.choice("reasons", "true", "false") == "true"
    found = _READERS[given.name](body, scorer, reasons, header)
    try:
        scores = pa.concat_tables([_empty(reasons=reasons), *found.parts])
    except BundleError as error:
        raise RequestError(f"reasons cannot be given: {error}") from error
    moment = pa.repeat(pa.scalar(datetime.now(UTC), SCORED_AT.type), scores.num_rows)
    heading = wanted.choice("header", "present", "absent") or ("present" if found.header else "absent")
    return writers.WRITERS[wanted.name](scores.append_column(SCORED_AT, moment), heading == "present"), wanted.name


def media_type(header: str) -> MediaType:
    """Read a content type such as `text/csv; header=absent`."""
    plain, *more = (part.strip().lower() for part in header.split(";"))
    pairs = (part.partition("=") for part in more if part)
    return MediaType(ALIASES.get(plain, plain), {name.strip(): value.strip(' "') for name, _, value in pairs})


def _accepted(accept: str, given: MediaType) -> MediaType:
    choices = [media_type(part) for part in accept.split(",") if part.strip()]
    for choice in choices or [MediaType("*/*", {})]:
        if choice.name in ("*/*", "application/*", "text/*"):
            return MediaType(given.name, choice.parameters)
        if choice.name in writers.WRITERS:
            return choice
    raise NotAcceptableError(f"accept {accept!r}: this route answers {', '.join(writers.WRITERS)}")


def _empty(*, reasons: bool) -> pa.Table:
    table = SCORES_SCHEMA.empty_table()
    return table.append_column("reasons", pa.array([], pa.list_(pa.string()))) if reasons else table
