"""Work on all cores in threads of our own: NumPy, Arrow and LightGBM release Python's lock while they work."""

from __future__ import annotations

import math
import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

# This many rows of 41 features fit the cache of a core and take long enough to be worth a thread.
BLOCK_ROWS = 8192

CONTROL_GROUPS = Path("/sys/fs/cgroup")
_VERSION_1 = ("cpu.cfs_quota_us", "cpu.cfs_period_us")

Item = TypeVar("Item")
Result = TypeVar("Result")


def cores() -> int:
    """Return how many cores this process may use: its own set of them, and no more than its container's quota."""
    try:
        allowed = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        allowed = os.cpu_count() or 1
    return min(allowed, cpu_quota() or allowed)


@lru_cache
def cpu_quota(groups: Path = CONTROL_GROUPS) -> int | None:
    """Return how many cores' time the control group of a container grants, rounded up; None without a limit.

    Kubernetes' `limits.cpu` and `docker run --cpus` set it. It does not change the set of cores.

    Args:
        groups: Where the container sees its own control group, of version 2 or 1.

    Source:
        The kernel's cgroup-v2.rst (`cpu.max`) and sched-bwc.rst (`cpu.cfs_quota_us`).
    """
    written = _text(groups / "cpu.max") or " ".join(_text(groups / "cpu" / name) for name in _VERSION_1)
    limit = re.fullmatch(r"(\d+) ([1-9]\d*)", written)
    return max(1, math.ceil(int(limit[1]) / int(limit[2]))) if limit else None


def memory_limit(groups: Path = CONTROL_GROUPS) -> int:
    """Return how many bytes this process may use: its container's limit, or the machine's memory.

    Args:
        groups: Where the container sees its own control group, of version 2 or 1.

    Source:
        The kernel's cgroup-v2.rst (`memory.max`) and cgroup-v1/memory.rst (`memory.limit_in_bytes`).
    """
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    written = _text(groups / "memory.max") or _text(groups / "memory" / "memory.limit_in_bytes")
    return min(int(written), total) if written.isdigit() else total


def _text(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""


def in_order(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield the results of `work` in the order of the items, only a few items ahead, so that memory stays flat.

    Example:
        >>> list(in_order(lambda number: number**2, [1, 2, 3]))
        [1, 4, 9]

    Args:
        work: Called in one of several threads.
        items: Taken in the caller's thread, one at a time.

    Raises:
        Exception: Whatever `items` or `work` raise, in place of the result of the first item that failed.
    """
    threads = cores()
    if threads == 1:
        yield from map(work, items)
        return
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="score") as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
