"""Bearer-token authentication, an ASGI layer in front of the application; absent if no tokens are configured."""

import hmac
import logging
import os
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from time import monotonic
from typing import Any

from images.serve.metrics import Metrics

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

# Kubernetes, SageMaker and Prometheus call these, without a token.
OPEN = frozenset({"/ping", "/metrics", "/v2/health/live", "/v2/health/ready"})
SCHEME = b"bearer "
LOOK_SECONDS = 1.0
BODY = b'{"error":"a bearer token is needed: Authorization: Bearer <token>"}'
HEADERS = [
    (b"content-type", b"application/json"),
    (b"content-length", b"%d" % len(BODY)),
    (b"www-authenticate", b"Bearer"),
]

log = logging.getLogger(__name__)


class TokenFileError(RuntimeError):
    """The token file cannot be used, and without it the server would be open to all."""


class Tokens:
    """The tokens of a file, one per line, so that an old and a new one can both be valid.

    The file is checked every second. If it can no longer be read, the tokens stay as they were.
    """

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            TokenFileError: it cannot be read, or holds no token.
        """
        self._path = path
        self._mark, self._tokens = self._read()
        self._next_look = monotonic() + LOOK_SECONDS

    def admit(self, token: bytes) -> bool:
        """Return whether it is one of the tokens, in constant time."""
        if monotonic() > self._next_look:
            self._look()
        found = False
        for known in self._tokens:
            found |= hmac.compare_digest(known, token)
        return found

    def _look(self) -> None:
        self._next_look = monotonic() + LOOK_SECONDS
        try:
            if _mark(self._path) != self._mark:
                self._mark, self._tokens = self._read()
                log.info("tokens reloaded", extra={"facts": {"tokens": len(self._tokens)}})
        except (OSError, TokenFileError) as error:
            log.error("tokens not reloaded: %s", error)

    def _read(self) -> tuple[tuple[int, ...], list[bytes]]:
        try:
            mark, text = _mark(self._path), self._path.read_bytes()
        except OSError as error:
            raise TokenFileError(f"token file {self._path}: {error.strerror}; mount the secret there") from error
        tokens = [line.strip() for line in text.splitlines() if line.strip()]
        if not tokens:
            raise TokenFileError(f"token file {self._path} holds no token; write one per line")
        return mark, tokens


def _mark(path: Path) -> tuple[int, ...]:
    """Return facts that change with the file, also when a mounted secret's link is switched."""
    found = os.stat(path)
    return found.st_ino, found.st_dev, found.st_mtime_ns, found.st_size


class Guard:
    """ASGI application that passes on open paths and requests with a valid token, and answers the rest with 401."""

    def __init__(self, app: Application, tokens: Tokens, metrics: Metrics) -> None:
        self._app = app
        self._tokens = tokens
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        if scope["type"] == "lifespan" or scope["path"] in OPEN or self._admits(scope):
            await self._app(scope, receive, send)
            return
        self._metrics.add_request("unauthorized", 401, 0.0)
        await send({"type": "http.response.start", "status": 401, "headers": HEADERS})
        await send({"type": "http.response.body", "body": BODY})

    def _admits(self, scope: Scope) -> bool:
        for name, value in scope["headers"]:
            if name == b"authorization":
                return value[: len(SCHEME)].lower() == SCHEME and self._tokens.admit(value[len(SCHEME) :].strip())
        return False
