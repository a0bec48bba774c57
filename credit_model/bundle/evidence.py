"""What a reviewer of a model can look up beyond its measures, as bundle.json keeps it.

Annotations are not strings here, because pydantic would compile each of them whenever a server starts.
"""

from pydantic import Field, field_validator

from credit_model.bundle.record import Record


class CutoffFigures(Record):
    """What approving everyone below a PD would have done; "positive" is a default that is not approved.

    Attributes:
        cutoff: The PD.
        approved: Share of the applicants.
        bad_rate: Default rate among the approved.
        precision: Share of defaulters among those not approved.
        recall: Share of the defaulters who are not approved.
        f1: Harmonic mean of both.
        balanced_accuracy: Mean of recall and specificity.
        accuracy: Share of right labels.
        expected_profit: Of all approved loans by their PDs, in units of the amounts.
        realised_profit: The same as it turned out.
    """

    cutoff: float
    approved: float
    bad_rate: float
    precision: float
    recall: float
    f1: float
    balanced_accuracy: float
    accuracy: float
    expected_profit: float
    realised_profit: float


class RuleFigures(Record):
    """What a cutoff rule does: the share it declines, and the figures of its approval cutoff."""

    decline_from: float
    declined: float
    approve_below: CutoffFigures


class Rules(Record):
    """Both cutoff rules, and the cutoffs in force."""

    approval_rate: RuleFigures
    expected_profit: RuleFigures
    chosen: RuleFigures


class HardLabels(Record):
    """Figures of the original case's two ways to make labels: PD 0.5, and balanced class weights."""

    half: CutoffFigures
    balanced: CutoffFigures


class Decisions(Record):
    """Cutoffs and what they cost.

    Attributes:
        rules: The cutoff rules.
        break_even: PD at which a loan is expected to earn nothing.
        table: Other cutoffs, from strict to generous.
        hard_labels: For comparison with the original case only.
        approve_all_profit: Realised profit of approving everyone.
        mean_amount: Mean amount of the loans.
    """

    rules: Rules
    break_even: float
    table: tuple[CutoffFigures, ...] = ()
    hard_labels: HardLabels | None = None
    approve_all_profit: float = 0.0
    mean_amount: float = 1.0


class Grade(Record):
    """Applicants of one grade; of an empty grade, rates and test are 0 and not written.

    Attributes:
        grade: Its letter.
        rows: Applicants.
        share: Their share of all.
        defaults: Defaults among them.
        mean_pd: Mean PD.
        observed: Default rate.
        low: Lower end of the Jeffreys interval of the default rate.
        high: Upper end.
        p_value: Of the Jeffreys test; small when the PD is too low.
    """

    grade: str
    rows: int
    share: float
    defaults: int
    mean_pd: float = 0.0
    observed: float = 0.0
    low: float = 0.0
    high: float = 0.0
    p_value: float = 0.0


class GroupFigures(Record):
    """Figures of one group of a protected attribute; a rate over an empty group is None.

    Attributes:
        group: Its label.
        rows: Applicants.
        defaults: Defaults among them.
        approved: Share approved.
        true_positive_rate: Share of its defaulters who are not approved.
        false_positive_rate: Share of its other applicants who are not approved.
        mean_pd: Mean PD.
        observed: Default rate.
    """

    group: str
    rows: int
    defaults: int
    approved: float
    true_positive_rate: float | None
    false_positive_rate: float | None
    mean_pd: float
    observed: float


class FeatureFigures(Record):
    """One feature among defaulters (`bad`) and others (`good`).

    Attributes:
        missing: Share of missing values.
        missing_bad: The same among defaulters.
        missing_good: The same among others.
        test: `KS` or `chi-squared`; None where too few values are known.
        statistic: Of the test.
        p_value: Of the test.
        levels: Most frequent levels of a categorical feature.
        bad: Quartiles, or shares of the levels.
        good: The same of the others.
    """

    missing: float
    missing_bad: float
    missing_good: float
    test: str | None = None
    statistic: float | None = None
    p_value: float | None = None
    levels: tuple[str, ...] = ()
    bad: tuple[float, ...] = ()
    good: tuple[float, ...] = ()


class DriftFigures(Record):
    """PSI between training and holdout: of the score's points and of each feature."""

    score: float
    features: dict[str, float] = Field(default_factory=dict)


