"""The shadow step: recent applicants are asked of champion and challenger alike, and nobody gets the answers."""

from typing import Any, NamedTuple

from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact

from credit_model.contract.contract import load_contract
from tasks.errors import ReleaseError
from tasks.lake import athena, tables
from tasks.naming import dashed
from tasks.release import kserve
from tasks.release.endpoint import Answer, Endpoint, Row, percentile
from tasks.release.limits import ReleaseLimits
from tasks.release.rollout import Rollout
from tasks.release.smoke import golden_cases
from tasks.sagemaker.registry import RegisteredModel
from tasks.steps import step


class Pair(NamedTuple):
    """What both said about one applicant."""

    champion: Answer
    challenger: Answer


@step
def shadow(rollout: Rollout, model: RegisteredModel, limits: ReleaseLimits) -> None:
    """Ask both about the golden and the newest applicants, one after the other, and compare.

    The champion is asked by the stable URL, which at 0 % leads to it alone, the challenger by its tag URL. Other PDs
    are what a challenger is for; how far they differ is shown.

    Raises:
        ReleaseError: the challenger does not answer what the champion answers, answers as another version, or is
            several times as slow.
    """
    service = kserve.read(rollout.service) or {}
    rows = [case["row"] for case in golden_cases(model.bundle_uri)]
    rows += recent_applicants(model.portfolio, limits.shadow_applicants)
    with Endpoint(service["status"]["url"]) as stable, Endpoint(kserve.latest_url(service)) as latest:
        pairs = [Pair(stable.ask([row]), latest.ask([row])) for row in rows]
    compared = compare(pairs, model.version, limits)
    create_markdown_artifact(key=f"shadow-{dashed(model.portfolio)}", markdown=_markdown(model, compared))
    get_run_logger().info("shadow: %s", ", ".join(f"{name} {value}" for name, value in compared.items()))


def recent_applicants(portfolio: str, number: int) -> list[Row]:
    """Return the newest applicants of the lake as a client would send them; none where there is no lake yet."""
    contract = load_contract(portfolio)
    table = tables.applications(contract)
    days = tables.partitions(table) if number else []
    if not days:
        return []
    query = (
        f"SELECT {tables.selected(contract)} FROM {table.name} WHERE dt = ? "  # noqa: S608 - from a validated contract
        f"ORDER BY ingested_at DESC, application_id LIMIT {number}"
    )
    return [_sendable(row) for row in athena.rows(query, [days[-1][0]])]


def _sendable(row: dict[str, Any]) -> Row:
    """Leave absent values out, and make NumPy's plain."""
    import pandas as pd  # noqa: PLC0415 - heavy: imported where it is used

    return {
        name: value.item() if hasattr(value, "item") else value for name, value in row.items() if not pd.isna(value)
    }


def compare(pairs: list[Pair], version: str, limits: ReleaseLimits) -> dict[str, str]:
    """Return what there is to tell of at least one pair.

    Raises:
        ReleaseError: the challenger does not do what the champion does.
    """
    for number, pair in enumerate(pairs):
        _check(number, pair, version)
    both = [pair for pair in pairs if pair.champion.status == pair.challenger.status == 200]
    refused = sum(pair.champion.status != 200 for pair in pairs)
    found = {"applicants": f"{len(pairs):,}", "refused by the champion": f"{refused:,}"}
    return {**found, **_speeds(both, limits), **_differences(both)} if both else found


def _check(number: int, pair: Pair, version: str) -> None:
    new, old = pair.challenger, pair.champion
    if new.status != 200 and (new.status >= 500 or old.status == 200):
        raise ReleaseError(
            f"shadow: applicant {number} is answered {new.status} by the challenger and {old.status} by the champion: "
            f"{new.text}"
        )
    if new.status == 200 and new.version != version:
        raise ReleaseError(f"shadow: applicant {number} is answered by version {new.version}, not {version}")
    if new.status == 200 and not (len(new.predictions) == 1 and 0 <= new.predictions[0].get("pd", -1.0) <= 1):
        raise ReleaseError(f"shadow: applicant {number} gets no PD from the challenger: {new.text}")


def _speeds(pairs: list[Pair], limits: ReleaseLimits) -> dict[str, str]:
    usual = percentile([pair.champion.milliseconds for pair in pairs], 0.5)
    now = percentile([pair.challenger.milliseconds for pair in pairs], 0.5)
    if now > max(limits.tolerated_ms, limits.max_slowdown * usual):
        raise ReleaseError(
            f"shadow: the challenger's median is {now:.1f} ms where the champion's is {usual:.1f} ms; "
            f"{limits.max_slowdown:g} times is allowed"
        )
    return {"median ms, champion": f"{usual:.1f}", "median ms, challenger": f"{now:.1f}"}


def _differences(pairs: list[Pair]) -> dict[str, str]:
    said = [(pair.champion.predictions[0], pair.challenger.predictions[0]) for pair in pairs]
    off = [abs(new["pd"] - old["pd"]) for old, new in said]
    turned = sum(new["decision"] != old["decision"] for old, new in said)
    return {
        "mean PD, champion": f"{sum(old['pd'] for old, _ in said) / len(said):.4f}",
        "mean PD, challenger": f"{sum(new['pd'] for _, new in said) / len(said):.4f}",
        "PD difference, median": f"{percentile(off, 0.5):.4f}",
        "PD difference, 95 % of applicants at most": f"{percentile(off, 0.95):.4f}",
        "PD difference, largest": f"{max(off):.4f}",
        "other decision": f"{turned:,}",
    }


def _markdown(model: RegisteredModel, compared: dict[str, str]) -> str:
    head = f"# Shadow of `{model.version}`\n\nAsked of champion and challenger; nobody got the answers.\n"
    return "\n".join([head, "| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in compared.items())])
