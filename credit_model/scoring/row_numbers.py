"""Row numbers of faults in a stream of blocks: counted from the first row of the stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

from credit_model.errors import InputError


class Block(Protocol):
    """Some rows of a stream: an Arrow table, or the scores of one."""

    @property
    def num_rows(self) -> int:
        """Number of rows."""


AnyBlock = TypeVar("AnyBlock", bound=Block)


def in_one_count(blocks: Iterable[AnyBlock]) -> Iterator[AnyBlock]:
    """Yield the same blocks; an `InputError` on the way counts its row from the first row of the first block.

    Example:
        >>> import pyarrow as pa
        >>> def blocks():
        ...     yield pa.table({"age": [30, 40]})
        ...     raise InputError(index=1, column="age", value=-1, reason="-1 is below 18")
        >>> list(in_one_count(blocks()))
        Traceback (most recent call last):
        ...
        credit_model.errors.InputError: column 'age' row 3: -1 is below 18

    Raises:
        InputError: Raised by `blocks`, with the row of the whole stream.
    """
    done = 0
    try:
        for block in blocks:
            done += block.num_rows
            yield block
    except InputError as error:
        raise error.moved(done) from None
