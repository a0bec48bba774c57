"""How good a model is, as bundle.json keeps it: measures, intervals and curves of each part of the data."""

from pydantic import Field

from credit_model.bundle.record import Record

Point = tuple[float, float]


class BrierShares(Record):
    """Murphy's parts of the Brier score; see `credit_model.metrics.decomposition`."""

    reliability: float
    resolution: float
    uncertainty: float
    within_bins: float = 0.0
    bins: int = 20


class Densities(Record):
    """Shares of defaulters (`bad`) and others (`good`) in the bins of log-odds between `edges`."""

    edges: tuple[float, ...]
    bad: tuple[float, ...]
    good: tuple[float, ...]


class Curves(Record):
    """Points of the plots.

    Attributes:
        roc: False positive rate and true positive rate.
        precision_recall: Recall and precision.
        reliability: Mean PD, default rate and rows of each bin.
        densities: How far the model separates defaulters from the others.
    """

    roc: tuple[Point, ...] = ()
    precision_recall: tuple[Point, ...] = ()
    reliability: tuple[tuple[float, float, int], ...] = ()
    densities: Densities | None = None


class Measurements(Record):
    """Quality of PDs on some rows.

    Attributes:
        rows: Number of rows.
        defaults: Defaults among them.
        default_rate: Their share.
        mean_pd: Mean PD.
        roc_auc: Area under the ROC curve.
        roc_auc_low: Lower end of DeLong's 95 % interval.
        roc_auc_high: Upper end.
        gini: 2 AUC - 1.
        ks: Kolmogorov-Smirnov distance.
        pr_auc: Average precision.
        brier: Mean squared error.
        log_loss: Mean negative log-likelihood in nats.
        calibration_slope: 1 is ideal.
        calibration_in_the_large: In log-odds; 0 is ideal.
        intervals: 95 % bootstrap intervals by measure.
        brier_parts: Murphy's decomposition.
        curves: Points of the plots.
        folds: The same of each fold of a cross-validation.
    """

    rows: int
    defaults: int
    default_rate: float
    mean_pd: float
    roc_auc: float
    roc_auc_low: float
    roc_auc_high: float
    gini: float
    ks: float
    pr_auc: float
    brier: float
    log_loss: float
    calibration_slope: float
    calibration_in_the_large: float
    intervals: dict[str, Point] = Field(default_factory=dict)
    brier_parts: BrierShares | None = None
    curves: Curves | None = None
    folds: tuple["Measurements", ...] = ()


class Metrics(Record):
    """Measured quality: out of fold always, on the holdout where there was one."""

    cross_validation: Measurements
    holdout: Measurements | None = None

    @property
    def best(self) -> Measurements:
        """The measurements on the holdout, or out of fold where there was none."""
        return self.holdout or self.cross_validation