class Influence(Record):
    """How the features move the PD.

    Attributes:
        rows: Training applications that the contributions are of.
        contribution: Name, mean absolute contribution and direction of each feature.
        permutation: Name, mean AUC lost and its range when the feature's values are shuffled.
        swarm: Name, and pairs of contribution and rank of the value (None for missing).
        partial: Name, and pairs of value (or level) and mean PD.
    """

    rows: int
    contribution: tuple[tuple[str, float, float], ...] = ()
    permutation: tuple[tuple[str, float, float], ...] = ()
    swarm: tuple[tuple[str, tuple[tuple[float, float | None], ...]], ...] = ()
    partial: tuple[tuple[str, tuple[tuple[float | str, float], ...]], ...] = ()

    @field_validator("swarm", "partial", mode="before")
    @classmethod
    def _in_order(cls, value: object) -> object:
        # Bundles of the first days hold an object here, which cannot keep the order of the features.
        return tuple(value.items()) if isinstance(value, dict) else value


class CalibrationTrial(Record):
    """One way to calibrate, measured on folds that it was not fitted on.

    Attributes:
        method: Its name.
        log_loss: Mean negative log-likelihood in nats.
        brier: Mean squared error.
        auc_lost: AUC lost to ties.
        penalty: What the lost AUC costs, in nats.
        penalised_log_loss: log_loss + penalty.
        gain: How much lower that is than the one of the best simpler method; None for the simplest.
        gain_error: Standard error of the gain.
    """

    method: str
    log_loss: float
    brier: float
    auc_lost: float = 0.0
    penalty: float = 0.0
    penalised_log_loss: float = 0.0
    gain: float | None = None
    gain_error: float | None = None


class CalibrationTable(Record):
    """The calibrations tried, which was chosen and why."""

    methods: tuple[CalibrationTrial, ...] = ()
    chosen: str = ""
    rule: str = ""
    reason: str = ""


class Trial(Record):
    """One parameter set of a search: its state (`complete` or `pruned`), mean loss and parameters."""

    number: int
    state: str
    loss: float | None = None
    params: dict[str, int | float] = Field(default_factory=dict)


class SearchHistory(Record):
    """How a search went: fold order, rows, number of the best trial, what ended it, and every trial."""

    folds: str
    rows: int
    best: int
    stopped_by: str
    trials: tuple[Trial, ...] = ()


class ScorecardRow(Record):
    """One bin of a scorecard's feature; `default_rate` is None if the bin is empty."""

    feature: str
    bin: str
    share: float
    default_rate: float | None = None
    woe: float = 0.0
    points: float = 0.0


class AucComparison(Record):
    """DeLong's paired comparison of two AUCs; see `credit_model.metrics.delong.AucDifference`."""

    first: float
    second: float
    difference: float
    standard_error: float
    low: float
    high: float
    p_value: float


class CurvePoint(Record):
    """AUC after training on some rows."""

    rows: int
    roc_auc: float


class Studies(Record):
    """Small extra trainings on a sample; a study that makes no sense for the model is None.

    Attributes:
        rows: Rows of the sample.
        learning_curve: AUC after training on growing parts.
        unconstrained: The model (first) against one without monotone constraints.
        scorecard: The model (first) against a scorecard.
    """

    rows: int
    learning_curve: tuple[CurvePoint, ...] = ()
    unconstrained: AucComparison | None = None
    scorecard: AucComparison | None = None


class Evidence(Record):
    """Everything the report shows beyond the measures; what was not measured is empty or None.

    Attributes:
        basis: Rows that decisions, grades, fairness and permutation are shown on: `holdout` or `cross_validation`.
        decisions: Cutoffs and what they cost.
        grades: Grades on each of the parts.
        fairness: Groups of each protected attribute.
        features: Each feature on its own.
        drift: Between training and holdout.
        influence: How the features move the PD.
        calibration: Calibrations tried.
        search: Parameters tried.
        scorecard: Bins and points.
        studies: Extra trainings.
    """

    basis: str = "cross_validation"
    decisions: Decisions | None = None
    grades: dict[str, tuple[Grade, ...]] = Field(default_factory=dict)
    fairness: dict[str, tuple[GroupFigures, ...]] = Field(default_factory=dict)
    features: dict[str, FeatureFigures] = Field(default_factory=dict)
    drift: DriftFigures | None = None
    influence: Influence | None = None
    calibration: CalibrationTable | None = None
    search: SearchHistory | None = None
    scorecard: tuple[ScorecardRow, ...] = ()
    studies: Studies | None = None

    @property
    def basis_grades(self) -> tuple[Grade, ...]:
        """The grades on the holdout, or out of fold where there was none; empty in old bundles."""
        return self.grades.get("holdout") or self.grades.get("cross_validation") or ()
