"""The answer of a DDL statement: the names of its columns, and its rows."""

from dataclasses import dataclass, field

from sandbox.aws.athena.results import Row


@dataclass(frozen=True)
class Answer:
    """Rows of a `.txt` result."""

    names: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)


NOTHING = Answer()


def listing(name: str, values: list[str]) -> Answer:
    """Return one column of values."""
    return Answer([name], [[value] for value in values])
