"""The sentences of alarms: what has moved, how far, and what to do about it."""

from __future__ import annotations

from math import exp

TITLES = {
    "score_psi": "PSI of the score",
    "feature_psi": "PSI",
    "missing": "Missing values",
    "new_levels": "New levels",
    "approval_rate": "Approval rate",
    "mean_score": "Mean score",
    "mean_pd": "Mean PD",
    "default_rate": "Default rate",
    "roc_auc": "ROC AUC",
    "ks": "KS",
    "calibration_in_the_large": "Calibration in the large",
    "grade": "Default rate of grade",
}


def reason(name: str, feature: str, value: float, before: float, limit: float, remedy: str) -> str:  # noqa: PLR0917
    """Write a sentence on a measure that crossed its limit.

    Args:
        name: Which measure.
        feature: Of which feature or grade; empty for the month as a whole.
        value: The number now.
        before: In training, or on the holdout.
        limit: Smallest change that is an alarm.
        remedy: `repair`, `retrain` or `look`.
    """
    if name == "feature_psi":
        advice = (
            "a broken feed is likelier than other applicants: look for a changed unit, code or default value, and "
            "repair it before the next training"
            if remedy == "repair"
            else "find out whether other people apply or the feed has changed"
        )
        return f"the values of {feature} have moved: PSI {value:.2f} against training (limit {limit:.2f}); {advice}"
    if name == "missing":
        return (
            f"{feature} is missing in {value:.1%} of the applications, {before:.1%} in training (limit: a change of "
            f"{limit:.1%}); check the feed that delivers it, and repair it before the next training"
        )
    if name == "new_levels":
        return (
            f"{value:.1%} of the applications have a level of {feature} that training never saw (limit "
            f"{limit:.1%}), which counts as missing; correct the feed, or add the level to the contract and train"
        )
    if name == "grade":
        return (
            f"{value:.2%} of grade {feature} defaulted, its mean PD is {before:.2%} (limit {limit:.1f} times as many); "
            "train on the new outcomes, and tighten the cutoff meanwhile"
        )
    return _of_the_month(name, value, before, limit)


def _of_the_month(name: str, value: float, before: float, limit: float) -> str:
    if name == "score_psi":
        return (
            f"the scores have moved: PSI {value:.2f} against training (limit {limit:.2f}); see which features moved "
            "too, and train on recent applications once their outcomes are known"
        )
    if name == "approval_rate":
        return (
            f"{value:.1%} of the applications are approved, {before:.1%} at the time of training (limit: a change of "
            f"{limit:.1%}); see whether other people apply, and whether the cutoff still earns what it should"
        )
    if name == "roc_auc":
        return (
            f"the model ranks worse than it did: ROC AUC {value:.3f}, {before:.3f} at the time of training (limit: a "
            f"drop of {limit:.2f}); what makes people default has changed, so train on the new outcomes"
        )
    direction = "low" if value > 0 else "high"
    return (
        f"the PDs as a whole are too {direction}: the odds of default are {exp(value):.2f} times what they say (limit "
        f"{exp(limit):.2f} times, either way); train on the new outcomes, or calibrate again"
    )
