"""HTTP client of a model server: timed predictions, metadata and metrics."""

import time
from types import TracebackType
from typing import Any, NamedTuple

import httpx

from tasks.errors import ReleaseError
from tasks.release.inference_service import MODEL_NAME
from tasks.settings import settings

TIMEOUT_SECONDS = 10.0
Row = dict[str, Any]


class Answer(NamedTuple):
    """The answer to one request; `predictions` is empty if it was refused."""

    status: int
    milliseconds: float
    version: str | None
    predictions: list[dict[str, Any]]
    text: str


class Endpoint:
    """A URL with model servers behind it. Use as a context manager.

    Args:
        url: stable or tag URL.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS, headers=settings().serve_headers())

    def __enter__(self) -> "Endpoint":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def is_ready(self) -> bool:
        """Return whether the server reports that it is ready."""
        return self._send("GET", "/v2/health/ready").is_success

    def versions(self) -> list[str]:
        """Return the model versions in the server's metadata."""
        reply = self._send("GET", f"/v2/models/{MODEL_NAME}")
        found: list[str] = _json(reply).get("versions") or []
        return found

    def ask(self, rows: list[Row]) -> Answer:
        """Score applicants in one request."""
        began = time.perf_counter()
        reply = self._send("POST", f"/v1/models/{MODEL_NAME}:predict", {"instances": rows})
        milliseconds = 1e3 * (time.perf_counter() - began)
        document = _json(reply) if reply.is_success else {}
        return Answer(
            reply.status_code,
            milliseconds,
            document.get("model_version"),
            document.get("predictions") or [],
            reply.text[:300],
        )

    def metrics(self) -> str:
        """Return the Prometheus text of whichever server answers; there may be several behind one URL.

        Raises:
            ReleaseError: the server answers with an error.
        """
        reply = self._send("GET", "/metrics")
        if not reply.is_success:
            raise ReleaseError(f"{self.url}/metrics answers {reply.status_code}; a release must be able to read it")
        return reply.text

    def _send(self, method: str, path: str, document: dict[str, Any] | None = None) -> httpx.Response:
        try:
            return self._http.request(method, path, json=document)
        except httpx.HTTPError as error:
            raise ReleaseError(f"{self.url}{path} does not answer: {error!r}") from error


def _json(reply: httpx.Response) -> dict[str, Any]:
    try:
        document = reply.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def percentile(values: list[float], share: float) -> float:
    """Return the nearest-rank percentile of at least one value.

    >>> percentile([3.0, 1.0, 2.0], 0.5)
    2.0
    """
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]
