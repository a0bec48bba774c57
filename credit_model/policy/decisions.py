"""Grades, cutoffs and what they cost: how PDs become decisions, and what other cutoffs would have done."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from credit_model.bundle.document import Cutoffs
from credit_model.bundle.evidence import CutoffFigures, Grade, HardLabels
from credit_model.metrics.jeffreys import jeffreys
from credit_model.settings import TrainSettings
from credit_model.types import Floats, Outcomes

LETTERS = ("A", "B", "C", "D", "E", "F", "G")
# Grades are put together from this many equally filled slices, so no grade holds less than about 2 % of applicants.
_SLICES = 50
_MIN_GRADE_DEFAULTS = 10
_GRID = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.99, 1.0)


@dataclass(frozen=True)
class Economics:
    """What a loan earns and costs, as shares of its amount.

    Attributes:
        margin: Earned on a loan that is repaid.
        loss_given_default: Lost on a loan that defaults.
        amounts: Amount of each loan, shape (rows,).
    """

    margin: float
    loss_given_default: float
    amounts: Floats

    @property
    def break_even(self) -> float:
        """The PD at which a loan is expected to earn nothing: margin / (margin + loss given default)."""
        return self.margin / (self.margin + self.loss_given_default)

    def expected(self, pds: Floats) -> Floats:
        """Return the expected profit of each loan if granted, shape (rows,)."""
        return self.amounts * (self.margin * (1 - pds) - self.loss_given_default * pds)

    def realised(self, outcomes: Outcomes) -> Floats:
        """Return the profit of each loan as it turned out, shape (rows,)."""
        return self.expected(outcomes.astype(np.float64))


def profit_cutoffs(*, margin: float, loss_given_default: float, min_return: float) -> Cutoffs:
    """Return the cutoffs that maximise expected profit, whatever the amounts.

    A loan is worth granting while margin * (1 - PD) > loss_given_default * PD, so the decline cutoff is the PD where
    both are equal. Loans whose expected return on the amount is positive but below `min_return` go to a person.

    Args:
        margin: Earned on a loan that is repaid, share of the amount.
        loss_given_default: Lost on a loan that defaults, share of the amount.
        min_return: Expected return, share of the amount, from which a loan is approved without a person; less than the
            margin.

    Example:
        >>> profit_cutoffs(margin=0.1, loss_given_default=0.4, min_return=0.02)
        Cutoffs(approve_below=0.16, decline_from=0.2)
    """
    total = margin + loss_given_default
    return Cutoffs(approve_below=(margin - min_return) / total, decline_from=margin / total)


def share_cutoffs(pds: Floats, *, approval_rate: float, decline_share: float) -> Cutoffs:
    """Return cutoffs that approve the best `approval_rate` of these applicants and decline the worst `decline_share`.

    Applicants with the same PD are treated alike, so the shares are met as nearly as their PDs allow.
    """
    decline = _cut(pds, 1 - decline_share)
    return Cutoffs(approve_below=min(_cut(pds, approval_rate), decline), decline_from=decline)


def _cut(pds: Floats, share: float) -> float:
    """Return a PD below which the share of applicants is nearest to `share`; it is between two PDs that occur."""
    values, counts = np.unique(pds, return_counts=True)
    below = np.concatenate([[0], np.cumsum(counts)]) / len(pds)
    place = int(np.argmin(np.abs(below - share)))
    if place == 0:
        return float(values[0])
    high = values[place] if place < len(values) else 1.0
    middle = float(values[place - 1] + (high - values[place - 1]) / 2)
    return middle if middle > values[place - 1] else float(high)


def choose_cutoffs(pds: Floats, settings: TrainSettings) -> Cutoffs:
    """Return the cutoffs by the rule of the settings; a cutoff that the settings give outright wins.

    Args:
        pds: Out-of-fold PDs, shape (n,).
        settings: Rule, its parameters, and cutoffs given outright.
    """
    if settings.cutoff_rule == "expected_profit":
        ruled = profit_cutoffs(
            margin=settings.margin,
            loss_given_default=settings.loss_given_default,
            min_return=settings.min_return,
        )
    else:
        ruled = share_cutoffs(pds, approval_rate=settings.target_approval_rate, decline_share=settings.decline_share)
    decline = ruled.decline_from if settings.decline_from is None else settings.decline_from
    approve = ruled.approve_below if settings.approve_below is None else settings.approve_below
    # A given cutoff wins over the one by the rule.
    if settings.approve_below is not None and settings.decline_from is None:
        decline = max(approve, decline)
    return Cutoffs(approve_below=min(approve, decline), decline_from=decline)


def grade_edges(outcomes: Outcomes, pds: Floats, *, grades: int = len(LETTERS)) -> tuple[float, ...]:
    """Return the PDs between the grades, rising; one fewer than there are grades.

    Slices of applicants are first pooled until observed default rates rise (pool adjacent violators). Of all ways to
    join the pools into at most `grades` grades of at least ten defaults, the most likely one given the
    outcomes is taken; so the grades separate risk as well as that many grades can, and their observed rates rise.

    Args:
        outcomes: True for a default, shape (n,); out of fold.
        pds: Predicted PDs, shape (n,).
        grades: Most grades.
    """
    values = np.unique(np.quantile(pds, np.arange(1, _SLICES) / _SLICES))
    place = np.searchsorted(values, pds, side="right")
    rows = np.bincount(place, minlength=len(values) + 1)
    defaults = np.bincount(place, outcomes, minlength=len(values) + 1)
    ends = _pooled(rows.tolist(), defaults.tolist())
    totals = np.concatenate([[0], np.cumsum(rows)])[[0, *ends]]
    bads = np.concatenate([[0.0], np.cumsum(defaults)])[[0, *ends]]
    borders = _best_borders(totals.astype(np.float64), bads, grades)
    return tuple(float(values[ends[border - 1] - 1]) for border in borders)


def _pooled(rows: list[int], defaults: list[float]) -> list[int]:
    """Return the end (exclusive) of each run of slices after pooling those whose default rates do not rise."""
    pools: list[tuple[int, float, int]] = []
    for end, (count, bad) in enumerate(zip(rows, defaults, strict=True), start=1):
        current = (count, bad, end)
        while pools and (current[0] == 0 or pools[-1][1] * current[0] >= current[1] * pools[-1][0]):
            before = pools.pop()
            current = (before[0] + current[0], before[1] + current[1], end)
        pools.append(current)
    return [end for _, _, end in pools]


def _best_borders(totals: Floats, bads: Floats, grades: int) -> list[int]:
    """Return the pools after which a grade ends (the last left out), by dynamic programming over (grades, pools)."""
    pools = len(totals) - 1
    best = np.full((grades + 1, pools + 1), -np.inf)
    best[0, 0] = 0.0
    came = np.zeros((grades + 1, pools + 1), dtype=np.int64)
    for grade in range(1, grades + 1):
        for end in range(1, pools + 1):
            reached = best[grade - 1, :end] + _likelihood(totals[end] - totals[:end], bads[end] - bads[:end])
            reached[bads[end] - bads[:end] < _MIN_GRADE_DEFAULTS] = -np.inf
            came[grade, end] = int(np.argmax(reached))
            best[grade, end] = reached[came[grade, end]]
    grade, end, borders = int(np.argmax(best[:, pools])), pools, list[int]()
    while grade > 1:
        end = int(came[grade, end])
        borders.insert(0, end)
        grade -= 1
    return borders


def _likelihood(rows: Floats, bads: Floats) -> Floats:
    rate = np.clip(bads / np.maximum(rows, 1), 1e-12, 1 - 1e-12)
    value: Floats = bads * np.log(rate) + (rows - bads) * np.log1p(-rate)
    return value


def grade_table(
    outcomes: Outcomes, pds: Floats, *, grades: tuple[str, ...], edges: tuple[float, ...]
) -> tuple[Grade, ...]:
    """Return each grade's rows, share, defaults, mean PD, observed rate with Jeffreys interval, and Jeffreys p-value.

    An empty grade has no rate and no test.
    """
    place = np.searchsorted(np.asarray(edges), pds, side="right")
    table = []
    for position, grade in enumerate(grades):
        inside = place == position
        rows, defaults = int(inside.sum()), int(outcomes[inside].sum())
        entry = Grade(grade=grade, rows=rows, share=rows / len(pds), defaults=defaults)
        if rows:
            mean = float(pds[inside].mean())
            test = jeffreys(mean, defaults=defaults, rows=rows)
            entry |= {"mean_pd": mean, "observed": defaults / rows, **asdict(test)}
        table.append(entry)
    return tuple(table)


def at_cutoff(outcomes: Outcomes, pds: Floats, cutoff: float, economics: Economics) -> CutoffFigures:
    """Return what approving everyone below a PD would have done; a share of an empty group is 0.

    Args:
        outcomes: True for a default, shape (n,).
        pds: Predicted PDs, shape (n,).
        cutoff: The PD.
        economics: Margin, loss and amounts, shape (n,).
    """
    flagged = pds >= cutoff
    hits, misses = int((flagged & outcomes).sum()), int((~flagged & outcomes).sum())
    alarms, passed = int((flagged & ~outcomes).sum()), int((~flagged & ~outcomes).sum())
    recall, specificity = _share(hits, hits + misses), _share(passed, passed + alarms)
    return CutoffFigures(
        cutoff=float(cutoff),
        approved=1 - float(flagged.mean()),
        bad_rate=_share(misses, misses + passed),
        precision=_share(hits, hits + alarms),
        recall=recall,
        f1=_share(2 * hits, 2 * hits + alarms + misses),
        balanced_accuracy=(recall + specificity) / 2,
        accuracy=(hits + passed) / len(pds),
        expected_profit=float(economics.expected(pds)[~flagged].sum()),
        realised_profit=float(economics.realised(outcomes)[~flagged].sum()),
    )


def cutoff_table(outcomes: Outcomes, pds: Floats, economics: Economics) -> tuple[CutoffFigures, ...]:
    """Return `at_cutoff` over a grid of approval rates and at the break-even PD, from strict to generous."""
    grid = {float(edge) for edge in np.quantile(pds, _GRID[:-1])} | {1.0, economics.break_even}
    return tuple(at_cutoff(outcomes, pds, cutoff, economics) for cutoff in sorted(grid))


def hard_labels(outcomes: Outcomes, pds: Floats, economics: Economics) -> HardLabels:
    """Return the figures of the original case's two ways to make labels, for comparison only.

    `half` labels PDs of at least 0.5 as defaults. `balanced` is what balanced class weights with a 0.5 cutoff amount
    to: they multiply the odds by (1 - rate) / rate, so 0.5 is reached where the PD equals the default rate.
    """
    return HardLabels(
        half=at_cutoff(outcomes, pds, 0.5, economics),
        balanced=at_cutoff(outcomes, pds, float(outcomes.mean()), economics),
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
