"""The ASGI application in front of KServe's: answers the prediction routes itself, without a framework."""

import asyncio
import logging
import os
import re
import traceback
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import count
from time import perf_counter
from typing import Any, NamedTuple, TypeAlias

import orjson

from credit_model.errors import InputError
from images.serve.engine import Engine
from images.serve.errors import (
    ApplicantError,
    BusyError,
    NotServedError,
    RequestError,
    SlowError,
    TooLargeError,
    UnsupportedTypeError,
)
from images.serve.http import openapi
from images.serve.http.turns import PATIENCE, Turns, tables_at_a_time
from images.serve.protocols import invocations, v1, v2
from images.serve.settings import MAX_TABLE, NAME, Settings

JSON = b"application/json"
OCTETS = b"application/octet-stream"
BINARY_HEADER = b"inference-header-content-length"
# KServe would answer these for other models and versions, and let any client unload the model.
CLOSED = ("/v1/models/", "/v2/models/", "/v2/repository/")
READINESS = ("/v2/health/ready", f"/v2/models/{NAME}/ready", f"/v1/models/{NAME}")
SAFE_ID = re.compile(rb"[\x21-\x7e]{1,128}")

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers: TypeAlias = Mapping[bytes, bytes]

log = logging.getLogger(__name__)


class Answer(NamedTuple):
    """A whole HTTP answer; `json_length` is set if binary tensors follow the JSON."""

    body: bytes
    content_type: bytes = JSON
    status: int = 200
    json_length: int | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """A handler, the largest body it accepts in bytes, its name in metrics, and the turns it waits for, if any."""

    handle: Callable[[Headers, bytes], Awaitable[Answer]]
    limit: int
    name: str
    turns: Turns | None = None


