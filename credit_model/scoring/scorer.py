"""The scorer: a bundle's answers for tables, lists of rows and single rows, with the same numbers for all."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from credit_model.bundle.bundle import Bundle
from credit_model.calibration.calibrator import Calibration
from credit_model.contract.contract import ID
from credit_model.data.conform import identifiers
from credit_model.errors import BundleError
from credit_model.explain.reasons import Explainer, Reason
from credit_model.features.rows import RowReader
from credit_model.parallel import BLOCK_ROWS, in_order
from credit_model.policy.cutoffs import DECISIONS, decisions
from credit_model.policy.points import points, points_of_one
from credit_model.scoring.row_numbers import in_one_count
from credit_model.trees.booster import Booster
from credit_model.types import Floats, Matrix

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


class Verdicts(NamedTuple):
    """Answers for several applicants, column by column and in order, as plain Python values.

    Attributes:
        pds: Probabilities of default.
        scores: Points.
        grades: Grades.
        decisions: approve, refer or decline.
    """

    pds: list[float]
    scores: list[int]
    grades: list[str]
    decisions: list[str]


class Answers(NamedTuple):
    """Answers for the applicants of one request, in its order.

    Attributes:
        ids: Application ids, where the request had them.
        verdicts: PDs and what follows from them.
        features: The encoded features as float64 bytes, applicant by applicant: for counting and logging.
        reasons: Adverse reasons of each applicant, where they were asked for.
    """

    ids: list[str | None]
    verdicts: Verdicts
    features: bytes
    reasons: list[tuple[Reason, ...]] | None = None


def calibrated(margins: Floats, calibration: Calibration) -> Floats:
    """Return the PDs of raw margins, shape (rows,)."""
    return calibration.pds(margins)


class Scorer:
    """A bundle ready to score. Thread-safe.

    Example:
        >>> from credit_model import TrainSettings, load_contract, simulate, train
        >>> table = simulate(1500, months=3, seed=1).applications
        >>> quick = TrainSettings(folds=2, max_rounds=10, drop_useless=False, studies=False)
        >>> scorer = Scorer(train(table, load_contract("case"), quick))
        >>> scores = scorer.score_table(table.slice(0, 3))
        >>> scores.column_names
        ['application_id', 'pd', 'score', 'grade', 'decision', 'model_version']
        >>> applicant = table.select(list(scorer.columns)).slice(2, 1).to_pylist()[0]
        >>> scorer.score_one(applicant).pd == scores["pd"][2].as_py()
        True

    Attributes:
        version: Version of the bundle.
        contract: The feature contract.
        columns: Canonical names of the contract's features; every request is checked against all of them.
        features: Features the model reads, in matrix order.
        encoder: Turns tables into the model's matrix.
        reader: Turns applicants given as dictionaries into the model's matrix.
    """

    def __init__(self, bundle: Bundle) -> None:
        """Load the model.

        Args:
            bundle: As `Bundle.load` or `train` gives it.

        Raises:
            BundleError: LightGBM cannot read the model.
        """
        self.version = bundle.version
        self.contract = bundle.contract
        self.columns = tuple(column.name for column in bundle.contract.features)
        self.features = bundle.document.features
        self._document = bundle.document
        self.encoder = bundle.document.encoder
        self._booster = Booster(bundle.model_text)
        self.reader = RowReader(self.encoder)
        self._explainer = (
            Explainer(bundle.document.reasons, bundle.contract, bundle.document.features)
            if bundle.document.reasons
            else None
        )
        self._edges = np.asarray(bundle.document.grade_edges)

    def pd_of_table(self, table: pa.Table) -> Floats:
        """Return the PDs, shape (rows,), of a table in raw or canonical form.

        Raises:
            InputError: Names the first column and row that break the contract.
        """
        pds = [block["pd"].to_numpy() for block in self.score_blocks(_blocks(table))]
        return np.concatenate(pds) if pds else np.empty(0)

    def margins(self, matrix: Matrix) -> Floats:
        """Return the raw margins (log-odds before calibration), shape (rows,), of an encoded matrix."""
        return self._booster.margins(matrix)

    def pds(self, matrix: Matrix) -> Floats:
        """Return the PDs, shape (rows,), of an encoded matrix."""
        return calibrated(self._booster.margins(matrix), self._document.calibration)

    def contributions(self, matrix: Matrix) -> Matrix:
        """Return additive contributions, shape (rows, features + 1), that sum to the margin; the last is the base."""
        return self._booster.contributions(matrix)

    def score_table(self, table: pa.Table, *, reasons: bool = False) -> pa.Table:
        """Return the scores of a table, row by row in the same order, as `SCORES_SCHEMA`.

        Args:
            table: Features under raw or canonical names in any case; `application_id` where known.
            reasons: Whether to add a column `reasons`: the codes of the adverse reasons of each applicant who is not
                approved, an empty list for the others. Takes about 0.3 ms for each applicant with reasons.

        Raises:
            InputError: Names the first column and row that break the contract.
            BundleError: Reasons are wanted, and the bundle was written without them.
        """
        scored = list(self.score_blocks(_blocks(table), reasons=reasons))
        return pa.concat_tables(scored).combine_chunks() if scored else self._score_block(table, reasons=reasons)

    def score_blocks(self, blocks: Iterable[pa.Table], *, reasons: bool = False) -> Iterator[pa.Table]:
        """Yield the scores of a stream of tables, computed on all cores with only a few tables in memory.

        Args:
            blocks: Tables of a few thousand rows.
            reasons: As in `score_table`.

        Raises:
            InputError: As `score_table`; rows are counted from the first row of the first table.
        """
        yield from in_one_count(in_order(lambda block: self._score_block(block, reasons=reasons), blocks))

    def _score_block(self, table: pa.Table, *, reasons: bool) -> pa.Table:
        ids = identifiers(table, self.contract)
        return self.answers(self.encoder.read(table), ids, reasons=reasons)

    def answers(self, matrix: Matrix, ids: pa.Array, *, reasons: bool = False) -> pa.Table:
        """Return the scores of an encoded matrix, as `score_table` does for a table.

        Args:
            matrix: Shape (rows, features), from the encoder or the row reader.
            ids: Application ids, null where there is none.
            reasons: As in `score_table`.
        """
        pds = calibrated(self._booster.margins(matrix), self._document.calibration)
        scores = pa.table(
            [
                ids,
                pa.array(pds),
                pa.array(points(pds, self._document.scale)),
                pa.array(self._document.grades, pa.string()).take(pa.array(self._grade_index(pds))),
                pa.array(DECISIONS, pa.string()).take(pa.array(decisions(pds, self._document.cutoffs))),
                pa.repeat(pa.scalar(self.version, pa.string()), len(pds)),
            ],
            schema=SCORES_SCHEMA,
        )
        return scores.append_column("reasons", self._codes(matrix, pds)) if reasons else scores

    def _codes(self, matrix: Matrix, pds: Floats) -> pa.Array:
        adverse = np.flatnonzero(decisions(pds, self._document.cutoffs))
        codes: list[list[str]] = [[] for _ in range(len(pds))]
        for row, reasons in zip(adverse.tolist(), self.explain(matrix[adverse]), strict=True):
            codes[row] = [reason.code for reason in reasons]
        return pa.array(codes, pa.list_(pa.string()))

    def score_rows(self, rows: Sequence[Mapping[str, object]]) -> list[Score]:
        """Return the scores of applicants given as dictionaries, in the same order.

        Raises:
            InputError: Names the row, the column and what is wrong; no row is scored then.
        """
        matrix, ids = self.reader.read(rows)
        found = self.verdicts(matrix)
        columns = (ids, found.pds, found.scores, found.grades, found.decisions)
        return [Score(*values, model_version=self.version) for values in zip(*columns, strict=True)]

    def verdicts(self, matrix: Matrix) -> Verdicts:
        """Return the answers for the rows of an encoded matrix."""
        if len(matrix) == 1:
            return self.verdict(matrix.tobytes())
        pds = calibrated(self._booster.margins(matrix), self._document.calibration)
        grades = self._document.grades
        return Verdicts(
            pds=pds.tolist(),
            scores=points(pds, self._document.scale).tolist(),
            grades=[grades[index] for index in self._grade_index(pds).tolist()],
            decisions=[DECISIONS[index] for index in decisions(pds, self._document.cutoffs).tolist()],
        )

    def explain_rows(self, rows: Sequence[Mapping[str, object]]) -> list[tuple[Reason, ...]]:
        """Return up to four adverse reasons of each applicant, the strongest first, in the same order.

        Raises:
            InputError: Names the row, the column and what is wrong; no row is explained then.
            BundleError: The bundle was written without reasons.
        """
        return self.explain(self.reader.matrix(rows))

    def score_one(self, row: Mapping[str, object]) -> Score:
        """Return the score of one applicant.

        Raises:
            InputError: Names the column and what is wrong.
        """
        return self.score_rows([row])[0]

    def answer_row(self, row: Mapping[str, object]) -> tuple[str | None, Verdicts, bytes]:
        """Return id, answer and encoded features of one applicant given as a dictionary: the online path.

        A plain tuple and no array, because this runs for nearly every request.

        Raises:
            InputError: Names the column and what is wrong.
        """
        features, name = self.reader.read_one(row)
        return name, self.verdict(features), features

    def answer_rows(self, rows: Sequence[Mapping[str, object]], *, explain: bool = False) -> Answers:
        """Answer applicants given as dictionaries.

        Raises:
            InputError: As `score_rows`.
            BundleError: Reasons are asked of a bundle that was written without.
        """
        return self._answers_of(*self.reader.read(rows), explain=explain)

    def answer_columns(self, columns: Mapping[str, Sequence[object]], count: int, *, explain: bool = False) -> Answers:
        """Answer `count` applicants given column by column.

        Raises:
            InputError: As `score_rows`.
            BundleError: Reasons are asked of a bundle that was written without.
        """
        return self._answers_of(*self.reader.read_columns(columns, count), explain=explain)

    def _answers_of(self, matrix: Matrix, ids: list[str | None], *, explain: bool) -> Answers:
        return Answers(ids, self.verdicts(matrix), matrix.tobytes(), self.explain(matrix) if explain else None)

    @property
    def can_explain(self) -> bool:
        """Whether the bundle holds what `explain` needs."""
        return self._explainer is not None

    def explain(self, matrix: Matrix) -> list[tuple[Reason, ...]]:
        """Return the adverse reasons of each row of an encoded matrix, as `explain_rows` does for dictionaries.

        Raises:
            BundleError: The bundle was written without reasons.
        """
        if self._explainer is None:
            raise BundleError("the bundle holds no baseline for reasons; train it again with this version")
        return self._explainer.explain(self._booster.contributions(matrix))

    def verdict(self, row: bytes) -> Verdicts:
        """Return the answer for one row of an encoded matrix: the arithmetic of tables, without arrays.

        Args:
            row: The float64 bytes of the row.
        """
        document = self._document
        pd = document.calibration.pd(self._booster.margin(row))
        decline, refer = pd >= document.cutoffs.decline_from, pd >= document.cutoffs.approve_below
        return Verdicts(
            pds=[pd],
            scores=[points_of_one(pd, document.scale)],
            grades=[document.grades[bisect_right(document.grade_edges, pd)]],
            decisions=[DECISIONS[2 if decline else int(refer)]],
        )

    def _grade_index(self, pds: Floats) -> npt.NDArray[np.intp]:
        return np.searchsorted(self._edges, pds, side="right")


def _blocks(table: pa.Table) -> Iterator[pa.Table]:
    return (table.slice(start, BLOCK_ROWS) for start in range(0, table.num_rows, BLOCK_ROWS))
