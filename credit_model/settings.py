"""Settings of a training run, with defaults for small, very unbalanced portfolios."""

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from credit_model.errors import TrainingError


class TrainSettings(BaseModel):
    """How a model is trained.

    Example:
        >>> TrainSettings(candidate="scorecard").folds
        5

    Attributes:
        seed: Seed of folds, bagging and golden rows.
        candidate: Kind of model: `lightgbm` boosted trees, `random_forest`, or a points `scorecard`.
        monotone_constraints: Whether the contract's directions bind the model.
        calibration: How margins become PDs; `auto` takes the method with the lowest cross-fitted loss.
        studies: Whether to train a few more models on samples, to measure what the constraints cost, what a scorecard
            would reach and whether more rows would help.
        drop_useless: Whether to drop features that no fold's model splits on.
        search_trials: Parameter sets to try; 0 takes the parameters below as they are.
        search_seconds: Time after which no further set is tried, however many `search_trials` remain.
        fold_order: Folds of the search: `time` learns from the past and measures on what came next, `stratified` keeps
            the share of defaults, `auto` takes `time` if every row has a time of application.
        folds: Cross-validation folds.
        max_rounds: Upper limit of boosting rounds.
        early_stopping_rounds: Rounds without a better mean loss over the folds before boosting stops.
        learning_rate: Shrinkage of each round.
        num_leaves: Leaves of a tree.
        min_data_in_leaf: Fewest applicants in a leaf.
        feature_fraction: Share of features offered to each tree.
        bagging_fraction: Share of applicants offered to each tree.
        lambda_l2: L2 regularisation of leaf values.
        min_data_per_group: Fewest applicants of a categorical group.
        cat_smooth: Smoothing of categorical statistics.
        cat_l2: L2 regularisation of categorical splits.
        forest_trees: Trees of a random forest.
        forest_leaves: Leaves of each of them.
        scorecard_bins: Most bins of a feature of a scorecard, missing values apart.
        base_score: Points at good:bad odds `base_odds`.
        base_odds: See `base_score`.
        pdo: Points that double the odds.
        approve_below: PD below which to approve; chosen by `cutoff_rule` when absent.
        decline_from: PD from which to decline; chosen by `cutoff_rule` when absent.
        cutoff_rule: `approval_rate` approves `target_approval_rate` of the applicants and declines `decline_share`;
            `expected_profit` declines loans that are expected to lose money and approves those with `min_return`.
        target_approval_rate: See `cutoff_rule`.
        decline_share: See `cutoff_rule`.
        margin: Earned on a loan that is repaid, as a share of its amount.
        loss_given_default: Lost on a loan that defaults, as a share of its amount.
        min_return: Expected return, as a share of the amount, that is enough to approve without a person.
        amount: Amount of a loan; if it is the same for all, only the unit of profits.
        amount_column: Numeric contract column with the amount of each loan; `amount` where it is missing.
        min_rows: Fewest rows to train on.
        min_defaults: Fewest defaults (and non-defaults) to train on.
        leak_auc: AUC of a single feature that is suspiciously high: it probably knows the outcome.
    """

    # A server reads settings as part of a bundle only, and so starts faster without a validator of their own.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)

    seed: int = Field(default=20250101, ge=0, lt=2**31)
    candidate: Literal["lightgbm", "random_forest", "scorecard"] = "lightgbm"
    monotone_constraints: bool = True
    calibration: Literal["auto", "sigmoid", "isotonic", "venn_abers", "none"] = "auto"
    studies: bool = True
    drop_useless: bool = True
    search_trials: int = Field(default=0, ge=0)
    search_seconds: float = Field(default=600.0, gt=0)
    fold_order: Literal["auto", "time", "stratified"] = "auto"
    folds: int = Field(default=5, ge=2, le=20)
    max_rounds: int = Field(default=1500, ge=1)
    early_stopping_rounds: int = Field(default=60, ge=1)
    learning_rate: float = Field(default=0.05, gt=0, le=1)
    num_leaves: int = Field(default=12, ge=2, le=4096)
    min_data_in_leaf: int = Field(default=100, ge=1)
    feature_fraction: float = Field(default=0.5, gt=0, le=1)
    bagging_fraction: float = Field(default=0.8, gt=0, le=1)
    lambda_l2: float = Field(default=10.0, ge=0)
    min_data_per_group: int = Field(default=200, ge=1)
    cat_smooth: float = Field(default=100.0, ge=0)
    cat_l2: float = Field(default=50.0, ge=0)
    forest_trees: int = Field(default=300, ge=1, le=10_000)
    forest_leaves: int = Field(default=64, ge=2, le=4096)
    scorecard_bins: int = Field(default=6, ge=2, le=64)
    base_score: float = Field(default=600.0, ge=-1e6, le=1e6)
    base_odds: float = Field(default=50.0, ge=1e-6, le=1e6)
    pdo: float = Field(default=20.0, ge=1e-3, le=1e6)
    approve_below: float | None = Field(default=None, gt=0, lt=1)
    decline_from: float | None = Field(default=None, gt=0, lt=1)
    cutoff_rule: Literal["approval_rate", "expected_profit"] = "approval_rate"
    target_approval_rate: float = Field(default=0.80, gt=0, lt=1)
    decline_share: float = Field(default=0.05, gt=0, lt=1)
    margin: float = Field(default=0.10, gt=0, le=10)
    loss_given_default: float = Field(default=0.45, gt=0, le=1)
    min_return: float = Field(default=0.02, ge=0)
    amount: float = Field(default=1.0, gt=0, le=1e12)
    amount_column: str | None = None
    min_rows: int = Field(default=500, ge=20)
    min_defaults: int = Field(default=20, ge=2)
    leak_auc: float = Field(default=0.98, gt=0.5, le=1)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.target_approval_rate + self.decline_share > 1:
            raise ValueError("target_approval_rate and decline_share add up to more than 1; lower one")
        if self.min_return >= self.margin:
            raise ValueError("min_return is not below margin, so no application could be approved; lower min_return")
        if self.approve_below is not None and self.decline_from is not None and self.approve_below > self.decline_from:
            raise ValueError("approve_below is above decline_from; swap them")
        return self

    @classmethod
    def from_hyperparameters(cls, hyperparameters: Mapping[str, str]) -> Self:
        """Read settings from SageMaker hyperparameters, which are all text (some clients add JSON quotes).

        Args:
            hyperparameters: Setting names and values; SageMaker's own `sagemaker_…` entries are ignored.

        Raises:
            TrainingError: An unknown name or a value that does not fit; names it.
        """
        values = {k: v.strip().strip('"') for k, v in hyperparameters.items() if not k.startswith("sagemaker_")}
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"]) or "settings"
            known = ", ".join(cls.model_fields)
            hint = f"known settings: {known}" if first["type"] == "extra_forbidden" else "correct the value"
            raise TrainingError(f"hyperparameter '{name}': {first['msg']}; {hint}") from error

    def lightgbm(self, *, monotone: list[int], threads: int) -> dict[str, object]:
        """Return the parameters for LightGBM."""
        return {
            "objective": "binary",
            "metric": "binary_logloss",
            "learning_rate": self.learning_rate,
            "num_leaves": self.num_leaves,
            "min_data_in_leaf": self.min_data_in_leaf,
            "feature_fraction": self.feature_fraction,
            "bagging_fraction": self.bagging_fraction,
            "bagging_freq": 1,
            "lambda_l2": self.lambda_l2,
            "min_data_per_group": self.min_data_per_group,
            "cat_smooth": self.cat_smooth,
            "cat_l2": self.cat_l2,
            "monotone_constraints": monotone,
            "monotone_constraints_method": "basic",
            "seed": self.seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": threads,
            "verbosity": -1,
        }
