"""Prefect's server on SQLite, with transactions that wait for each other: `python -m sandbox.prefect_server ARGUMENTS`.

Prefect begins its transactions deferred. One that reads first and writes later is refused at once
(SQLITE_BUSY_SNAPSHOT, https://www.sqlite.org/rescode.html#busy_snapshot) if another has written in between. The API
then answers 503, and when an automation meets that six times, the run that it should have started is lost. A
transaction that begins immediate waits for its turn instead. PostgreSQL, which a real server uses, refuses neither.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from prefect.cli import app
from prefect.server.database.configurations import AioSqliteConfiguration
from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction

_begin = AioSqliteConfiguration.begin_transaction


@asynccontextmanager
async def begin_immediate(
    self: AioSqliteConfiguration, session: AsyncSession, with_for_update: bool = True
) -> AsyncGenerator[AsyncSessionTransaction, None]:
    """Begin a transaction that may write, whether or not its caller has asked for that."""
    del with_for_update
    async with _begin(self, session, with_for_update=True) as transaction:
        yield transaction


if __name__ == "__main__":
    AioSqliteConfiguration.begin_transaction = begin_immediate  # type: ignore[method-assign]
    app()
