"""Tables take turns: as many at a time as memory holds; the others wait, and a sender that stops is let go."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from credit_model.parallel import cores, memory_limit
from images.serve.errors import BusyError, SlowError
from images.serve.http.app import read_body
from images.serve.http.turns import Turns, tables_at_a_time
from tests.images.serve.tables_written import as_parquet

GIB = 1 << 30


async def at_once(turns: Turns, tables: int) -> int:
    """Let tables come together; return the most that had a turn at the same time."""
    working = most = 0

    async def one() -> None:
        nonlocal working, most
        async with turns.one():
            working += 1
            most = max(most, working)
            await asyncio.sleep(0.01)
            working -= 1

    await asyncio.gather(*(one() for _ in range(tables)))
    return most


@pytest.mark.parametrize("limit", [1, 3])
def test_no_more_tables_than_the_limit_are_worked_on_and_none_is_refused(limit: int) -> None:
    async def run() -> int:
        return await at_once(Turns(limit), 10)

    assert asyncio.run(run()) == limit


def test_a_table_that_waits_too_long_is_told_to_come_later_and_leaves_no_turn_behind() -> None:
    async def run() -> int:
        turns = Turns(1, patience=0.05)
        async with turns.one():
            with pytest.raises(BusyError) as caught:
                async with turns.one():
                    pass
        assert caught.value.status == 503
        return await at_once(turns, 2)

    assert asyncio.run(run()) == 1


def test_a_body_that_stops_arriving_is_let_go() -> None:
    parts = iter([{"type": "http.request", "body": b"a,b\n", "more_body": True}])

    async def receive() -> dict[str, object]:
        for part in parts:
            return part
        await asyncio.sleep(60)
        raise AssertionError

    with pytest.raises(SlowError) as caught:
        asyncio.run(read_body(receive, {}, 100, patience=0.05))
    assert caught.value.status == 408


@pytest.mark.parametrize(("memory", "room"), [(GIB // 2, 1), (GIB, 1), (3 * GIB, 4), (1024 * GIB, 1000)])
def test_memory_says_how_many_tables_there_is_room_for(memory: int, room: int) -> None:
    assert tables_at_a_time(memory) == min(room, cores())


@pytest.mark.parametrize("file", ["memory.max", "memory/memory.limit_in_bytes"], ids=["version 2", "version 1"])
def test_a_containers_limit_is_read(tmp_path: Path, file: str) -> None:
    unlimited = memory_limit(tmp_path)
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(f"{64 << 20}\n")
    assert memory_limit(tmp_path) == 64 << 20
    for nothing in ("max", "9223372036854771712"):
        (tmp_path / file).write_text(nothing)
        assert memory_limit(tmp_path) == unlimited


@pytest.mark.integration
def test_the_server_answers_every_table_of_a_crowd(http, applications) -> None:
    body, headers = as_parquet(applications), {"Content-Type": "application/x-parquet"}
    with ThreadPoolExecutor(4 * cores()) as pool:
        found = list(pool.map(lambda _: http.post("/invocations", content=body, headers=headers), range(4 * cores())))
    assert {answer.status_code for answer in found} == {200}
