"""How often a request is repeated, for the cluster's API and for model servers alike."""

import time
from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

Found = TypeVar("Found")
# Pauses of 0.5, 1, 2, 4, 8 and 10 s, each with up to half a second more: 26 to 29 s in all.
ATTEMPTS = 7
_BACKOFF = wait_exponential_jitter(initial=0.5, max=10.0, jitter=0.5)
LONGEST_PAUSE = 30.0


def patiently(
    call: Callable[[], Found], transient: Callable[[BaseException], bool], *, attempts: int = ATTEMPTS
) -> Found:
    """Call until it succeeds, fails for good, or has failed `attempts` times; then raise its last error.

    Args:
        call: the request.
        transient: whether an error may pass.
        attempts: most calls.
    """
    retrying = Retrying(
        retry=retry_if_exception(transient),
        stop=stop_after_attempt(attempts),
        wait=_pause,
        sleep=time.sleep,
        reraise=True,
    )
    return retrying(call)


def _pause(state: RetryCallState) -> float:
    """Return the seconds until the next attempt: what the server asks for (`Retry-After`), else the backoff."""
    error = state.outcome.exception() if state.outcome else None
    headers = getattr(error, "headers", None) or {}
    asked = str(headers.get("Retry-After") or "")
    return min(float(asked), LONGEST_PAUSE) if asked.isdigit() else _BACKOFF(state)
