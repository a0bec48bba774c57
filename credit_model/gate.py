"""The gate: may a challenger replace the champion, judged on the same holdout rows."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from credit_model.bundle import Bundle
from credit_model.checks import Checked, check_table
from credit_model.decisions import Economics
from credit_model.evidence import economics_of
from credit_model.judging import Contender, judge
from credit_model.scoring import Scorer
from credit_model.settings import TrainSettings
from credit_model.verdict import Check, GateLimits, Verdict

__all__ = ["Check", "GateLimits", "Verdict", "compare"]

_ECONOMICS = ("margin", "loss_given_default", "min_return", "amount", "amount_column")


def compare(
    champion: Bundle | None, challenger: Bundle, holdout: pa.Table, limits: GateLimits | None = None
) -> Verdict:
    """Judges a challenger.

    Args:
        champion: Model in production; None before the first release, when only absolute checks apply.
        challenger: Model that may replace it.
        holdout: Canonical labelled table that neither model was trained on; both are scored on these very rows.
        limits: What the challenger must reach; the defaults when absent.

    Raises:
        TrainingError: The holdout has no outcomes, repeated ids or one class only.
        InputError: A holdout row breaks a contract.
    """
    checked = _checked(challenger, holdout)
    # The champion's contract may ask for columns the challenger's does not; both read the same raw rows.
    rival = _contender(champion, _checked(champion, holdout)) if champion else None
    return judge(
        checked.outcomes,
        _contender(challenger, checked),
        rival,
        economics=_economics(challenger, checked),
        limits=limits or GateLimits(),
    )


def _checked(bundle: Bundle, holdout: pa.Table) -> Checked:
    return check_table(holdout, bundle.contract, TrainSettings(), names=bundle.document.features, role="holdout")


def _contender(bundle: Bundle, checked: Checked) -> Contender:
    return Contender(bundle.version, bundle.document, Scorer(bundle).pd_of_table(checked.features))


def _economics(challenger: Bundle, checked: Checked) -> Economics:
    """Margin, loss and amounts by the settings the challenger was trained with, those it knew."""
    known: dict[str, Any] = {name: value for name, value in challenger.document.settings.items() if name in _ECONOMICS}
    return economics_of(checked.rows, challenger.contract, TrainSettings(**known))