class Front:
    """ASGI application that answers its own routes and passes everything else to KServe's.

    Attributes:
        closing: set when the server is about to end; every answer then closes its connection, so that no client sends
            another request on it.
    """

    def __init__(self, app: Application, *, engine: Engine, settings: Settings, example: Mapping[str, object]) -> None:
        """Prepare the routes.

        Args:
            app: the application behind, for every other route.
            engine: scores applicants.
            settings: limits of requests.
            example: an applicant for the OpenAPI document and for warming up; may be empty.
        """
        self.closing = False
        self._app = app
        self._engine = engine
        self._scorer = engine.scorer
        self._settings = settings
        self._example = example
        # A prefix unique to this process and a counter: ten times cheaper than a UUID per request.
        self._numbers = count(1)
        self._prefix = os.urandom(8).hex().encode()
        self._openapi: bytes | None = None
        infer = Route(self._infer, settings.max_body, "infer")
        metadata = Route(self._metadata, 0, "metadata")
        model, version = f"/v2/models/{NAME}", self._scorer.version
        self._routes = {
            ("POST", f"/v1/models/{NAME}:predict"): Route(self._predict, settings.max_body, "predict"),
            ("POST", f"{model}/infer"): infer,
            ("POST", f"{model}/versions/{version}/infer"): infer,
            ("GET", model): metadata,
            ("GET", f"{model}/versions/{version}"): metadata,
            ("GET", "/ping"): Route(self._ping, 0, "ping"),
            ("GET", "/execution-parameters"): Route(self._execution_parameters, 0, "execution-parameters"),
            ("POST", "/invocations"): Route(self._invocations, MAX_TABLE, "invocations", Turns(tables_at_a_time())),
            ("GET", "/openapi.json"): Route(self._document, 0, "openapi"),
        }
        # Known paths go to the application behind, if only for its 405.
        self._known = {path for _, path in self._routes} | {*READINESS}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        route = self._route(scope) if scope["type"] == "http" else None
        if route is None:
            await self._app(scope, receive, self._closing(send) if self.closing else send)
            return
        turns = route.turns
        if turns is None:
            await self._respond(route, scope, receive, send)
            return
        async with AsyncExitStack() as turn:  # kept until the answer is sent
            await self._respond(route, scope, receive, send, lambda: turn.enter_async_context(turns.one()))

    async def _respond(
        self,
        route: Route,
        scope: Scope,
        receive: Receive,
        send: Send,
        wait: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        began = perf_counter()
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id")
        request_id = given if given and SAFE_ID.fullmatch(given) else b"%s-%x" % (self._prefix, next(self._numbers))
        try:
            if wait is not None:
                await wait()
            body = await read_body(receive, headers, route.limit, patience=PATIENCE if wait else None)
            if body is None:
                return
            answer = await route.handle(headers, body)
        except Exception as error:
            answer = self._fault(error, scope["path"], request_id.decode())
        start = [(b"content-type", answer.content_type), (b"content-length", b"%d" % len(answer.body))]
        if answer.json_length is not None:
            start.append((BINARY_HEADER, b"%d" % answer.json_length))
        if self.closing:
            start.append((b"connection", b"close"))
        if answer.status == BusyError.status:
            start.append((b"retry-after", b"5"))
        start.append((b"x-request-id", request_id))
        await send({"type": "http.response.start", "status": answer.status, "headers": start})
        await send({"type": "http.response.body", "body": answer.body})
        self._engine.metrics.add_request(route.name, answer.status, perf_counter() - began)

    async def warm(self) -> None:
        """Answer the example in both protocols, so that the first request is as fast as later ones."""
        await self._document({}, b"")

    def _route(self, scope: Scope) -> Route | None:
        method, path = scope["method"], scope["path"]
        route = self._routes.get(("GET" if method == "HEAD" else method, path))
        if self.closing and path in READINESS:
            return Route(self._unready, 0, "readiness")
        if route is None and path.startswith(CLOSED) and path not in self._known:
            return Route(self._closed, self._settings.max_body, "closed")
        return route

    def _fault(self, error: Exception, path: str, request_id: str) -> Answer:
        """Turn an error into an answer and one log line without personal data."""
        refusal = ApplicantError(error) if isinstance(error, InputError) else error
        if not isinstance(refusal, RequestError):
            stack = [f"{f.filename}:{f.lineno} {f.name}" for f in traceback.extract_tb(error.__traceback__)]
            failure = {"request_id": request_id, "path": path, "type": type(error).__name__, "stack": stack}
            log.error("request failed", extra={"facts": failure})
            return Answer(orjson.dumps({"error": f"internal error; request {request_id}"}), status=500)
        # A client's column name may be anything, of any length; only a column of the contract is logged.
        column = self._scorer.contract.by_header.get(str(refusal.where.get("column")).strip().lower())
        facts = {"request_id": request_id, "path": path[:200], "status": refusal.status, "column": column}
        log.info("request refused", extra={"facts": facts})
        return Answer(orjson.dumps(refusal.body()), status=refusal.status)

    async def _predict(self, _headers: Headers, body: bytes) -> Answer:
        request = v1.read(_json(body), max_rows=self._settings.max_rows)
        response = await self._engine.score(request.rows, explain=request.explain)
        return Answer(orjson.dumps(v1.write(response, self._scorer.version)))

    async def _infer(self, headers: Headers, body: bytes) -> Answer:
        rest = b""
        if BINARY_HEADER in headers:
            body, rest = _split(body, headers[BINARY_HEADER])
        request = v2.read(_json(body), self._scorer.contract, max_rows=self._settings.max_rows, binary=rest)
        response = await self._engine.score_columns(request.columns, request.count, explain=request.explain)
        answer, json_length = v2.write(response, request, name=NAME, version=self._scorer.version)
        return Answer(answer, JSON if json_length is None else OCTETS, json_length=json_length)

    async def _metadata(self, _headers: Headers, _body: bytes) -> Answer:
        contract = self._scorer.contract
        facts = {"name": NAME, "versions": [self._scorer.version], "platform": "lightgbm"}
        inputs = v2.inputs_metadata(contract)
        return Answer(orjson.dumps({**facts, "inputs": inputs, "outputs": v2.outputs_metadata()}))

    async def _document(self, _headers: Headers, _body: bytes) -> Answer:
        if self._openapi is None:
            rows = self._settings.max_rows
            found = openapi.document(self._engine, NAME, example=self._example, max_rows=rows)
            self._openapi = orjson.dumps(found)
        return Answer(self._openapi)

    async def _unready(self, _headers: Headers, _body: bytes) -> Answer:
        return Answer(b'{"ready":false}', status=503)

    async def _ping(self, _headers: Headers, _body: bytes) -> Answer:
        return Answer(b"", status=503 if self.closing else 200)

    async def _invocations(self, headers: Headers, body: bytes) -> Answer:
        content_type, accept = (headers.get(name, b"").decode("latin-1") for name in (b"content-type", b"accept"))
        found = await asyncio.to_thread(
            invocations.answer, body, self._scorer, content_type=content_type, accept=accept
        )
        self._engine.metrics.add_table(found.rows, found.unknown)
        return Answer(found.body, found.content_type.encode())

    async def _execution_parameters(self, _headers: Headers, _body: bytes) -> Answer:
        return Answer(orjson.dumps(invocations.EXECUTION_PARAMETERS))

    async def _closed(self, _headers: Headers, _body: bytes) -> Answer:
        raise NotServedError(f"not served here; this server holds only {NAME} version {self._scorer.version}")

    def _closing(self, send: Send) -> Send:
        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
            await send(message)

        return closing


async def read_body(receive: Receive, headers: Headers, limit: int, *, patience: float | None) -> bytes | None:
    """Return the whole body, None if the client has disconnected.

    Raises:
        TooLargeError: it is longer than `limit` bytes.
        SlowError: none of it arrived for `patience` seconds.
        UnsupportedTypeError: it is compressed.
    """
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise UnsupportedTypeError("a compressed body is not accepted; send it uncompressed")
    if int(headers.get(b"content-length", b"0")) > limit:
        raise TooLargeError(f"the body is larger than {limit} bytes; send less at a time")
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await _next(receive, patience)
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            raise TooLargeError(f"the body is larger than {limit} bytes; send less at a time")
        more = message.get("more_body", False)
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def _next(receive: Receive, patience: float | None) -> Message:
    if patience is None:
        return await receive()
    try:
        return await asyncio.wait_for(receive(), patience)
    except TimeoutError:
        raise SlowError(f"no part of the body arrived for {patience:g} seconds; send the table again") from None


def _split(body: bytes, length: bytes) -> tuple[bytes, bytes]:
    """Split a body into the request's JSON and the bytes of its tensors.

    Raises:
        RequestError: the header is not a valid length.
    """
    size = int(length) if length.isdigit() and len(length) < 12 else -1
    if not 0 <= size <= len(body):
        text = length.decode("latin-1")[:20]
        raise RequestError(
            f"Inference-Header-Content-Length {text!r} is not a length within the body's {len(body)} bytes"
        )
    return body[:size], body[size:]


def _json(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RequestError(f"the body is not JSON: {error}") from error
