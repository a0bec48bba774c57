"""Scores of one block of a file or a request on one core, with a count of the levels that the model does not know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from credit_model.data.conform import identifiers
from credit_model.data.missing import literal_columns
from credit_model.features.rows import RowReader
from credit_model.scoring.scorer import Scorer


@dataclass(frozen=True)
class ScoredBlock:
    """Scores of a block.

    Attributes:
        scores: As `Scorer.score_table` gives them.
        unknown: How many values of each categorical feature are levels that the model does not know.
    """

    scores: pa.Table
    unknown: Counter[str] = field(default_factory=Counter)

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        return int(self.scores.num_rows)


class BlockScorer:
    """Scorer of blocks as they are read. Thread-safe: it keeps nothing between two calls.

    Attributes:
        contract: The model's feature contract.
        literal: Canonical names of the columns where NA is a value of a CSV.
    """

    def __init__(self, scorer: Scorer, *, reasons: bool = False) -> None:
        """Prepare to score.

        Args:
            scorer: The model.
            reasons: Whether to add reason codes.
        """
        self.contract = scorer.contract
        self._scorer, self._reasons = scorer, reasons
        self._encoder = scorer.encoder
        self.literal = literal_columns(scorer.contract, self._encoder.levels)

    def table(self, table: pa.Table, *, ids: pa.Array | None = None) -> ScoredBlock:
        """Score a few thousand rows with columns under raw or canonical names.

        Args:
            table: As `Scorer.score_table` takes it.
            ids: Application ids to return instead of the table's own.

        Raises:
            InputError: Names the first column and row that break the contract.
            BundleError: Reasons are wanted, and the bundle was written without them.
        """
        matrix, unknown = self._encoder.read_counting(table)
        names = identifiers(table, self.contract) if ids is None else ids
        return ScoredBlock(self._scorer.answers(matrix, names, reasons=self._reasons), unknown)

    def objects(self, rows: Sequence[Mapping[str, object]]) -> ScoredBlock:
        """Score applicants given as dictionaries.

        Raises:
            InputError: Names the first row and column that break the contract.
            BundleError: Reasons are wanted, and the bundle was written without them.
        """
        # Not the scorer's own reader: that one counts unknown levels for the online routes, in their thread.
        reader = RowReader(self._encoder)
        matrix, ids = reader.read(rows)
        scores = self._scorer.answers(matrix, pa.array(ids, pa.string()), reasons=self._reasons)
        return ScoredBlock(scores, +reader.unknown)
