"""Prefect's server in the sandbox: a transaction that reads before it writes is not refused when another writes too."""

import asyncio
from pathlib import Path

import pytest
import sqlalchemy as sa
from prefect.server.database.configurations import AioSqliteConfiguration

from sandbox.prefect_server import begin_immediate


async def _read_then_write(database: AioSqliteConfiguration, read: asyncio.Event, go_on: asyncio.Event) -> None:
    session = await database.session(await database.engine())
    async with session, database.begin_transaction(session):
        await session.execute(sa.text("SELECT count(*) FROM kept"))
        read.set()
        await go_on.wait()
        await session.execute(sa.text("INSERT INTO kept VALUES (1)"))


async def _two_at_once(path: Path) -> int:
    """Let two transactions read before either writes, as far as they are let; return the number of rows."""
    database = AioSqliteConfiguration(connection_url=f"sqlite+aiosqlite:///{path}")
    async with (await database.engine()).begin() as connection:
        await connection.execute(sa.text("CREATE TABLE kept (value INTEGER)"))
    first, second, go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()
    both = [asyncio.create_task(_read_then_write(database, event, go_on)) for event in (first, second)]
    await first.wait()
    await asyncio.wait([asyncio.create_task(second.wait())], timeout=1)
    go_on.set()
    await asyncio.gather(*both)
    async with (await database.engine()).connect() as connection:
        return int((await connection.execute(sa.text("SELECT count(*) FROM kept"))).scalar_one())


def test_prefects_own_transactions_refuse_each_other(tmp_path: Path) -> None:
    with pytest.raises(sa.exc.OperationalError, match="database is locked"):
        asyncio.run(_two_at_once(tmp_path / "prefect.db"))


def test_immediate_transactions_wait_for_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AioSqliteConfiguration, "begin_transaction", begin_immediate)
    assert asyncio.run(_two_at_once(tmp_path / "prefect.db")) == 2
