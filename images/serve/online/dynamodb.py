"""Looks up features in the DynamoDB online table, within a time limit and without blocking the event loop."""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import botocore.session
import orjson
from botocore.exceptions import BotoCoreError
from prometheus_client import Counter

from images.serve.online.lookup import LookupFault, LookupSetupError
from images.serve.online.sigv4 import Credentials, Signer

KEY = "application_id"
TARGET = "DynamoDB_20120810.BatchGetItem"
CHUNK = 100  # most keys of one BatchGetItem
MAX_KEY_BYTES = 2048
CONNECTIONS = 64
FIRST_PAUSE_SECONDS = 0.001
# Longest a request may take, even after its caller has been answered: aborting it would cost its connection.
REQUEST_SECONDS = 1.0
REFRESH_SECONDS = 60.0
LOG_SECONDS = 10.0
MISSING = "not found in the online table; check the id, or send the features"
RETRYABLE = frozenset(
    {
        "InternalServerError",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "ThrottlingException",
    }
)

LOOKUPS = Counter("credit_serve_lookups", "Applicants looked up by id", ["outcome"])
FOUND, UNKNOWN, UNANSWERED = (LOOKUPS.labels(outcome) for outcome in ("found", "missing", "unanswered"))
Row = Mapping[str, object]
log = logging.getLogger(__name__)


class TableError(Exception):
    """DynamoDB has refused a request; `code` is its error code."""

    def __init__(self, code: str, status: int) -> None:
        super().__init__(f"{code} (HTTP {status})")
        self.code = code
        self.retryable = status >= 500 or code in RETRYABLE


@dataclass
class _Chunk:
    """The ids of one request, what was found of them, and the loop's time at which their caller stops waiting."""

    keys: list[str]
    found: dict[str, Row]
    deadline: float


