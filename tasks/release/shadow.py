"""The shadow step: sends recent applicants to champion and challenger and compares the answers; no client sees them."""

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
from tasks.release.record import Rollout
from tasks.release.smoke import golden_cases
from tasks.release.status import latest_url
from tasks.sagemaker.registry import RegisteredModel
from tasks.steps import step


class Pair(NamedTuple):
    """Both answers for one applicant."""

    champion: Answer
    challenger: Answer


@step
def shadow(rollout: Rollout, model: RegisteredModel, limits: ReleaseLimits) -> None:
    """Send the golden and the newest applicants to both models, one by one, and compare.

    The champion is reached by the stable URL, which at 0 % leads only to it, the challenger by its tag URL. Different
    PDs are expected of a challenger; the differences are only shown.

    Raises:
        ReleaseError: the challenger refuses what the champion answers, answers as another version, or is several times
            as slow.
    """
    service = kserve.existing(rollout.service)
    rows = [case["row"] for case in golden_cases(model.bundle_uri)]
    rows += recent_applicants(model.portfolio, limits.shadow_applicants)
    with Endpoint(service["status"]["url"]) as stable, Endpoint(latest_url(service)) as latest:
        pairs = [_ask_both(rollout, stable, latest, row) for row in rows]
        latest.check_hiccups(limits.max_hiccups)
    compared = compare(pairs, model.version, limits)
    create_markdown_artifact(key=f"shadow-{dashed(model.portfolio)}", markdown=_markdown(model, compared))
    get_run_logger().info("shadow: %s", ", ".join(f"{name} {value}" for name, value in compared.items()))


def _ask_both(rollout: Rollout, champion: Endpoint, challenger: Endpoint, row: Row) -> Pair:
    rollout.wait_seconds()
    return Pair(champion.ask([row]), challenger.ask([row]))


def recent_applicants(portfolio: str, number: int) -> list[Row]:
    """Return the newest applicants of the lake as a client would send them; none if there is no lake yet."""
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
    """Return a row without missing values and with plain Python values."""
    import pandas as pd  # noqa: PLC0415 - heavy: imported where it is used

    return {
        name: value.item() if hasattr(value, "item") else value for name, value in row.items() if not pd.isna(value)
    }


def compare(pairs: list[Pair], version: str, limits: ReleaseLimits) -> dict[str, str]:
    """Return a summary of at least one pair, as text by name.

    Raises:
        ReleaseError: the challenger fails where the champion does not.
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
            f"shadow: for applicant {number} the challenger answers {new.status} and the champion {old.status}: "
            f"{new.text}"
        )
    if new.status == 200 and new.version != version:
        raise ReleaseError(f"shadow: for applicant {number} version {new.version} answers, not {version}")
    if new.status == 200 and not (len(new.predictions) == 1 and 0 <= new.predictions[0].get("pd", -1.0) <= 1):
        raise ReleaseError(f"shadow: applicant {number} gets no PD from the challenger: {new.text}")


def _speeds(pairs: list[Pair], limits: ReleaseLimits) -> dict[str, str]:
    usual = percentile([pair.champion.milliseconds for pair in pairs], 0.5)
    now = percentile([pair.challenger.milliseconds for pair in pairs], 0.5)
    if now > max(limits.tolerated_ms, limits.max_slowdown * usual):
        raise ReleaseError(
            f"shadow: the challenger's median is {now:.1f} ms and the champion's {usual:.1f} ms; "
            f"at most {limits.max_slowdown:g} times is allowed"
        )
    return {"median ms, champion": f"{usual:.1f}", "median ms, challenger": f"{now:.1f}"}


def _differences(pairs: list[Pair]) -> dict[str, str]:
    answers = [(pair.champion.predictions[0], pair.challenger.predictions[0]) for pair in pairs]
    off = [abs(new["pd"] - old["pd"]) for old, new in answers]
    turned = sum(new["decision"] != old["decision"] for old, new in answers)
    return {
        "mean PD, champion": f"{sum(old['pd'] for old, _ in answers) / len(answers):.4f}",
        "mean PD, challenger": f"{sum(new['pd'] for _, new in answers) / len(answers):.4f}",
        "PD difference, median": f"{percentile(off, 0.5):.4f}",
        "PD difference, 95th percentile": f"{percentile(off, 0.95):.4f}",
        "PD difference, largest": f"{max(off):.4f}",
        "different decision": f"{turned:,}",
    }


def _markdown(model: RegisteredModel, compared: dict[str, str]) -> str:
    head = f"# Shadow of `{model.version}`\n\nSent to champion and challenger; no client saw the answers.\n"
    return "\n".join([head, "| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in compared.items())])
