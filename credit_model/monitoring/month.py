"""The measures, alarms and limits of one month in production, as plain data."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Remedy = Literal["repair", "retrain", "look"]


class MonitorLimits(BaseModel):
    """Sizes of change that are an alarm, if the change is also too large for chance.

    Attributes:
        alpha: Chance of any false alarm of a month, separately for applications and outcomes (Holm's method).
        min_rows: Fewest applications of a month to test.
        score_psi: PSI of the score.
        feature_psi: PSI of a feature.
        broken_psi: PSI of a feature that points to a fault of the feed, not to other applicants.
        missing: Change of the share of missing values.
        new_levels: Share of values with a level that training never saw.
        approval_rate: Change of the approval rate.
        mature_share: Share of the applications not declined whose outcome must be known before outcomes are tested;
            defaults are known early, so a young month looks worse than it is.
        min_defaults: Fewest defaults (and non-defaults) to test outcomes.
        auc_drop: ROC AUC below that of the holdout (of cross-validation where there was none).
        calibration: Log-odds by which the PDs as a whole are off, either way.
        grade_ratio: Observed default rate of a grade over its mean PD.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    alpha: float = Field(default=0.01, gt=0, lt=1)
    min_rows: int = Field(default=300, ge=50)
    score_psi: float = Field(default=0.10, gt=0)
    feature_psi: float = Field(default=0.25, gt=0)
    broken_psi: float = Field(default=1.5, gt=0)
    missing: float = Field(default=0.05, gt=0, le=1)
    new_levels: float = Field(default=0.01, gt=0, le=1)
    approval_rate: float = Field(default=0.10, gt=0, le=1)
    mature_share: float = Field(default=0.95, gt=0, le=1)
    min_defaults: int = Field(default=20, ge=2)
    auc_drop: float = Field(default=0.05, gt=0, le=1)
    calibration: float = Field(default=0.40, gt=0)
    grade_ratio: float = Field(default=1.5, gt=1)


class Measure(BaseModel):
    """One number of a month; `grade_jeffreys` is the p-value of the Jeffreys test of a grade's PD alone.

    Attributes:
        name: What is measured, such as `feature_psi`.
        feature: Of which feature or grade; empty for the month as a whole.
        value: The number; of a grade, its observed default rate.
        baseline: The number in training or on the holdout; of a grade, its mean PD.
        limit: Smallest change that may be an alarm; None for a measure that is only shown.
        p_value: Chance of such a change without drift; None if it was not tested.
        adjusted: The same after Holm's correction for all tests of its family.
        alarm: Whether the change is both large and significant, in a month that training did not see.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    feature: str = ""
    value: float
    baseline: float | None = None
    limit: float | None = None
    p_value: float | None = None
    adjusted: float | None = None
    alarm: bool = False


class Alarm(BaseModel):
    """A reason to act: the measure, its remedy, and a sentence on both."""

    model_config = ConfigDict(frozen=True)

    name: str
    feature: str
    remedy: Remedy
    reason: str


class MonthReport(BaseModel):
    """Everything measured of one month; JSON-able.

    Attributes:
        month: Which month.
        rows: Scored applications.
        tested: Whether there were enough of them to test.
        outcomes: Applications whose outcome is known.
        mature: Whether enough outcomes are known to test them.
        trained_on: Whether training saw the month; then nothing in it is an alarm.
        measures: The numbers.
        alarms: What is wrong.
    """

    model_config = ConfigDict(frozen=True)

    month: str
    rows: int
    tested: bool
    outcomes: int
    mature: bool
    trained_on: bool
    measures: tuple[Measure, ...]
    alarms: tuple[Alarm, ...]

    @property
    def retrain(self) -> bool:
        """Whether a new model is the remedy: an alarm calls for it, and no feature is broken."""
        return not self.broken and any(alarm.remedy == "retrain" for alarm in self.alarms)

    @property
    def broken(self) -> bool:
        """Whether a feature seems to be delivered wrongly."""
        return any(alarm.remedy == "repair" for alarm in self.alarms)

    def of(self, name: str, feature: str = "") -> Measure | None:
        """Return the measure of that name, or None."""
        return next((m for m in self.measures if m.name == name and m.feature == feature), None)
