"""Scores applicants with a bundle: whole tables, lists of rows, or one row, all with the same numbers."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from credit_model.booster import Booster, Matrix
from credit_model.bundle import Bundle, Cutoffs, ScoreScale
from credit_model.calibration import Calibration
from credit_model.contract import ID
from credit_model.encoding import conform
from credit_model.errors import BundleError
from credit_model.reasons import Explainer, Reason
from credit_model.rows import RowReader

_LN2 = float(np.log(2))
DECISIONS = ("approve", "refer", "decline")
SCORES_SCHEMA = pa.schema(
    [
        pa.field(ID, pa.string()),
        pa.field("pd", pa.float64()),
        pa.field("score", pa.int64()),
        pa.field("grade", pa.string()),
        pa.field("decision", pa.string()),
        pa.field("model_version", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Score:
    """Answer for one applicant.

    Attributes:
        application_id: Id of the application, where the request had one.
        pd: Probability of default, 0 to 1.
        score: Points; more is better.
        grade: Grade, A (best) to G.
        decision: approve, refer or decline.
        model_version: Version of the bundle that answered.
    """

    application_id: str | None
    pd: float
    score: int
    grade: str
    decision: str
    model_version: str

    def as_dict(self) -> dict[str, str | float | int | None]:
        """The answer as plain JSON-able values."""
        return asdict(self)


def calibrated(margins: Matrix, calibration: Calibration) -> Matrix:
    """PDs of raw margins, same shape."""
    return calibration.pds(margins)


def points(pds: Matrix, scale: ScoreScale) -> npt.NDArray[np.int64]:
    """Whole points of PDs: base_score + pdo / ln 2 * ln(odds / base_odds), odds good to bad."""
    safe = np.clip(pds, 1e-12, 1 - 1e-12)
    odds = (1 - safe) / safe
    exact = scale.base_score + scale.pdo / _LN2 * np.log(odds / scale.base_odds)
    whole: npt.NDArray[np.int64] = np.rint(exact).astype(np.int64)
    return whole


def decisions(pds: Matrix, cutoffs: Cutoffs) -> npt.NDArray[np.int64]:
    """Index into `DECISIONS` for each PD."""
    return np.where(pds >= cutoffs.decline_from, 2, np.where(pds >= cutoffs.approve_below, 1, 0))


class Scorer:
    """A bundle ready to score. Thread-safe.

    Example:
        >>> scorer = Scorer(Bundle.load("model/"))  # doctest: +SKIP
        >>> scorer.score_one({"application_id": "a-1", "age": 41, ...}).pd  # doctest: +SKIP
        0.0123
    """

    def __init__(self, bundle: Bundle) -> None:
        self.version = bundle.version
        self.contract = bundle.contract
        self.columns = tuple(column.name for column in bundle.contract.features)
        self._document = bundle.document
        self._encoder = bundle.document.encoder
        self._booster = Booster(bundle.model_text)
        self._reader = RowReader(self._encoder)
        self._explainer = (
            Explainer(bundle.document.reasons, bundle.contract, bundle.document.features)
            if bundle.document.reasons
            else None
        )
        self._edges = np.asarray(bundle.document.grade_edges)

    def pd_of_table(self, table: pa.Table) -> Matrix:
        """PDs, shape (rows,), of a table in raw or canonical form.

        Raises:
            InputError: Names the first column and row that break the contract.
        """
        matrix = self._encoder.matrix(conform(table, self.contract))
        return calibrated(self._booster.margins(matrix), self._document.calibration)

    def margins(self, matrix: Matrix) -> Matrix:
        """Raw margins, shape (rows,), of an encoded matrix."""
        return self._booster.margins(matrix)

    def pds(self, matrix: Matrix) -> Matrix:
        """PDs, shape (rows,), of an encoded matrix."""
        return calibrated(self._booster.margins(matrix), self._document.calibration)

    def contributions(self, matrix: Matrix) -> Matrix:
        """Additive contributions, shape (rows, features + 1), that sum to the margin; the last is the base."""
        return self._booster.contributions(matrix)

    def score_table(self, table: pa.Table, *, reasons: bool = False) -> pa.Table:
        """Scores of a table, one row each in the same order, as `SCORES_SCHEMA`.

        Args:
            table: Features under raw or canonical names in any case; `application_id` where known.
            reasons: Whether to add a column `reasons`: the codes of the adverse reasons of everyone who is not
                approved, an empty list for the others. Takes about 0.3 ms for each of them.

        Raises:
            InputError: Names the first column and row that break the contract.
            BundleError: Reasons are asked of a bundle that was written without.
        """
        conformed = conform(table, self.contract)
        matrix = self._encoder.matrix(conformed)
        pds = calibrated(self._booster.margins(matrix), self._document.calibration)
        rows = len(pds)
        scores = pa.table(
            [
                conformed.column(ID) if ID in conformed.column_names else pa.nulls(rows, pa.string()),
                pa.array(pds),
                pa.array(points(pds, self._document.scale)),
                pa.array(self._document.grades, pa.string()).take(pa.array(self._grade_index(pds))),
                pa.array(DECISIONS, pa.string()).take(pa.array(decisions(pds, self._document.cutoffs))),
                pa.repeat(self.version, rows).cast(pa.string()),
            ],
            schema=SCORES_SCHEMA,
        )
        return scores.append_column("reasons", self._codes(matrix, pds)) if reasons else scores

    def _codes(self, matrix: Matrix, pds: Matrix) -> pa.Array:
        adverse = np.flatnonzero(decisions(pds, self._document.cutoffs))
        codes: list[list[str]] = [[] for _ in range(len(pds))]
        for row, reasons in zip(adverse.tolist(), self._explain(matrix[adverse]), strict=True):
            codes[row] = [reason.code for reason in reasons]
        return pa.array(codes, pa.list_(pa.string()))

    def score_rows(self, rows: Sequence[Mapping[str, object]]) -> list[Score]:
        """Scores of applicants given as dictionaries, in the same order.

        Raises:
            InputError: Names the row, the column and what is wrong; no row is scored then.
        """
        matrix = self._reader.matrix(rows)
        if len(rows) == 1:
            return [self._scored(rows[0], self._booster.margin(matrix[0]))]
        return [
            self._scored(row, margin) for row, margin in zip(rows, self._booster.margins(matrix).tolist(), strict=True)
        ]

    def explain_rows(self, rows: Sequence[Mapping[str, object]]) -> list[tuple[Reason, ...]]:
        """Up to four adverse reasons of each applicant, the strongest first, in the same order.

        Raises:
            InputError: Names the row, the column and what is wrong; no row is explained then.
            BundleError: The bundle was written without reasons.
        """
        return self._explain(self._reader.matrix(rows))

    def score_one(self, row: Mapping[str, object]) -> Score:
        """Score of one applicant.

        Raises:
            InputError: Names the column and what is wrong.
        """
        return self.score_rows([row])[0]

    def _explain(self, matrix: Matrix) -> list[tuple[Reason, ...]]:
        if self._explainer is None:
            raise BundleError("the bundle holds no baseline for reasons; train it again with this version")
        return self._explainer.explain(self._booster.contributions(matrix))

    def _scored(self, row: Mapping[str, object], margin: float) -> Score:
        """The table's arithmetic for one applicant, without the cost of arrays of one."""
        document = self._document
        pd = document.calibration.pd(margin)
        safe = min(max(pd, 1e-12), 1 - 1e-12)
        scale = document.scale
        # NumPy's log, not math's: the last bit must be the one a table gets.
        exact = scale.base_score + scale.pdo / _LN2 * float(np.log((1 - safe) / safe / scale.base_odds))
        decline, refer = pd >= document.cutoffs.decline_from, pd >= document.cutoffs.approve_below
        return Score(
            application_id=self._reader.identifier(row),
            pd=pd,
            score=round(exact),
            grade=document.grades[bisect_right(document.grade_edges, pd)],
            decision=DECISIONS[2 if decline else int(refer)],
            model_version=self.version,
        )

    def _grade_index(self, pds: Matrix) -> npt.NDArray[np.intp]:
        return np.searchsorted(self._edges, pds, side="right")
