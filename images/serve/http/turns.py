"""Turns of whole tables: as many at a time as memory holds; the others wait outside, in their sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from credit_model.parallel import cores, memory_limit
from images.serve.errors import BusyError
from images.serve.settings import MIB

# What the process holds without a table: 214 MiB when idle, and the requests of applicants.
_WITHOUT = 384 * MIB
# What the largest table takes: its body (128 MiB), and its answer of 2,000,000 rows in the longest format.
TABLE = 640 * MIB
# Seconds that a table waits for its turn, and that its sender may pause.
PATIENCE = 60.0


class Turns:
    """The turns of one process.

    Attributes:
        limit: Tables at a time.
    """

    def __init__(self, limit: int, *, patience: float = PATIENCE) -> None:
        self.limit = limit
        self._patience = patience
        self._free = asyncio.Semaphore(limit)

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Wait for a turn and keep it.

        Raises:
            BusyError: Nobody gave one up in time.
        """
        try:
            async with asyncio.timeout(self._patience):
                await self._free.acquire()
        except TimeoutError:
            raise BusyError(f"{self.limit} tables at a time fill this server's memory; send this one later") from None
        try:
            yield
        finally:
            self._free.release()


def tables_at_a_time(memory: int | None = None) -> int:
    """Return for how many tables there is memory, at least one and at most one for each core.

    Args:
        memory: Bytes that the process may use; by default its container's limit, or the machine's memory.
    """
    room = (memory_limit() if memory is None else memory) - _WITHOUT
    return max(1, min(room // TABLE, cores()))
