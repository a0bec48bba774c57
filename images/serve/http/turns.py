"""Turns of whole tables: as many at a time as memory holds; the others wait outside, in their sockets."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from credit_model.parallel import CONTROL_GROUPS, cores
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


def memory_limit(groups: Path = CONTROL_GROUPS) -> int:
    """Return how many bytes this process may use: its container's limit, or the machine's memory.

    Source:
        The kernel's cgroup-v2.rst (`memory.max`) and cgroup-v1/memory.rst (`memory.limit_in_bytes`).
    """
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            written = (groups / name).read_text().strip()
        except OSError:
            continue
        return min(int(written), total) if written.isdigit() else total
    return total
