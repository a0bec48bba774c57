"""Delivery of events to API destinations over HTTP: authorization, parameters and retries."""

import base64
import json
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx

_THREADS = 4
_ATTEMPTS = 6
_FIRST_PAUSE = 0.2
_TIMEOUT = 5.0  # EventBridge's timeout for an API destination, in seconds
_RETRIED = {401, 407, 409, 429}
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Delivery:
    """One HTTP request to make."""

    method: str
    url: str
    headers: dict[str, str]
    query: dict[str, str]
    body: str


def delivery(destination: Any, connection: Any, target: dict[str, Any], body: str) -> Delivery:  # noqa: ANN401 - moto
    """Build the request of a delivery.

    Args:
        destination: Moto's API destination.
        connection: Moto's connection of that destination.
        target: The rule's target, with its `HttpParameters`.
        body: The event, transformed if the target asks for it.
    """
    parameters = target.get("HttpParameters") or {}
    auth = connection.auth_parameters or {}
    shared = auth.get("InvocationHttpParameters") or {}
    url = destination.invocation_endpoint
    for value in parameters.get("PathParameterValues") or []:
        url = url.replace("*", value, 1)
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "Amazon/EventBridge/ApiDestinations",
        **(parameters.get("HeaderParameters") or {}),
        **_pairs(shared.get("HeaderParameters")),
        **_authorization(auth),
    }
    query = {**(parameters.get("QueryStringParameters") or {}), **_pairs(shared.get("QueryStringParameters"))}
    extra = _pairs(shared.get("BodyParameters"))
    if extra:
        body = json.dumps({**json.loads(body), **extra})
    return Delivery(destination.http_method, url, headers, query, body)


class Courier:
    """Makes deliveries in the background and retries the failures that may be temporary."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="events")
        self._over = threading.Event()

    def send(self, item: Delivery, attempts: int = _ATTEMPTS) -> None:
        """Queue a delivery with at most `attempts` attempts."""
        self._pool.submit(self._deliver, item, attempts)

    def close(self) -> None:
        """Drop the queued deliveries and stop."""
        self._over.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _deliver(self, item: Delivery, attempts: int) -> None:
        pause = _FIRST_PAUSE
        for _ in range(attempts):
            outcome = _attempt(item)
            if outcome is None:
                return
            _log.warning("event to %s: %s", item.url, outcome)
            if outcome.startswith("refused") or self._over.wait(pause):
                return
            pause *= 2


def _attempt(item: Delivery) -> str | None:
    """Try once; return None on success, otherwise the outcome (`refused …` is final)."""
    try:
        answer = httpx.request(
            item.method,
            item.url,
            params=item.query or None,
            content=item.body.encode(),
            headers=item.headers,
            timeout=_TIMEOUT,
            trust_env=False,
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"failed: {error!r}"
    if answer.is_success:
        return None
    again = answer.status_code in _RETRIED or answer.status_code >= 500
    return f"{'failed' if again else 'refused'}: {answer.status_code} {answer.text[:500]}"


def _pairs(items: list[dict[str, Any]] | None) -> dict[str, str]:
    return {item["Key"]: item.get("Value", "") for item in items or []}


def _authorization(auth: dict[str, Any]) -> dict[str, str]:
    if key := auth.get("ApiKeyAuthParameters"):
        return {key["ApiKeyName"]: key["ApiKeyValue"]}
    if basic := auth.get("BasicAuthParameters"):
        token = base64.b64encode(f"{basic['Username']}:{basic['Password']}".encode()).decode()
        return {"Authorization": f"Basic {token}"}
    return {}
