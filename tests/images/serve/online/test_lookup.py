"""Look-ups by id: the right applicant in the right place, in time, whatever DynamoDB does."""

import asyncio
import gc
import json
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager

import boto3
import pytest
from botocore import credentials as botocore_credentials
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from hypothesis import given, settings
from hypothesis import strategies as st

from images.serve.online.dynamodb import DynamoLookup
from images.serve.online.lookup import LookupFault, LookupSetupError
from images.serve.online.sigv4 import Credentials, Signer

pytestmark = pytest.mark.integration

KEYS = Credentials("AKID", "secret", None)


# What DynamoDB itself (the sandbox's) says


@pytest.fixture(scope="module")
def table(aws):
    name = f"t-{uuid.uuid4().hex[:8]}"
    boto3.client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "application_id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "application_id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    with boto3.resource("dynamodb").Table(name).batch_writer() as writer:
        for number in range(250):
            writer.put_item(
                {"application_id": str(number), "age": number, "level": "a", "member": True, "_version": "x"}
            )
    return name


def ask(table: str, *ids: str, seconds: float = 20.0):
    lookup = DynamoLookup.connect(table, timeout=seconds)

    async def run():
        try:
            return await lookup.rows(ids)
        finally:
            await lookup.close()

    return asyncio.run(run())


def test_rows_come_in_the_order_of_the_ids_each_as_often_as_it_is_asked_for(table):
    ids = [str(number) for number in reversed(range(250))] + ["7", "7"]
    assert ask(table, *ids) == [{"application_id": key, "age": float(key), "level": "a", "member": True} for key in ids]


def test_an_unknown_id_is_its_own_fault_alone(table):
    known, unknown, empty, long, half_a_pair = ask(table, "3", "nobody", "", "x" * 2049, "\ud800")
    assert known["age"] == 3.0
    for fault, key in [(unknown, "nobody"), (empty, ""), (long, "x" * 2049), (half_a_pair, "\ud800")]:
        assert isinstance(fault, LookupFault)
        assert (fault.id, fault.missing) == (key, True)
        assert "not found" in fault.reason


def test_no_ids_need_no_table():
    assert ask("there-is-none") == []


def test_a_table_that_is_not_there_is_a_fault_and_not_an_error(table):
    [fault] = ask("there-is-none", "1")
    assert not fault.missing
    assert "is unavailable" in fault.reason


@settings(max_examples=25, deadline=None)
@given(key=st.text(max_size=30))
def test_any_text_may_be_asked_for(table, key):
    [answer] = ask(table, key)
    assert isinstance(answer, LookupFault) or answer["application_id"] == key


# What a host may do that is not well


