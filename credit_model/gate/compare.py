"""The gate: whether a challenger may replace the champion, on the same holdout rows."""

from __future__ import annotations

import pyarrow as pa

from credit_model.bundle.bundle import Bundle
from credit_model.contract.contract import ID
from credit_model.data.labelled import LabelledTable, check_table
from credit_model.errors import TrainingError
from credit_model.evaluation.evidence import economics_of
from credit_model.gate.checks import Contender, judge
from credit_model.gate.verdict import GateLimits, Verdict
from credit_model.scoring.scorer import Scorer


def compare(
    champion: Bundle | None,
    challenger: Bundle,
    holdout: pa.Table,
    limits: GateLimits | None = None,
    *,
    champion_holdout: pa.Table | None = None,
) -> Verdict:
    """Decide whether a challenger may replace the champion.

    Args:
        champion: Model in production; None before the first release, when only absolute checks apply.
        challenger: Model that may replace it.
        holdout: Canonical labelled table that neither model was trained on; both are scored on these very rows.
        limits: What the challenger must reach; the defaults when absent.
        champion_holdout: The same applicants, canonical under the champion's contract, where the contracts differ: one
            name may stand for different columns of the raw file. When absent, both models read `holdout`.

    Raises:
        TrainingError: The holdout has no outcomes, repeated ids or one class only, or the two hold other applicants.
        InputError: A holdout row breaks a contract.

    Example:
        >>> from credit_model import TrainSettings, load_contract, simulate, train
        >>> table = simulate(4000, months=2, seed=1).applications
        >>> contract, settings = load_contract("case"), TrainSettings(folds=2, max_rounds=5, studies=False)
        >>> model = train(table.slice(0, 2500), contract, settings)
        >>> verdict = compare(model, model, table.slice(2500))
        >>> verdict.comparison["difference"]
        0.0
    """
    rows = check_table(holdout, challenger.contract, role="holdout")
    rival = None
    if champion:
        own = holdout if champion_holdout is None else champion_holdout
        rival = _contender(champion, _same_applicants(rows, check_table(own, champion.contract, role="holdout")))
    return judge(
        rows.outcomes,
        _contender(challenger, rows),
        rival,
        economics=economics_of(rows.rows, challenger.contract, challenger.document.settings),
        limits=limits or GateLimits(),
    )


def _same_applicants(challenged: LabelledTable, own: LabelledTable) -> LabelledTable:
    # Both are sorted by id.
    if not challenged.features.column(ID).equals(own.features.column(ID)):
        raise TrainingError(
            f"champion_holdout: its {own.features.num_rows:,} labelled rows are not the {len(challenged.outcomes):,} "
            "applicants of the holdout; give both the same application_ids"
        )
    return own


def _contender(bundle: Bundle, rows: LabelledTable) -> Contender:
    return Contender(bundle.version, bundle.document, Scorer(bundle).pd_of_table(rows.features))
