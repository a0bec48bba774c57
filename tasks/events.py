"""The platform's Prefect events: what each is called, which resource it is about, what it carries."""

from typing import Any

from prefect.events import emit_event

INGESTED = "credit.data.ingested"
REGISTERED = "credit.model.registered"
APPROVED = "credit.model.approved"
REJECTED = "credit.model.rejected"
RELEASED = "credit.model.released"
ROLLED_BACK = "credit.model.rolled_back"
SCORED = "credit.scores.published"
DRIFTED = "credit.drift.detected"


def announce(event: str, portfolio: str, payload: dict[str, Any], **labels: str) -> None:
    """Emit an event on resource `credit.portfolio.{portfolio}`; the payload names the portfolio too.

    Args:
        event: one of the names above.
        portfolio: whom it is about.
        payload: what it carries, for the parameters of what it starts.
        labels: `credit.NAME` labels of the resource, for triggers to match.
    """
    resource = {"prefect.resource.id": f"credit.portfolio.{portfolio}", "prefect.resource.name": portfolio}
    resource |= {f"credit.{name}": value for name, value in labels.items()}
    emit_event(event=event, resource=resource, payload={"portfolio": portfolio, **payload})
