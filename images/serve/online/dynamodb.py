"""Looks features up in the DynamoDB online table, within a time and without ever blocking the event loop."""

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
CHUNK = 100  # what one BatchGetItem may ask for
MAX_KEY_BYTES = 2048
CONNECTIONS = 64
FIRST_PAUSE_SECONDS = 0.001
# A request goes on so long at most, also after its caller has been answered: cut short, it would cost its connection.
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
    """DynamoDB has refused a request; `code` is its name for why."""

    def __init__(self, code: str, status: int) -> None:
        super().__init__(f"{code} (HTTP {status})")
        self.code = code
        self.retryable = status >= 500 or code in RETRYABLE


@dataclass
class _Chunk:
    """Some of a look-up's ids, at most as many as one request takes, and the loop's time until which they count."""

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
        """Return a look-up with the region, endpoint and credentials that every AWS client of this process has.

        Raises:
            LookupSetupError: there is no region, or there are no credentials.
        """
        session = botocore.session.Session()
        region = os.environ.get("AWS_REGION") or session.get_config_variable("region")
        try:
            found = session.get_credentials()
            if not region or found is None:
                lacking = "credentials; give the service account a role" if region else "a region; set AWS_REGION"
                raise LookupSetupError(f"the online table {table} cannot be asked without {lacking}")
            first = _frozen(found)
            endpoint = session.create_client("dynamodb", region_name=region).meta.endpoint_url
        except BotoCoreError as error:
            raise LookupSetupError(f"the online table {table} cannot be asked: {error}") from error
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
        """Wait until everything is answered or the time is over; return the faults of what is not found by then."""
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
            task.exception()  # looked at, or asyncio complains of those that nobody waits for any more

    def _fault(self, key: str, error: BaseException) -> LookupFault:
        late = isinstance(error, TimeoutError)
        what = f"did not answer within {self._timeout * 1000:g} ms" if late else "cannot be asked at the moment"
        return LookupFault(key, f"the online table {what}; ask again, or send the features", missing=False)

    def _say(self, error: BaseException) -> None:
        """Tell who is on call what DynamoDB says, now and then."""
        if time.monotonic() - self._said < LOG_SECONDS:
            return
        self._said = time.monotonic()
        reason = str(error) if isinstance(error, TableError) else f"{type(error).__name__} {error}".strip()
        facts = {"table": self._table, "reason": reason, "unanswered": len(self._running)}
        log.warning("the online table does not answer", extra={"facts": facts})

    async def _ask(self, ask: _Chunk, session: aiohttp.ClientSession) -> None:
        """Ask until every key has been answered for, or the time is over.

        Raises:
            TimeoutError: some keys are still unanswered.
            TableError: DynamoDB refuses.
            aiohttp.ClientError: nobody answers.
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
        """Ask once, keep what is found, and return what is still to be asked."""
        try:
            answer = await self._call(request, ask, session)
        except TableError as error:
            if not error.retryable:
                raise
            return request
        except aiohttp.ClientConnectorError:
            raise
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
            return request  # a kept connection that was closed in this moment
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
            data=aiohttp.BytesPayload(body),  # bytes alone would have aiohttp look for what to do with them
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
        """Open what needs a running event loop, at the first look-up."""
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
        """Stop a look-up's time while a connection is opened for it."""

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
        """Renew the credentials in good time; botocore knows when, and asks STS or the pod's agent for them."""
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            await self._renew()

    async def _renew(self) -> None:
        try:
            self._signer.renew(await asyncio.to_thread(self._credentials))
        except Exception as error:  # of whatever kind: the old ones may last until the next attempt
            facts = {"type": type(error).__name__}
            log.warning("AWS credentials cannot be renewed; it is tried again", extra={"facts": facts})

    async def close(self) -> None:
        """Give up what is under way and close every connection."""
        tasks = [*self._running, *([self._refreshing] if self._refreshing else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()


def _askable(key: str) -> bool:
    """Whether a key may be part of a request: one that may not would have DynamoDB refuse all of it."""
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
        raise TableError("the answer is no JSON object", status)
    return document


def _frozen(found: Any) -> Credentials:  # noqa: ANN401 - botocore is untyped
    keys = found.get_frozen_credentials()  # renews them where they are about to expire
    return Credentials(keys.access_key, keys.secret_key, keys.token)


def plain(item: Mapping[str, Mapping[str, Any]]) -> dict[str, object]:
    """Return an item's columns as plain values; attributes that begin with an underscore are the platform's own."""
    return {name: _value(attribute) for name, attribute in item.items() if name[0] != "_"}


def _value(attribute: Mapping[str, Any]) -> object:
    ((kind, value),) = attribute.items()
    if kind == "N":
        return float(value)
    return None if kind == "NULL" else value