class DynamoLookup:
    """Features by id from a table whose items are canonical columns as typed attributes.

    Up to 100 ids are one BatchGetItem; more are as many requests side by side. Ids for which there is no answer when
    the time is over become faults. Their request goes on in the background: giving it up would close its connection,
    and the next look-up would be slower still. For the same reason the time does not run while a connection is opened.

    Args:
        table: name of the table.
        endpoint: address of DynamoDB.
        signer: what signs requests to it.
        credentials: returns the newest credentials; may take long, and is called in a thread.
        timeout: seconds that a look-up may take.
    """

    def __init__(
        self, table: str, *, endpoint: str, signer: Signer, credentials: Callable[[], Credentials], timeout: float
    ) -> None:
        self._table = table
        self._endpoint = endpoint
        self._signer = signer
        self._credentials = credentials
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None
        self._refreshing: asyncio.Task[None] | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._said = -LOG_SECONDS

    @classmethod
    def connect(cls, table: str, *, timeout: float) -> "DynamoLookup":
        """Return a look-up with the region, endpoint and credentials of this process's AWS clients.

        Raises:
            LookupSetupError: there is no region, or there are no credentials.
        """
        session = botocore.session.Session()
        region = os.environ.get("AWS_REGION") or session.get_config_variable("region")
        try:
            found = session.get_credentials()
            if not region or found is None:
                lacking = "credentials; give the service account a role" if region else "a region; set AWS_REGION"
                raise LookupSetupError(f"the online table {table} cannot be used without {lacking}")
            first = _frozen(found)
            endpoint = session.create_client("dynamodb", region_name=region).meta.endpoint_url
        except BotoCoreError as error:
            raise LookupSetupError(f"the online table {table} cannot be used: {error}") from error
        signer = Signer(first, region=region, host=urlsplit(endpoint).netloc, service="dynamodb")
        return cls(table, endpoint=endpoint, signer=signer, credentials=lambda: _frozen(found), timeout=timeout)

    async def rows(self, ids: Sequence[str]) -> list[Row | LookupFault]:
        """Return the columns of each id, or why there are none, in the order of `ids`."""
        session = self._start()
        unique = [key for key in dict.fromkeys(ids) if _askable(key)]
        found: dict[str, Row] = {}
        deadline = self._now() + self._timeout
        asks = [_Chunk(unique[start : start + CHUNK], found, deadline) for start in range(0, len(unique), CHUNK)]
        faults = await self._answered(asks, session) if asks else {}
        answers = [found.get(key) or faults.get(key) or LookupFault(key, MISSING, missing=True) for key in ids]
        missing = sum(isinstance(answer, LookupFault) and answer.missing for answer in answers)
        unanswered = sum(isinstance(answer, LookupFault) for answer in answers) - missing
        for counter, number in ((FOUND, len(ids) - missing - unanswered), (UNKNOWN, missing), (UNANSWERED, unanswered)):
            counter.inc(number)
        return answers

    async def _answered(self, asks: Iterable[_Chunk], session: aiohttp.ClientSession) -> dict[str, LookupFault]:
        """Wait until everything is answered or time is up; return the faults of what is not found by then."""
        tasks = {asyncio.create_task(self._ask(ask, session)): ask for ask in asks}
        self._running |= tasks.keys()
        for task in tasks:
            task.add_done_callback(self._end)
        pending = set(tasks)
        while pending and max(tasks[task].deadline for task in pending) > self._now():
            _, pending = await asyncio.wait(pending, timeout=self._timeout)
        faults: dict[str, LookupFault] = {}
        for task, ask in tasks.items():
            error = _error(task)
            if error is not None:
                self._say(error)
                faults |= {key: self._fault(key, error) for key in ask.keys if key not in ask.found}
        return faults

    def _end(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # read it, or asyncio complains about exceptions that nobody retrieved

    def _fault(self, key: str, error: BaseException) -> LookupFault:
        late = isinstance(error, TimeoutError)
        what = f"did not answer within {self._timeout * 1000:g} ms" if late else "is unavailable at the moment"
        return LookupFault(key, f"the online table {what}; try again, or send the features", missing=False)

    def _say(self, error: BaseException) -> None:
        """Log DynamoDB's error, at most once every few seconds."""
        if time.monotonic() - self._said < LOG_SECONDS:
            return
        self._said = time.monotonic()
        reason = str(error) if isinstance(error, TableError) else f"{type(error).__name__} {error}".strip()
        facts = {"table": self._table, "reason": reason, "unanswered": len(self._running)}
        log.warning("the online table does not answer", extra={"facts": facts})

    async def _ask(self, ask: _Chunk, session: aiohttp.ClientSession) -> None:
        """Ask until every key is answered or time is up.

        Raises:
            TimeoutError: some keys are still unanswered.
            TableError: DynamoDB refuses.
            aiohttp.ClientError: the connection fails.
        """
        request: dict[str, Any] = {self._table: {"Keys": [{KEY: {"S": key}} for key in ask.keys]}}
        pause = FIRST_PAUSE_SECONDS
        while True:
            request = await self._step(request, ask, session)
            if not request:
                return
            if self._now() + pause >= ask.deadline:
                raise TimeoutError
            await asyncio.sleep(pause)
            pause *= 2

    async def _step(self, request: dict[str, Any], ask: _Chunk, session: aiohttp.ClientSession) -> dict[str, Any]:
        """Ask once, keep what is found, and return the rest of the request."""
        try:
            answer = await self._call(request, ask, session)
        except TableError as error:
            if not error.retryable:
                raise
            return request
        except aiohttp.ClientConnectorError:
            raise
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
            return request  # a kept-alive connection was closed just now
        for item in answer["Responses"].get(self._table, ()):
            row = plain(item)
            ask.found[str(row[KEY])] = row
        unprocessed: dict[str, Any] = answer.get("UnprocessedKeys") or {}
        return unprocessed

    async def _call(self, request: dict[str, Any], ask: _Chunk, session: aiohttp.ClientSession) -> dict[str, Any]:
        body = orjson.dumps({"RequestItems": request})
        headers = self._signer.headers(TARGET, body, time.time())
        async with session.post(
            self._endpoint,
            data=aiohttp.BytesPayload(body),  # for plain bytes, aiohttp would search for a payload type
            headers=headers,
            allow_redirects=False,
            trace_request_ctx=ask,
        ) as reply:
            answer = await reply.read()
        document = _document(answer, reply.status)
        if reply.status == 200 and "Responses" in document:
            return document
        code = str(document.get("__type", "an unnamed error")).rpartition("#")[2]
        if code.startswith("ExpiredToken"):
            await self._renew()
        raise TableError(code, reply.status)

    def _start(self) -> aiohttp.ClientSession:
        """Open the session, which needs a running event loop, at the first look-up."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=60),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"accept-encoding": "identity"},
                skip_auto_headers=("accept", "user-agent"),
                timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS),
                trace_configs=[self._clock_of_connections()],
            )
            self._refreshing = asyncio.create_task(self._refresh())
        return self._session

    def _clock_of_connections(self) -> aiohttp.TraceConfig:
        """Return a trace that stops a look-up's clock while a connection is opened for it."""

        async def begins(_session: aiohttp.ClientSession, context: SimpleNamespace, _event: object) -> None:
            context.trace_request_ctx.deadline = self._now() + REQUEST_SECONDS

        async def ends(_session: aiohttp.ClientSession, context: SimpleNamespace, _event: object) -> None:
            context.trace_request_ctx.deadline = self._now() + self._timeout

        clock = aiohttp.TraceConfig()
        clock.on_connection_create_start.append(begins)
        clock.on_connection_create_end.append(ends)
        return clock

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    async def _refresh(self) -> None:
        """Renew the credentials regularly; botocore knows when they expire and where to get new ones."""
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            await self._renew()

    async def _renew(self) -> None:
        try:
            self._signer.renew(await asyncio.to_thread(self._credentials))
        except Exception as error:  # of any kind: the old ones may last until the next attempt
            facts = {"type": type(error).__name__}
            log.warning("AWS credentials cannot be renewed; retrying", extra={"facts": facts})

    async def close(self) -> None:
        """Cancel running requests and close every connection."""
        tasks = [*self._running, *([self._refreshing] if self._refreshing else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()


def _askable(key: str) -> bool:
    """Return whether a key may be in a request: DynamoDB refuses the whole request for one that may not."""
    try:
        return 0 < len(key.encode()) <= MAX_KEY_BYTES
    except UnicodeEncodeError:  # half a surrogate pair
        return False


def _error(task: asyncio.Task[None]) -> BaseException | None:
    if not task.done():
        return TimeoutError()
    return asyncio.CancelledError() if task.cancelled() else task.exception()


def _document(answer: bytes, status: int) -> dict[str, Any]:
    try:
        document = orjson.loads(answer)
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict):
        raise TableError("the answer is not a JSON object", status)
    return document


def _frozen(found: Any) -> Credentials:  # noqa: ANN401 - botocore is untyped
    keys = found.get_frozen_credentials()  # renews them if they are about to expire
    return Credentials(keys.access_key, keys.secret_key, keys.token)


def plain(item: Mapping[str, Mapping[str, Any]]) -> dict[str, object]:
    """Return an item's columns as plain values, without the platform's own attributes, which begin with an underscore.

    >>> plain({"age": {"N": "41"}, "_version": {"S": "x"}})
    {'age': 41.0}
    """
    return {name: _value(attribute) for name, attribute in item.items() if name[0] != "_"}


def _value(attribute: Mapping[str, Any]) -> object:
    ((kind, value),) = attribute.items()
    if kind == "N":
        return float(value)
    return None if kind == "NULL" else value
