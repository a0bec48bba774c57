"""The platform's Prefect events: name, resource and payload of each."""

from datetime import datetime
from typing import ClassVar

from prefect.events import emit_event
from pydantic import BaseModel, ConfigDict, Field


class Event(BaseModel):
    """One kind of event; its fields are the payload.

    Attributes:
        name: Event name in Prefect, which triggers expect.
        labels: Fields that triggers can match, as `credit.FIELD` on the resource.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())
    name: ClassVar[str]
    labels: ClassVar[tuple[str, ...]] = ()

    def resource(self) -> dict[str, str]:
        """Return the event's resource with its labels."""
        labelled = {f"credit.{label}": _text(getattr(self, label)) for label in self.labels}
        return {"prefect.resource.id": self.resource_id(), **labelled}

    def resource_id(self) -> str:
        """Return the id of the resource."""
        raise NotImplementedError


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


class ObjectLanded(Event):
    """An object was written under `landing/`; EventBridge sends it."""

    name = "credit.landing.object_created"

    bucket: str = Field(description="bucket of the object")
    key: str = Field(description="`landing/PORTFOLIO/applications/FILE` or `…/outcomes/FILE`")
    version_id: str = Field("", description="version of the object; empty if the bucket is not versioned")

    def resource_id(self) -> str:
        """Return `s3://bucket/key`."""
        return f"s3://{self.bucket}/{self.key}"


class ModelApproved(Event):
    """A package in the SageMaker model registry became Approved; EventBridge sends it."""

    name = "credit.model.approved"
    labels = ("group",)

    group: str = Field(description="model package group, `credit-PORTFOLIO` with dashes")
    package: str = Field(description="ARN of the model package")
    approved_at: datetime = Field(description="when EventBridge received the approval")

    def resource_id(self) -> str:
        """Return the package's ARN."""
        return self.package


class PortfolioEvent(Event):
    """An event about a portfolio, emitted by a flow."""

    portfolio: str = Field(description="whose contract")

    def resource_id(self) -> str:
        """Return `credit.portfolio.PORTFOLIO`."""
        return f"credit.portfolio.{self.portfolio}"


class DataIngested(PortfolioEvent):
    """A file was published to the lake, or enough new outcomes are there to train on, or both."""

    name = "credit.data.ingested"
    labels = ("retrain",)

    ingest_id: str | None = Field(description="the file; none if it was refused or already known")
    accepted: int = Field(description="its rows in the lake")
    labelled: int = Field(description="its rows with a known outcome")
    months: list[str] = Field(description="its months, `YYYY-MM`")
    new_outcomes: int | None = Field(
        description="applicants whose outcome no registered model has seen; none if not counted"
    )
    retrain: bool = Field(description="whether to train a challenger now")


class ModelRegistered(PortfolioEvent):
    """A trained model passed the gate and is in the registry, approved or pending manual approval."""

    name = "credit.model.registered"

    version: str = Field(description="model version, the bundle's digest")
    arn: str = Field(description="ARN of the model package")
    snapshot_id: str = Field(description="the snapshot it was trained on")
    status: str = Field(description="`Approved` or `PendingManualApproval`")


class ModelRejected(PortfolioEvent):
    """A trained model did not pass the gate, or a person rejected it."""

    name = "credit.model.rejected"

    version: str = Field(description="model version, the bundle's digest")
    arn: str = Field(description="ARN of the model package")
    snapshot_id: str = Field(description="the snapshot it was trained on")
    reasons: list[str] = Field(description="details of the checks that failed")


class ModelReleased(PortfolioEvent):
    """A model now has all the traffic."""

    name = "credit.model.released"

    version: str = Field(description="model version")
    url: str | None = Field(description="address of the endpoint")


class ReleaseRolledBack(PortfolioEvent):
    """A release failed or was stopped; the champion has all the traffic."""

    name = "credit.model.rolled_back"

    version: str = Field(description="version of the model that was not released")
    bundle_uri: str = Field(description="its bundle")
    reason: str = Field(description="what went wrong")


class ScoresPublished(PortfolioEvent):
    """Readers see new scores."""

    name = "credit.scores.published"

    dt: str = Field(description="partition, the day of the scores")
    rows: int = Field(description="how many applicants")
    model_version: str = Field(description="version of the model that scored them")
    uri: str = Field(description="address of the scores")


class DriftDetected(PortfolioEvent):
    """Scored months differ from training, or their outcomes differ from the model's predictions."""

    name = "credit.drift.detected"
    labels = ("retrain",)

    version: str = Field(description="the model that drifts")
    months: list[str] = Field(description="months with an alarm")
    reasons: list[str] = Field(description="reason of each alarm")
    report: str = Field(description="address of `monitoring.html`")
    retrain: bool = Field(description="whether a new model would help; false while a feed is broken")


RECEIVED: tuple[type[Event], ...] = (ObjectLanded, ModelApproved)
EMITTED: tuple[type[Event], ...] = (
    DataIngested,
    ModelRegistered,
    ModelRejected,
    ModelReleased,
    ReleaseRolledBack,
    ScoresPublished,
    DriftDetected,
)


def announce(event: PortfolioEvent) -> None:
    """Emit an event of one portfolio.

    Example:
        >>> announce(ModelReleased(portfolio="case", version="3f1c", url=None))  # doctest: +SKIP
    """
    resource = event.resource() | {"prefect.resource.name": event.portfolio}
    emit_event(event=event.name, resource=resource, payload=event.model_dump(mode="json"))