class Host:
    """A DynamoDB of which a test says how it answers, one request after the other; the last answer goes on."""

    def __init__(self, *answers: Callable[[dict], Awaitable[tuple[int, dict] | None]]) -> None:
        self.answers = list(answers)
        self.requests: list[dict] = []
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                fields = dict(line.lower().split(": ", 1) for line in head.decode().split("\r\n")[1:-2])
                request = json.loads(await reader.readexactly(int(fields["content-length"])))["RequestItems"]["t"]
                self.requests.append(request)
                answer = await (self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])(request)
                if answer is None:
                    break
                body = json.dumps(answer[1]).encode()
                writer.write(f"HTTP/1.1 {answer[0]} X\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def asked(host: Host, *, timeout: float, renewed: Credentials = KEYS):
    server = await asyncio.start_server(host.serve, "127.0.0.1", 0)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    signer = Signer(KEYS, region="eu-west-1", host=address, service="dynamodb")
    lookup = DynamoLookup(
        "t", endpoint=f"http://{address}", signer=signer, credentials=lambda: renewed, timeout=timeout
    )
    try:
        yield lookup
    finally:
        await lookup.close()
        server.close()


def item(key: dict) -> dict:
    return {"application_id": key["application_id"], "age": {"N": "41"}}


async def well(request):
    return 200, {"Responses": {"t": [item(key) for key in request["Keys"]]}, "UnprocessedKeys": {}}


async def half(request):
    keys = request["Keys"]
    left = {"t": {"Keys": keys[1:]}} if keys[1:] else {}
    return 200, {"Responses": {"t": [item(keys[0])]}, "UnprocessedKeys": left}


async def slow(request):
    await asyncio.sleep(0.15)
    return await well(request)


async def gone(_):
    return None


def refuses(code, status=400):
    async def answer(_):
        return status, {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "no"}

    return answer


def found(answers) -> list[bool]:
    return [not isinstance(answer, LookupFault) for answer in answers]


def test_keys_that_are_left_over_are_asked_for_again():
    async def run():
        host = Host(half)
        async with asked(host, timeout=2) as lookup:
            assert found(await lookup.rows(["a", "b", "c"])) == [True] * 3
        assert [len(request["Keys"]) for request in host.requests] == [3, 2, 1]

    asyncio.run(run())


def test_what_is_known_when_the_time_is_over_is_answered():
    async def run():
        async with asked(Host(half, slow), timeout=0.05) as lookup:
            first, second = await lookup.rows(["a", "b"])
            assert first["age"] == 41.0
            assert not second.missing
            assert "within 50 ms" in second.reason

    asyncio.run(run())


def test_a_request_that_fails_when_its_caller_has_gone_makes_no_noise(caplog):
    async def run():
        async with asked(Host(half, slow, half, refuses("AccessDeniedException")), timeout=0.05) as lookup:
            await lookup.rows(["a", "b", "c"])
            await asyncio.sleep(0.3)
            assert not lookup._running
            gc.collect()

    asyncio.run(run())
    assert [record.message for record in caplog.records if record.name == "asyncio"] == []


def test_a_late_answer_costs_its_caller_the_time_and_nobody_the_connection():
    async def run():
        host = Host(well, slow, well)
        async with asked(host, timeout=0.03) as lookup:
            await lookup.rows(["a"])
            begin = time.perf_counter()
            assert found(await lookup.rows(["a"])) == [False]
            assert time.perf_counter() - begin < 0.12
            await asyncio.sleep(0.25)
            assert found(await lookup.rows(["a"])) == [True]
        assert host.connections == 1

    asyncio.run(run())


def test_opening_a_connection_is_not_held_against_the_table():
    async def run():
        async with asked(Host(well), timeout=0.02) as lookup:
            session = lookup._start()
            connect = session.connector._create_connection

            async def slowly(*arguments):
                await asyncio.sleep(0.1)  # as long as a TLS handshake over some distance
                return await connect(*arguments)

            session.connector._create_connection = slowly
            assert found(await lookup.rows(["a"])) == [True]

    asyncio.run(run())


def test_a_connection_that_the_host_has_closed_is_replaced():
    async def run():
        host = Host(well, gone, well)
        async with asked(host, timeout=1) as lookup:
            assert found(await lookup.rows(["a"])) == [True]
            assert found(await lookup.rows(["a"])) == [True]
        assert host.connections == 2

    asyncio.run(run())


@pytest.mark.parametrize("code", ["ThrottlingException", "ProvisionedThroughputExceededException"])
def test_a_throttled_table_is_asked_again(code):
    async def run():
        async with asked(Host(refuses(code), refuses("InternalServerError", 500), well), timeout=1) as lookup:
            assert found(await lookup.rows(["a"])) == [True]

    asyncio.run(run())


def test_a_refusal_is_told_at_once_to_the_caller_and_by_name_to_the_log(caplog):
    async def run():
        async with asked(Host(refuses("AccessDeniedException")), timeout=5) as lookup:
            begin = time.perf_counter()
            answers = await lookup.rows(["a", "b"])
            assert time.perf_counter() - begin < 1
            assert found(answers) == [False, False]
            await lookup.rows(["a"])

    with caplog.at_level("WARNING"):
        asyncio.run(run())
    [line] = [record for record in caplog.records if record.name == "images.serve.online.dynamodb"]
    assert "AccessDeniedException" in line.facts["reason"]


def test_keys_that_have_expired_are_renewed():
    async def run():
        new = Credentials("NEW", "other", "token")
        async with asked(Host(refuses("ExpiredTokenException"), well), timeout=1, renewed=new) as lookup:
            assert found(await lookup.rows(["a"])) == [False]
            assert found(await lookup.rows(["a"])) == [True]
            assert lookup._signer.headers("x", b"", 0.0)["x-amz-security-token"] == "token"

    asyncio.run(run())


def test_nobody_there_is_a_fault():
    async def run():
        signer = Signer(KEYS, region="eu-west-1", host="127.0.0.1:9", service="dynamodb")
        lookup = DynamoLookup("t", endpoint="http://127.0.0.1:9", signer=signer, credentials=lambda: KEYS, timeout=0.1)
        begin = time.perf_counter()
        [fault] = await lookup.rows(["a"])
        assert time.perf_counter() - begin < 0.5
        assert not fault.missing
        assert "is unavailable" in fault.reason
        await lookup.close()

    asyncio.run(run())


def test_the_event_loop_goes_on_while_the_table_is_slow():
    async def run():
        async with asked(Host(slow), timeout=1) as lookup:
            longest, last = 0.0, time.perf_counter()
            answers = asyncio.create_task(lookup.rows(["a"] * 50))
            while not answers.done():
                await asyncio.sleep(0)
                longest, last = max(longest, time.perf_counter() - last), time.perf_counter()
            assert found(answers.result()) == [True] * 50
            assert longest < 0.1

    asyncio.run(run())


def test_closing_answers_who_still_waits():
    async def run():
        async with asked(Host(slow), timeout=5) as lookup:
            waiting = asyncio.create_task(lookup.rows(["a"]))
            await asyncio.sleep(0.05)
            await lookup.close()
            assert found(await asyncio.wait_for(waiting, 1)) == [False]

    asyncio.run(run())


# Signatures and settings


@given(
    body=st.binary(max_size=200),
    token=st.none() | st.text("abc/+=", min_size=1, max_size=20),
    now=st.integers(0, 4_000_000_000),
    host=st.sampled_from(["dynamodb.eu-west-1.amazonaws.com", "127.0.0.1:4566"]),
)
def test_signatures_are_botocores(body, token, now, host):
    keys = Credentials("AKID", "secret/+", token)
    ours = Signer(keys, region="eu-west-1", host=host, service="dynamodb").headers("A.B", body, float(now))
    given_headers = {name: ours[name] for name in ("content-type", "host", "x-amz-target")}
    request = AWSRequest("POST", f"https://{host}/", data=body, headers=given_headers)
    with pytest.MonkeyPatch.context() as patched:
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
        patched.setattr(SigV4Auth, "_modify_request_before_signing", _keep(moment, token))
        request.context["timestamp"] = moment
        signer = SigV4Auth(botocore_credentials.Credentials(*keys), "dynamodb", "eu-west-1")
        signer._modify_request_before_signing(request)
        canonical = signer.canonical_request(request)
        signature = signer.signature(signer.string_to_sign(request, canonical), request)
    assert ours["authorization"].endswith(f"Signature={signature}")
    assert f"SignedHeaders={signer.signed_headers(signer.headers_to_sign(request))}," in ours["authorization"]


def _keep(moment, token):
    def modify(_, request):
        request.headers["X-Amz-Date"] = moment
        if token:
            request.headers["X-Amz-Security-Token"] = token

    return modify


def test_without_a_region_or_keys_the_server_says_so_when_it_starts(monkeypatch, tmp_path):
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(LookupSetupError, match="AWS_REGION"):
        DynamoLookup.connect("t", timeout=1.0)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    with pytest.raises(LookupSetupError, match="credentials"):
        DynamoLookup.connect("t", timeout=1.0)
