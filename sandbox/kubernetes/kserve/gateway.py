"""The gateway: each stable or tag URL is a loopback port that forwards requests to revisions by traffic weight."""

import asyncio
import random
import socket
from collections.abc import Callable, Sequence

import aiohttp
from aiohttp import web

from sandbox.kubernetes.kserve.pod import Pod

ACTIVATION_SECONDS = 60.0
WAITING_SECONDS = 0.02
# Less than the five seconds after which uvicorn closes an idle connection.
POOL_SECONDS = 2.0
HOP_BY_HOP = {"connection", "keep-alive", "te", "trailers", "transfer-encoding", "upgrade", "proxy-authorization"}
REVISION_HEADER = "K-Revision"
BUFFERED_BYTES = 1 << 20


def client_session() -> aiohttp.ClientSession:
    """Return the session for forwarded requests and probes: keep-alive, bodies unchanged."""
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=POOL_SECONDS)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
    return aiohttp.ClientSession(
        connector=connector,
        timeout=timeout,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
    )


class Endpoint:
    """One URL of a service; `route` changes the target of new requests, not of those in flight.

    Args:
        http: Session for forwarded requests.
        ready: Returns a ready pod of a revision, None while there is none.
        fails: Returns whether the next request is answered 503, because a test has ordered it.
    """

    def __init__(
        self,
        http: aiohttp.ClientSession,
        ready: Callable[[str], Pod | None],
        fails: Callable[[], bool] = lambda: False,
    ) -> None:
        self._fails = fails
        self._http = http
        self._ready = ready
        self._revisions: list[str] = []
        self._weights: list[int] = []
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._runner = web.ServerRunner(web.Server(self._handle, access_log=None), shutdown_timeout=0.2)
        self._opening = asyncio.create_task(self._open())

    @property
    def url(self) -> str:
        """The URL, which accepts connections as soon as the endpoint exists."""
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    async def _open(self) -> None:
        await self._runner.setup()
        await web.SockSite(self._runner, self._socket).start()

    async def close(self) -> None:
        """Stop listening."""
        await self._opening
        await self._runner.cleanup()
        self._socket.close()

    def route(self, shares: Sequence[tuple[str, int]]) -> None:
        """Send new requests to these revisions by weight; without revisions, answer 404 like an unrouted host."""
        self._revisions = [revision for revision, weight in shares if weight > 0]
        self._weights = [weight for _, weight in shares if weight > 0]

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if self._fails():
            return web.Response(status=503, text="upstream connect error or disconnect/reset before headers\n")
        if not self._revisions:
            return web.Response(status=404, text="no revision is routed here\n")
        [revision] = random.choices(self._revisions, self._weights)  # noqa: S311 - a share, not a secret
        try:
            pod = await asyncio.wait_for(self._pod(revision), ACTIVATION_SECONDS)
        except TimeoutError:
            return web.Response(status=503, text=f"revision {revision} is not ready\n")
        pod.in_flight += 1
        try:
            return await self._forward(request, pod)
        except aiohttp.ClientError as error:
            return web.Response(status=502, text=f"revision {revision} did not answer: {error}\n")
        finally:
            pod.in_flight -= 1

    async def _pod(self, revision: str) -> Pod:
        """Return a ready pod; a starting revision holds its requests, as after a scale from zero."""
        while (pod := self._ready(revision)) is None:
            await asyncio.sleep(WAITING_SECONDS)
        return pod

    async def _forward(self, request: web.BaseRequest, pod: Pod) -> web.StreamResponse:
        small = request.content_length is not None and request.content_length <= BUFFERED_BYTES
        body = await request.read() if small else request.content
        async with self._http.request(
            request.method,
            f"http://127.0.0.1:{pod.port}{request.raw_path}",
            data=body if request.body_exists else None,
            headers={k: v for k, v in request.headers.items() if k.lower() not in HOP_BY_HOP},
            allow_redirects=False,
        ) as answer:
            headers = [(k, v) for k, v in answer.headers.items() if k.lower() not in HOP_BY_HOP]
            headers.append((REVISION_HEADER, pod.revision))
            if answer.content_length is not None and answer.content_length <= BUFFERED_BYTES:
                return web.Response(body=await answer.read(), status=answer.status, headers=headers)
            return await _stream(request, answer, headers)


async def _stream(
    request: web.BaseRequest, answer: aiohttp.ClientResponse, headers: Sequence[tuple[str, str]]
) -> web.StreamResponse:
    """Forward a body of unknown or large size as a stream."""
    response = web.StreamResponse(status=answer.status, headers=headers)
    await response.prepare(request)
    async for chunk in answer.content.iter_any():
        await response.write(chunk)
    await response.write_eof()
    return response
