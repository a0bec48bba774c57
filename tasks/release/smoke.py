"""The smoke test: a model server must answer the golden applicants with the right PDs and version, and fast."""

import json
import tempfile
from pathlib import Path
from typing import Any

from prefect import get_run_logger

from tasks import s3
from tasks.errors import ReleaseError
from tasks.release.endpoint import Answer, Endpoint, percentile
from tasks.release.limits import ReleaseLimits
from tasks.sagemaker.registry import RegisteredModel
from tasks.steps import step

PD_TOLERANCE = 1e-9
Case = dict[str, Any]


@step
def smoke_test(url: str, model: RegisteredModel, limits: ReleaseLimits) -> None:
    """Check health, metadata, and the PD, model version and latency of every golden applicant.

    They are sent together once, then one by one in several rounds.

    Raises:
        ReleaseError: the first deviation from the bundle.
    """
    golden = golden_cases(model.bundle_uri)
    with Endpoint(url) as server:
        _require(server.is_ready(), f"{url} is not ready")
        versions = server.versions()
        _require(versions == [model.version], f"{url} serves version {versions}, not {model.version}")
        _check(server.ask([case["row"] for case in golden]), golden, model.version, first=0)
        times = [
            _ask_one(server, golden, number, model) for _ in range(limits.smoke_rounds) for number in range(len(golden))
        ]
        server.check_hiccups(limits.max_hiccups)
    slow = percentile(times, 0.99)
    _require(
        slow <= limits.smoke_p99_ms,
        f"p99 of {len(times)} single requests is {slow:.0f} ms, above {limits.smoke_p99_ms:.0f} ms",
    )
    get_run_logger().info(
        "%d golden applicants answered as expected, median %.1f ms, p99 %.1f ms",
        len(golden),
        percentile(times, 0.5),
        slow,
    )


def golden_cases(bundle_uri: str) -> list[Case]:
    """Return a bundle's golden applicants: `row` as a client sends it, `pd` as the model computes it."""
    with tempfile.TemporaryDirectory() as folder:
        path = s3.download(f"{bundle_uri}golden.json", Path(folder) / "golden.json")
        cases: list[Case] = json.loads(path.read_text())
    return cases


def _ask_one(server: Endpoint, golden: list[Case], number: int, model: RegisteredModel) -> float:
    """Score one golden applicant; return the time in milliseconds."""
    answer = server.ask([golden[number]["row"]])
    _check(answer, [golden[number]], model.version, first=number)
    return answer.milliseconds


def _check(answer: Answer, cases: list[Case], version: str, *, first: int) -> None:
    _require(answer.status == 200, f"the answer for golden applicants is {answer.status}: {answer.text}")
    _require(answer.version == version, f"the answer is from version {answer.version}, not {version}")
    found = len(answer.predictions)
    _require(found == len(cases), f"{len(cases)} golden applicants sent, {found} answered")
    for number, (case, prediction) in enumerate(zip(cases, answer.predictions, strict=True), start=first):
        pd = prediction.get("pd")
        right = isinstance(pd, float) and abs(pd - case["pd"]) <= PD_TOLERANCE
        _require(right, f"golden applicant {number}: PD {pd!r}, but the bundle says {case['pd']!r}")


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise ReleaseError(f"smoke test: {message}")
