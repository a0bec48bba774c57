"""HTTP client of a model server: timed predictions, metadata and metrics.

It honours `HTTPS_PROXY` and `NO_PROXY`, and trusts the authorities in `CREDIT_CA_BUNDLE`.
"""

import ssl
from types import TracebackType
from typing import Any, NamedTuple

import httpx

from tasks.errors import ReleaseError
from tasks.release.inference_service import MODEL_NAME
from tasks.release.retries import patiently
from tasks.settings import settings

TIMEOUT_SECONDS = 10.0
# What a gateway answers while a pod starts or ends; the model server itself fails with 500.
GATEWAY = (502, 503, 504)
REFUSED = (401, 403)
ATTEMPTS = 4
Row = dict[str, Any]


class _PassingError(Exception):
    """No answer, or a gateway's instead of the server's."""

    def __init__(self, text: str, reply: httpx.Response | None = None) -> None:
        super().__init__(text)
        self.reply = reply


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
        attempts: most attempts of a request that meets a gateway's error or no answer.

    Attributes:
        requests: Requests sent, without repetitions.
        hiccups: Attempts that met a gateway's error or no answer.
    """

    def __init__(self, url: str, *, attempts: int = ATTEMPTS) -> None:
        self.url = url
        self.requests = 0
        self.hiccups = 0
        self._attempts = attempts
        self._http = httpx.Client(
            base_url=url, timeout=TIMEOUT_SECONDS, headers=settings().serve_headers(), verify=_authorities()
        )

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
        reply = self._send("POST", f"/v1/models/{MODEL_NAME}:predict", {"instances": rows})
        milliseconds = 1e3 * reply.elapsed.total_seconds()
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

    def check_hiccups(self, tolerated: float) -> None:
        """Refuse an endpoint that has met more gateway errors than a share of its requests, or than one.

        Raises:
            ReleaseError: it has.
        """
        if self.hiccups > max(1.0, tolerated * self.requests):
            raise ReleaseError(
                f"{self.url}: {self.hiccups} of {self.requests} requests met a gateway's error or no answer at first; "
                f"{tolerated:.1%} is tolerated. See the gateway's log"
            )

    def _send(self, method: str, path: str, document: dict[str, Any] | None = None) -> httpx.Response:
        self.requests += 1
        try:
            return patiently(
                lambda: self._attempt(method, path, document),
                lambda error: isinstance(error, _PassingError),
                attempts=self._attempts,
            )
        except _PassingError as error:
            if error.reply is None:
                raise ReleaseError(f"{self.url}{path} does not answer: {error}") from error
            return error.reply

    def _attempt(self, method: str, path: str, document: dict[str, Any] | None) -> httpx.Response:
        try:
            reply = self._http.request(method, path, json=document)
        except httpx.TransportError as error:
            self.hiccups += 1
            raise _PassingError(repr(error)) from error
        except httpx.HTTPError as error:
            raise ReleaseError(f"{self.url}{path} does not answer: {error!r}") from error
        if reply.status_code in REFUSED:
            raise ReleaseError(
                f"{self.url} answers {reply.status_code}: it does not take the token in CREDIT_SERVE_TOKEN. Nothing "
                "was found against the model; give the flow a valid token and release again"
            )
        if reply.status_code in GATEWAY:
            self.hiccups += 1
            raise _PassingError(f"it answers {reply.status_code}", reply)
        return reply


def _authorities() -> ssl.SSLContext | bool:
    """Return the certificate authorities to trust: those of the setting, else the usual ones."""
    bundle = settings().ca_bundle
    if not bundle:
        return True
    try:
        if bundle.startswith("-----BEGIN"):
            return ssl.create_default_context(cadata=bundle)
        return ssl.create_default_context(cafile=bundle)
    except (OSError, ssl.SSLError) as error:
        raise ReleaseError(f"CREDIT_CA_BUNDLE {bundle[:80]} cannot be read as PEM certificates: {error}") from error


def version_at(url: str) -> str | None:
    """Return the model version that the server behind a URL has loaded, None if it does not say so now."""
    try:
        with Endpoint(url, attempts=1) as server:
            return next(iter(server.versions()), None)
    except ReleaseError:
        return None


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
