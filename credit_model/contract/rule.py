"""What a legal value of a column is; every reader of values takes its limits from here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import inf
from sys import float_info
from typing import Literal

Kind = Literal["numeric", "integer", "categorical", "ordinal", "boolean"]

# The largest whole number that float64 tells from its neighbours: 2**53 may stand for 2**53 + 1 as well.
EXACT = float(2**53 - 1)

# Text that stands for true and false, in any case; 1.0 is how tools write a boolean column with gaps.
TRUE_WORDS = ("true", "1", "1.0")
FALSE_WORDS = ("false", "0", "0.0")

# Text that stands for a missing value in a CSV. "NA" is a value where a column has such a level.
EMPTY = ""
NA = "NA"

# A whole number written with a point, as most tools write the levels 1, 2, 3 of a column with gaps. Digits are ASCII:
# Python's \d takes other scripts' digits too, Arrow's does not.
WHOLE_WITH_POINT = r"^([+-]?[0-9]+)\.0+$"
_WHOLE_WITH_POINT = re.compile(WHOLE_WITH_POINT)

_SHOWN_LEVELS = 8


def without_point(text: str) -> str:
    """Return a whole number without its decimal point, and any other text as it is.

    Example:
        >>> without_point("1.0"), without_point("1.5"), without_point("one")
        ('1', '1.5', 'one')
    """
    return _WHOLE_WITH_POINT.sub(r"\1", text)


@dataclass(frozen=True)
class Rule:
    """What a legal value of one column is, derived from the contract.

    Example:
        >>> from credit_model.contract.contract import load_contract
        >>> rule = load_contract("case").column("age").rule
        >>> rule.kind, rule.low, rule.high, rule.nullable
        ('integer', 18.0, 120.0, False)

    Attributes:
        kind: Kind of value.
        nullable: Whether a value may be missing.
        low: Smallest legal number; minus infinity where the contract sets none.
        high: Largest legal number; infinity where the contract sets none.
        levels: Listed levels, from low to high for an ordinal column.
        open: Whether levels that are not listed are as good as listed ones, and are kept as they are spelled.
    """

    kind: Kind
    nullable: bool = False
    low: float = -inf
    high: float = inf
    levels: tuple[str, ...] = ()
    open: bool = False

    @cached_property
    def is_number(self) -> bool:
        """Whether values are numbers, and neither levels nor booleans."""
        return self.kind in {"numeric", "integer"}

    @cached_property
    def has_levels(self) -> bool:
        """Whether values are levels (categorical or ordinal), which are text."""
        return self.kind in {"categorical", "ordinal"}

    @cached_property
    def is_whole(self) -> bool:
        """Whether values are whole numbers, which must be exact in float64."""
        return self.kind == "integer"

    @cached_property
    def limits(self) -> tuple[float, float]:
        """Smallest and largest legal number; both finite, so that infinity and NaN are never between them."""
        most = EXACT if self.is_whole else float_info.max
        return max(self.low, -most), min(self.high, most)

    @cached_property
    def missing(self) -> tuple[str, ...]:
        """Text that stands for a missing value of this column in a CSV."""
        return (EMPTY,) if NA in self.levels else (EMPTY, NA)

    @cached_property
    def listing(self) -> str:
        """The levels for a message, the first few where they are many."""
        shown = ", ".join(self.levels[:_SHOWN_LEVELS])
        return f"{shown}, …" if len(self.levels) > _SHOWN_LEVELS else shown

    def refuses_unlisted(self, *, closed: bool) -> bool:
        """Return whether a level that is not listed is a fault.

        Args:
            closed: Whether the caller wants only listed levels in categorical columns that are not open, as training
                files must have. Scoring takes any; the model treats levels it has not seen as missing.
        """
        return self.kind == "ordinal" or (closed and not self.open)


@lru_cache(maxsize=4096)
def rule_of(kind: Kind, *, nullable: bool, low: float, high: float, levels: tuple[str, ...], is_open: bool) -> Rule:
    """Return the rule of a column, the same object for equal columns.

    A column does not keep its own: a copy of it with other bounds would take the old rule along.
    """
    return Rule(kind, nullable, low, high, levels, is_open)
