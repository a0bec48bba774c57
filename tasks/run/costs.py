"""The cost of a run: Athena's bytes and SageMaker's seconds at dated prices, as a table and in the run's record."""

from typing import Any

from prefect.artifacts import create_table_artifact
from pydantic import BaseModel

from tasks.naming import dashed
from tasks.run import context
from tasks.run.prices import ATHENA_TB, Prices
from tasks.settings import settings
from tasks.steps import step

MIB, TIB = 1 << 20, 1 << 40
# Athena rounds a query up to the next MB and charges at least this much.
MIN_QUERY_MIB = 10


class Charge(BaseModel, frozen=True):
    """One line of the cost table.

    Attributes:
        what: Service and what it did.
        quantity: Number of units.
        unit: Unit that is billed.
        price: US dollars per unit, None if unknown.
        usd: Cost in US dollars, None if the price is unknown.
        saved_usd: Savings of spot over on-demand instances.
        note: Explanation for the reader.
    """

    what: str
    quantity: float
    unit: str
    price: float | None
    usd: float | None
    saved_usd: float = 0.0
    note: str = ""


class Costs(BaseModel, frozen=True):
    """The cost of one run so far.

    Attributes:
        usd: Sum of the lines whose price is known.
        saved_usd: Savings of spot instances.
        complete: Whether every line has a price.
        prices: Source of the prices.
    """

    usd: float
    saved_usd: float
    complete: bool
    prices: str
    lines: list[Charge]


# By flow run, because a process may run several flows one after the other.
_QUERIES: dict[str, list[int]] = {}
_JOBS: dict[str, list[Charge]] = {}


def count_query(bytes_scanned: int) -> None:
    """Record what a query of this run scanned."""
    _QUERIES.setdefault(context.current(), []).append(bytes_scanned)


def charge_training(job: dict[str, Any], *, followed: bool) -> None:
    """Record a training job of this run.

    Args:
        job: Description of the ended job.
        followed: Whether it ran during this run; one that had ended before is charged to an earlier run.
    """
    resources = job["ResourceConfig"]
    # Billable seconds are wall-clock seconds of the job; each instance is billed for them.
    count = int(resources["InstanceCount"])
    billable = int(job.get("BillableTimeInSeconds", 0)) * count
    unbilled = max(int(job.get("TrainingTimeInSeconds", 0)) * count - billable, 0)
    spot = " (spot)" if job.get("EnableManagedSpotTraining") else ""
    what = f"SageMaker training {job['TrainingJobName']}{spot}"
    _charge_instances(what, resources["InstanceType"], billable, unbilled if spot else 0, followed=followed)


def charge_transform(job: dict[str, Any], *, seconds: int, followed: bool) -> None:
    """Record a batch transform job of this run.

    Args:
        job: Description of the ended job.
        seconds: From the job's start to its end; SageMaker bills each instance for them.
        followed: As in `charge_training`.
    """
    resources = job["TransformResources"]
    seconds *= int(resources["InstanceCount"])
    what = f"SageMaker transform {job['TransformJobName']}"
    _charge_instances(what, resources["InstanceType"], seconds, 0, followed=followed)


def _charge_instances(what: str, instance_type: str, seconds: int, unbilled: int, *, followed: bool) -> None:
    hourly = Prices(own=settings().prices).of(instance_type)
    price = None if hourly is None else hourly / 3600
    note = f"{instance_type} at {'no known price' if hourly is None else f'{hourly:.3f} USD an hour'}"
    if not followed:
        seconds, unbilled, note = 0, 0, "ended before this run: charged to an earlier run"
    line = Charge(
        what=what,
        quantity=seconds,
        unit="billable instance second",
        price=price,
        usd=None if price is None and seconds else seconds * (price or 0.0),
        saved_usd=unbilled * (price or 0.0),
        note=note,
    )
    _JOBS.setdefault(context.current(), []).append(line)


def so_far() -> Costs:
    """Return the cost of this run so far."""
    own = settings().prices
    lines = [_queries(_QUERIES.get(context.current(), []), Prices(own=own)), *_JOBS.get(context.current(), [])]
    return Costs(
        usd=sum(line.usd or 0.0 for line in lines),
        saved_usd=sum(line.saved_usd for line in lines),
        complete=all(line.usd is not None for line in lines),
        prices=Prices(own=own).source(),
        lines=lines,
    )


def _queries(scanned: list[int], prices: Prices) -> Charge:
    billed = sum(max(-(-size // MIB), MIN_QUERY_MIB) for size in scanned) * MIB
    price = prices.of(ATHENA_TB)
    return Charge(
        what=f"Athena, {len(scanned)} queries",
        quantity=billed / TIB,
        unit="TB scanned",
        price=price,
        usd=None if price is None else billed / TIB * price,
        note=f"{sum(scanned):,} bytes scanned, billed at least {MIN_QUERY_MIB} MB a query",
    )


@step
def show_costs(portfolio: str, flow: str) -> Costs:
    """Write a table artifact of the run's cost; return the cost."""
    costs = so_far()
    lines = [_shown(line) for line in costs.lines]
    saved = f", spot saved {costs.saved_usd:.4f} USD" if costs.saved_usd else ""
    unknown = "" if costs.complete else ", some prices are unknown (set CREDIT_PRICES)"
    create_table_artifact(
        key=f"costs-{flow}-{dashed(portfolio)}",
        table=lines,
        description=f"{costs.usd:.4f} USD{saved}{unknown}; {costs.prices}. "
        "Storage, requests and the flow's own ECS task are not included.",
    )
    return costs


def _shown(line: Charge) -> dict[str, Any]:
    """Return a line for people: small amounts are not rounded to zero."""
    return {
        "what": line.what,
        "quantity": f"{line.quantity:.6g} {line.unit}",
        "USD": "unknown" if line.usd is None else f"{line.usd:.4f}",
        "saved USD": f"{line.saved_usd:.4f}" if line.saved_usd else "",
        "note": line.note,
    }
