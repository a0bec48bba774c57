"""The layer in front of KServe's application: answers the routes that carry applicants, without a framework between."""

import asyncio
import logging
import re
import traceback
import uuid
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson

from credit_model.errors import InputError
from credit_model.scoring import Score, Scorer
from images.serve import tables, v1, v2
from images.serve.faults import ApplicantError, NotServedError, RequestError, TooLargeError
from images.serve.settings import Settings

NAME = "credit-model"
JSON = "application/json"
# Above this many rows scoring takes long enough to keep other requests waiting, so a thread does it.
INLINE_ROWS = 64
# KServe would answer for any version, and let anybody take the model away from everybody.
CLOSED = (f"/v2/models/{NAME}/versions/", "/v2/repository/")
SAFE_ID = re.compile(r"[\x21-\x7e]{1,128}")

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers: TypeAlias = Mapping[bytes, bytes]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    """A whole HTTP answer."""

    body: bytes
    content_type: str = JSON
    status: int = 200


@dataclass(frozen=True)
class Route:
    """A handler and the largest body it takes, in bytes."""

    handle: Callable[[Headers, bytes], Awaitable[Answer]]
    limit: int


class Front:
    """ASGI middleware: its own routes are answered here, everything else by the application behind."""

    def __init__(self, app: Application, *, scorer: Scorer, settings: Settings) -> None:
        self._app = app
        self._scorer = scorer
        self._settings = settings
        infer = Route(self._infer, settings.max_body)
        metadata = Route(self._metadata, 0)
        model = f"/v2/models/{NAME}"
        self._routes = {
            ("POST", f"/v1/models/{NAME}:predict"): Route(self._predict, settings.max_body),
            ("POST", f"{model}/infer"): infer,
            ("POST", f"{model}/versions/{scorer.version}/infer"): infer,
            ("GET", model): metadata,
            ("GET", f"{model}/versions/{scorer.version}"): metadata,
            ("GET", "/ping"): Route(self._ping, 0),
            ("GET", "/execution-parameters"): Route(self._execution_parameters, 0),
            ("POST", "/invocations"): Route(self._invocations, settings.max_table),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        route = self._route(scope) if scope["type"] == "http" else None
        if route is None:
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        request_id = _request_id(headers)
        answer = await self._answer(route, headers, receive, scope["path"], request_id)
        if answer is not None:
            await _send(send, answer, request_id)

    def _route(self, scope: Scope) -> Route | None:
        path = scope["path"]
        route = self._routes.get((scope["method"], path))
        if route is None and path.startswith(CLOSED):
            return Route(self._closed, self._settings.max_body)
        return route

    async def _answer(
        self, route: Route, headers: Headers, receive: Receive, path: str, request_id: str
    ) -> Answer | None:
        """Turn every fault into an answer; None when the client has gone."""
        try:
            body = await _read(receive, headers, route.limit)
            return None if body is None else await route.handle(headers, body)
        except InputError as error:
            refusal: RequestError = ApplicantError(error)
        except RequestError as error:
            refusal = error
        except Exception as error:
            # Neither the message nor the values: they may be somebody's data.
            stack = [f"{f.filename}:{f.lineno} {f.name}" for f in traceback.extract_tb(error.__traceback__)]
            failure = {"request_id": request_id, "path": path, "type": type(error).__name__, "stack": stack}
            log.error("request failed", extra={"facts": failure})
            return Answer(orjson.dumps({"error": f"internal error; request {request_id}"}), status=500)
        column = refusal.where.get("column")
        facts = {"request_id": request_id, "path": path, "status": refusal.status, "column": column}
        log.info("request refused", extra={"facts": facts})
        return Answer(orjson.dumps(refusal.body()), status=refusal.status)

    async def _predict(self, _headers: Headers, body: bytes) -> Answer:
        rows = v1.read(_json(body), max_rows=self._settings.max_rows)
        return Answer(orjson.dumps(v1.write(await self._score(rows), self._scorer.version)))

    async def _infer(self, headers: Headers, body: bytes) -> Answer:
        if b"inference-header-content-length" in headers:
            raise RequestError("binary tensors are not served; send the tensors' data as JSON")
        request = v2.read(_json(body), self._scorer.contract, max_rows=self._settings.max_rows)
        scores = await self._score(request.rows)
        return Answer(orjson.dumps(v2.write(scores, request, name=NAME, version=self._scorer.version)))

    async def _metadata(self, _headers: Headers, _body: bytes) -> Answer:
        contract = self._scorer.contract
        facts = {"name": NAME, "versions": [self._scorer.version], "platform": "lightgbm"}
        inputs = v2.inputs_metadata(contract)
        return Answer(orjson.dumps({**facts, "inputs": inputs, "outputs": v2.outputs_metadata()}))

    async def _ping(self, _headers: Headers, _body: bytes) -> Answer:
        return Answer(b"")

    async def _invocations(self, headers: Headers, body: bytes) -> Answer:
        content_type, accept = (headers.get(name, b"").decode("latin-1") for name in (b"content-type", b"accept"))
        answer, kind = await asyncio.to_thread(
            tables.score, body, self._scorer, content_type=content_type, accept=accept
        )
        return Answer(answer, kind)

    async def _execution_parameters(self, _headers: Headers, _body: bytes) -> Answer:
        return Answer(orjson.dumps(tables.EXECUTION_PARAMETERS))

    async def _closed(self, _headers: Headers, _body: bytes) -> Answer:
        raise NotServedError(f"not served here; this server holds {NAME} version {self._scorer.version} alone")

    async def _score(self, rows: Sequence[v1.Row]) -> list[Score]:
        if len(rows) <= INLINE_ROWS:
            return self._scorer.score_rows(rows)
        return await asyncio.to_thread(self._scorer.score_rows, rows)


def _request_id(headers: Headers) -> str:
    given = headers.get(b"x-request-id", b"").decode("latin-1")
    return given if SAFE_ID.fullmatch(given) else uuid.uuid4().hex


async def _read(receive: Receive, headers: Headers, limit: int) -> bytes | None:
    """Return the whole body, or None when the client has gone.

    Raises:
        TooLargeError: it is longer than `limit` bytes.
    """
    if int(headers.get(b"content-length", b"0")) > limit:
        raise TooLargeError(f"the body is larger than {limit} bytes; send less at a time")
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            raise TooLargeError(f"the body is larger than {limit} bytes; send less at a time")
        more = message.get("more_body", False)
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def _send(send: Send, answer: Answer, request_id: str) -> None:
    headers = [
        (b"content-type", answer.content_type.encode()),
        (b"content-length", str(len(answer.body)).encode()),
        (b"x-request-id", request_id.encode()),
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def _json(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RequestError(f"the body is not JSON: {error}") from error
