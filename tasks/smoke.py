"""Asks a model server the bundle's golden applicants: right PDs, right model version, or the release ends."""

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from tasks import storage
from tasks.errors import ReleaseError
from tasks.manifest import MODEL_NAME
from tasks.registry import RegisteredModel

PD_TOLERANCE = 1e-9
TIMEOUT_SECONDS = 10.0


@task(cache_policy=NO_CACHE)
def smoke_test(url: str, model: RegisteredModel) -> None:
    """Check health, and the PD and model version of every golden applicant.

    Raises:
        ReleaseError: the first thing that is not as the bundle says.
    """
    golden = _golden(model)
    started = time.perf_counter()
    with httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS) as http:
        _require(http.get("/v2/health/ready").is_success, f"{url} is not ready")
        answer = _ask(http, [case["row"] for case in golden])
    _require(
        answer.get("model_version") == model.version,
        f"{url} answers as version {answer.get('model_version')}, not {model.version}",
    )
    for number, (case, prediction) in enumerate(zip(golden, answer["predictions"], strict=True)):
        off = abs(prediction["pd"] - case["pd"])
        _require(
            off <= PD_TOLERANCE,
            f"golden applicant {number}: PD {prediction['pd']!r} where the bundle says {case['pd']!r}",
        )
    get_run_logger().info(
        "%d golden applicants answered as expected in %.0f ms", len(golden), 1e3 * (time.perf_counter() - started)
    )


def _golden(model: RegisteredModel) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        path = storage.download(f"{model.bundle_uri}golden.json", Path(folder) / "golden.json")
        cases: list[dict[str, Any]] = json.loads(path.read_text())
    return cases


def _ask(http: httpx.Client, rows: list[dict[str, Any]]) -> dict[str, Any]:
    reply = http.post(f"/v1/models/{MODEL_NAME}:predict", json={"instances": rows})
    _require(
        reply.is_success,
        f"{reply.request.url} answers {reply.status_code} to the golden applicants: {reply.text[:300]}",
    )
    answer: dict[str, Any] = reply.json()
    _require(
        len(answer.get("predictions", [])) == len(rows),
        f"{len(rows)} golden applicants asked, {len(answer.get('predictions', []))} answered",
    )
    return answer


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise ReleaseError(f"smoke test: {message}")
