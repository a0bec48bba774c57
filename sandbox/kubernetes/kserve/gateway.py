"""The gateway: each stable or tag URL is a loopback port that forwards requests to revisions by traffic weight."""

import asyncio
import random
from collections.abc import Sequence

import aiohttp
from aiohttp import web

from sandbox.kubernetes.kserve.revisions import Revision

ACTIVATION_SECONDS = 60.0
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
    """One URL of a service; `route` changes the target of new requests, not of those in flight."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self.url = ""
        self._http = http
        self._revisions: list[Revision] = []
        self._weights: list[int] = []
        self._runner = web.ServerRunner(
            web.Server(self._handle, access_log=None),
            shutdown_timeout=0.2,
        )

    async def open(self) -> None:
        """Listen on a free loopback port."""
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def close(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()

    def route(self, shares: Sequence[tuple[Revision, int]]) -> None:
        """Send new requests to these revisions by weight; without revisions, answer 404 like an unrouted host."""
        self._revisions = [revision for revision, weight in shares if weight > 0]
        self._weights = [weight for _, weight in shares if weight > 0]

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if not self._revisions:
            return web.Response(status=404, text="no revision is routed here\n")
        [revision] = random.choices(self._revisions, self._weights)  # noqa: S311 - a share, not a secret
        revision.in_flight += 1
        try:
            # A starting revision holds its requests, as after a scale from zero.
            await asyncio.wait_for(revision.ready.wait(), ACTIVATION_SECONDS)
            return await self._forward(request, revision)
        except TimeoutError:
            return web.Response(status=503, text=f"revision {revision.name} is not ready\n")
        except aiohttp.ClientError as error:
            return web.Response(status=502, text=f"revision {revision.name} did not answer: {error}\n")
        finally:
            revision.in_flight -= 1

    async def _forward(self, request: web.BaseRequest, revision: Revision) -> web.StreamResponse:
        small = request.content_length is not None and request.content_length <= BUFFERED_BYTES
        body = await request.read() if small else request.content
        async with self._http.request(
            request.method,
            f"http://127.0.0.1:{revision.port}{request.raw_path}",
            data=body if request.body_exists else None,
            headers={k: v for k, v in request.headers.items() if k.lower() not in HOP_BY_HOP},
            allow_redirects=False,
        ) as answer:
            headers = [(k, v) for k, v in answer.headers.items() if k.lower() not in HOP_BY_HOP]
            headers.append((REVISION_HEADER, revision.name))
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
