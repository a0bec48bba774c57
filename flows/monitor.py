"""The monitor flow: compares scored months with training; writes to the lake, a report and, on drift, an event."""

from typing import Annotated

from prefect import flow, runtime

from credit_model.monitoring.month import MonitorLimits
from flows.portfolio import Day, Portfolio, shown
from tasks.monitor import MonitorOutcome, announce_drift, find_scores, monitor_months, show_months
from tasks.sagemaker.registry import get_model

Limits = Annotated[MonitorLimits | None, shown("Limits")]


def run_name() -> str:
    """Return `monitor case 2026-11-22`, or `monitor case latest scores`."""
    given = runtime.flow_run.parameters
    return f"monitor {given['portfolio']} {given.get('day') or 'latest scores'}"


@flow(name="monitor", flow_run_name=run_name)
def monitor(portfolio: Portfolio, day: Day = None, limits: Limits = None) -> MonitorOutcome:
    """Compare every month of the published scores with training and with the outcomes known since.

    Args:
        portfolio: Name of the contract.
        day: Day of the scores; the latest if empty.
        limits: Alarm limits that differ from the defaults.
    """
    run = find_scores(portfolio, day)
    model = get_model(portfolio, run.model_version)
    found = monitor_months(run, model, limits or MonitorLimits())
    show_months(found)
    announce_drift(found)
    return found
