"""Work on all cores in threads of our own: NumPy, Arrow and LightGBM release Python's lock while they work."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

# This many rows of 41 features fit the cache of a core and take long enough to be worth a thread.
BLOCK_ROWS = 8192

Item = TypeVar("Item")
Result = TypeVar("Result")


def cores() -> int:
    """Return how many cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        return os.cpu_count() or 1


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
