"""Scores one block of a file or a body on one core, and counts the levels in it that the model does not know."""

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


class BlockScorer:
    """Scores blocks as they are read. Thread-safe: nothing is kept between two calls.

    Attributes:
        contract: Of the model.
        literal: Canonical names of the columns where NA is a value of a CSV.
    """

    def __init__(self, scorer: Scorer, *, reasons: bool = False) -> None:
        """Prepares to score.

        Args:
            scorer: The model.
            reasons: Whether to add reason codes.
        """
        self.contract = scorer.contract
        self._scorer, self._reasons = scorer, reasons
        self._encoder = scorer.encoder
        self.literal = literal_columns(scorer.contract, self._encoder.levels)

    def table(self, table: pa.Table, *, ids: pa.Array | None = None) -> ScoredBlock:
        """Scores of a few thousand rows, columns under raw or canonical names.

        Args:
            table: As `Scorer.score_table` takes it.
            ids: Application ids to give out instead of the table's own.

        Raises:
            InputError: Names the first column and row that break the contract.
            BundleError: Reasons are asked of a bundle that was written without.
        """
        matrix, unknown = self._encoder.read_counting(table)
        names = identifiers(table, self.contract) if ids is None else ids
        return ScoredBlock(self._scorer.answers(matrix, names, reasons=self._reasons), unknown)

    def objects(self, rows: Sequence[Mapping[str, object]]) -> ScoredBlock:
        """Scores of applicants given as dictionaries.

        Raises:
            InputError: Names the first row and column that break the contract.
            BundleError: Reasons are asked of a bundle that was written without.
        """
        # The scorer's own reader counts for the online routes, in their thread.
        reader = RowReader(self._encoder)
        matrix, ids = reader.read(rows)
        scores = self._scorer.answers(matrix, pa.array(ids, pa.string()), reasons=self._reasons)
        return ScoredBlock(scores, +reader.unknown)
