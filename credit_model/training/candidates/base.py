"""The interface of the candidates: the task they learn, and what they return."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, TypeVar

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from credit_model.features.encoder import Encoder
from credit_model.parallel import cores
from credit_model.settings import TrainSettings
from credit_model.training.checkpoints import Checkpoint
from credit_model.training.hosts import Rows, Share
from credit_model.types import Floats, Matrix, Outcomes

Progress = Callable[[str, float, str], None]
OnFold = Callable[[int, float], None]
Split = tuple[Rows, Rows]
T = TypeVar("T")

# Below this many rows, LightGBM's threads spend more time waiting for each other than they save.
MANY_ROWS = 100_000
ALONE = Share()
# LightGBM's numbers for the contract's monotone directions.
DIRECTIONS = {"increasing": 1, "decreasing": -1, "none": 0}
_BINNING = {"verbosity": -1, "deterministic": True, "force_row_wise": True, "feature_pre_filter": False}


def silent(stage: str, fraction: float, message: str) -> None:
    """Report no progress."""


@dataclass(frozen=True)
class Task:
    """Rows to learn from, how, and this host's part in it.

    Attributes:
        matrix: Encoded features, shape (rows, features).
        outcomes: True for a default, shape (rows,).
        encoder: Names and kinds of the columns of the matrix.
        settings: How to learn.
        splits: Rows to learn from and rows to measure on, for each fold.
        share: This host's part where several learn together.
        checkpoint: Keeps finished stages, where there is one.
    """

    matrix: Matrix
    outcomes: Outcomes
    encoder: Encoder
    settings: TrainSettings
    splits: Sequence[Split] = ()
    share: Share = ALONE
    checkpoint: Checkpoint | None = None

    @property
    def many(self) -> bool:
        """Whether there are so many rows that threads inside a fit save time."""
        return len(self.matrix) >= MANY_ROWS

    @property
    def threads(self) -> int:
        """Threads of a fit that has the machine to itself."""
        return cores() if self.many else 1

    @property
    def side_by_side(self) -> bool:
        """Whether folds are learnt at the same time, each by one thread."""
        return self.share.alone and not self.many

    def parameters(self, *, threads: int) -> dict[str, object]:
        """Return LightGBM's parameters, with the contract's constraints and the host's share."""
        constrained = self.settings.monotone_constraints
        monotone = [DIRECTIONS[column.monotone] if constrained else 0 for column in self.encoder.columns]
        return self.settings.lightgbm(monotone=monotone, threads=threads) | self.share.parameters

    @cached_property
    def dataset(self) -> lgb.Dataset:
        """All rows, binned once for the folds and the final fit."""
        dataset = lgb.Dataset(
            self.matrix,
            label=self.outcomes.astype(np.float64),
            feature_name=list(self.encoder.names),
            categorical_feature=self.encoder.categorical,
            # LightGBM keeps the number of threads in one place for the whole process, and crashes if binning changes it
            # while another thread boosts (its parameter documentation warns of it).
            params=_BINNING | {"num_threads": self.threads},
        )
        return dataset.construct()

    @property
    def own_dataset(self) -> lgb.Dataset:
        """This host's share of all rows, binned."""
        return self.dataset if self.share.alone else subset(self.dataset, self.share.of(np.arange(len(self.matrix))))

    def some(self, rows: Rows) -> Task:
        """Return the task on some rows, for a host alone and without checkpoint or folds."""
        matrix, outcomes = self.matrix[rows], self.outcomes[rows]
        return replace(self, matrix=matrix, outcomes=outcomes, splits=(), share=ALONE, checkpoint=None)

    def drawn(self, most: int) -> Rows:
        """Return all rows, or `most` of them drawn at random, in order."""
        rows = np.arange(len(self.matrix))
        if len(rows) <= most:
            return rows
        return np.sort(np.random.default_rng(self.settings.seed).choice(rows, most, replace=False))

    def only(self, names: Sequence[str]) -> Task:
        """Return the task with some of the features."""
        if tuple(names) == self.encoder.names:
            return self
        places = [self.encoder.names.index(name) for name in names]
        levels = {name: codes for name, codes in self.encoder.levels.items() if name in names}
        encoder = Encoder(self.encoder.contract, tuple(names), levels)
        return replace(self, matrix=np.ascontiguousarray(self.matrix[:, places]), encoder=encoder)

    def kept(self, stage: str, work: Callable[[], str]) -> str:
        """Return the result of a stage: that of an earlier run if it was kept, else that of the work."""
        found = self.checkpoint.load(stage) if self.checkpoint else None
        if found is not None:
            return found.decode()
        result = work()
        if self.checkpoint:
            self.checkpoint.save(stage, result.encode())
        return result


def subset(dataset: lgb.Dataset, rows: Rows) -> lgb.Dataset:
    """Return some rows of a binned dataset, in the same bins."""
    return dataset.subset(rows).construct()  # type: ignore[arg-type]  # takes arrays as well as the lists it names


def each_fold(task: Task, work: Callable[[int], T]) -> Generator[T]:
    """Yield the results of the folds, in order.

    With few rows, folds run in parallel with one thread each: threads inside a fold would wait for each other at
    every split, and spin while they wait. With many, and where hosts share the work, one fold comes after the other.
    """
    folds = range(len(task.splits))
    if not task.side_by_side:
        yield from map(work, folds)
        return
    with ThreadPoolExecutor(cores()) as pool:
        try:
            yield from pool.map(work, folds)
        finally:
            pool.shutdown(cancel_futures=True)


@dataclass(frozen=True)
class Folds:
    """Result of cross-validation.

    Attributes:
        margins: Margins of rows that their model has not seen, shape (rows,); NaN for rows in no fold.
        fold_of: Fold that scored each row, -1 for none.
        rounds: Boosting rounds to fit on all rows, or trees.
        loss: Mean log loss of the folds.
        gains: Share of each feature in the gain of each fold's model, shape (folds, features).
    """

    margins: Floats
    fold_of: npt.NDArray[np.int64]
    rounds: int
    loss: float
    gains: Floats


class Candidate(Protocol):
    """A kind of model, stored as LightGBM text so that the same code serves all kinds."""

    def cross_validate(self, task: Task, progress: Progress, on_fold: OnFold | None = None) -> Folds:
        """Learn and measure every fold of the task.

        Args:
            task: What to learn, with its splits.
            progress: Called as the work goes on.
            on_fold: Called with each fold and its log loss, in the order of the folds; what it raises ends the work.
        """

    def fit(self, task: Task, rounds: int) -> str:
        """Return the LightGBM text of a model of all rows of the task."""


def gathered(task: Task, margins: Sequence[Floats], *, rounds: int, loss: float, gains: Sequence[Floats]) -> Folds:
    """Put the margins of each fold's test rows in their places."""
    together, fold_of = np.full(len(task.matrix), np.nan), np.full(len(task.matrix), -1, dtype=np.int64)
    for fold, ((_, test), values) in enumerate(zip(task.splits, margins, strict=True)):
        together[test], fold_of[test] = values, fold
    return Folds(together, fold_of, rounds, loss, np.array(gains))


def gain_shares(booster: lgb.Booster) -> Floats:
    """Return the share of each feature in the gain of all splits; zeros for a model without splits."""
    gains = booster.feature_importance("gain").astype(np.float64)
    shares: Floats = gains / (gains.sum() or 1.0)
    return shares


def portable(model: str) -> str:
    """Return model text without the number of threads: the machine must not change a bundle's digest."""
    return re.sub(r"\[num_threads: \d+\]", "[num_threads: 0]", model)
