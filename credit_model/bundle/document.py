"""The content of bundle.json: everything about a model but its trees."""

from functools import cached_property
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from credit_model.bundle.evidence import Evidence
from credit_model.bundle.measurements import Metrics
from credit_model.bundle.record import Record
from credit_model.calibration.calibrator import Calibration
from credit_model.contract.contract import Contract
from credit_model.explain.reasons import ReasonBook
from credit_model.features.encoder import Encoder
from credit_model.settings import TrainSettings

FORMAT = 1


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ScoreScale(_Part):
    """Points: `base_score` at good:bad odds `base_odds`, `pdo` points more when the odds double."""

    base_score: float = 600.0
    base_odds: float = Field(default=50.0, gt=0)
    pdo: float = Field(default=20.0, gt=0)


class Cutoffs(_Part):
    """Decision by PD: approve below `approve_below`, decline from `decline_from`, refer between."""

    approve_below: float = Field(gt=0, le=1)
    decline_from: float = Field(gt=0, le=1)


class Reference(_Part):
    """Distribution of one column in training, for drift.

    Attributes:
        kind: `numeric` (shares of the bins between `edges`) or `levels`.
        edges: Inner bin edges; a value v is in bin i when edges[i-1] < v <= edges[i].
        levels: Levels in the order of the shares.
        shares: Share of the rows in each bin or level; with `missing` they sum to 1.
        missing: Share of missing values.
    """

    kind: str
    edges: tuple[float, ...] = ()
    levels: tuple[str, ...] = ()
    shares: tuple[float, ...]
    missing: float


class Lineage(_Part):
    """Where the model comes from: all that it takes to train it again."""

    snapshot_id: str | None = None
    git_commit: str | None = None
    image_digest: str | None = None
    extra: dict[str, str] = Field(default_factory=dict)


class RecordedSettings(TrainSettings, Record):
    """Settings that a model was trained with, by the release that trained it.

    A setting that this release does not know is kept; one that the other release did not know has today's default.
    """

    # Both bases name their own.
    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)


class TrainingFacts(Record):
    """Labelled rows trained on, defaults among them, and boosting rounds (trees) of the model."""

    rows: int
    defaults: int
    rounds: int = 0


class Document(_Part):
    """Content of bundle.json."""

    format: int = FORMAT
    contract: Contract
    features: tuple[str, ...]
    dropped: dict[str, str] = Field(default_factory=dict)
    levels: dict[str, tuple[str, ...]]
    calibration: Calibration
    scale: ScoreScale
    grades: tuple[str, ...]
    grade_edges: tuple[float, ...]
    cutoffs: Cutoffs
    reference: dict[str, Reference]
    score_reference: Reference
    metrics: Metrics
    importance: dict[str, float]
    settings: RecordedSettings
    training: TrainingFacts
    libraries: dict[str, str]
    lineage: Lineage = Lineage()
    reasons: ReasonBook | None = None
    evidence: Evidence = Evidence()

    @cached_property
    def encoder(self) -> Encoder:
        """The encoder with the learnt levels."""
        return Encoder(self.contract, self.features, self.levels)


class GoldenRow(_Part):
    """An applicant with a known PD, which proves that a deployed model is this one."""

    application_id: str
    row: dict[str, Any]
    pd: float
