"""Stands for the serve image in tests: the real server, with the fault that its bundle's model card asks for.

Without a line `fault: NAME [NUMBER]` in the model card it is the real server and nothing else.
"""

import asyncio
import re
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

FAULT = re.compile(r"^fault: (?P<name>[a-z]+) ?(?P<number>[0-9.]*)$", re.MULTILINE)
Score = Callable[..., Awaitable[Any]]


def asked_fault() -> tuple[str, float]:
    """Return the fault that the model card names, and its number; none where it names none."""
    folder = next((part.partition("=")[2] for part in sys.argv if part.startswith("--model_dir=")), None)
    if folder is None:  # SageMaker names no folder: only released models are asked to fail
        return "", 0.0
    found = FAULT.search((Path(folder) / "model_card.md").read_text())
    return (found["name"], float(found["number"] or 0)) if found else ("", 0.0)


def errors(_score: Score, _number: float) -> Score:
    """Answer 500 always."""

    async def score(*_given: Any, **_more: Any) -> Any:
        raise RuntimeError("a fault of a test")

    return score


def wrong(score: Score, number: float) -> Score:
    """Answer PDs that are off by a number."""

    async def off(*given: Any, **more: Any) -> Any:
        answered = await score(*given, **more)
        pds = [pd + number for pd in answered.verdicts.pds]
        return answered._replace(verdicts=answered.verdicts._replace(pds=pds))

    return off


def slow(score: Score, number: float) -> Score:
    """Answer so many seconds later."""

    async def later(*given: Any, **more: Any) -> Any:
        await asyncio.sleep(number)
        return await score(*given, **more)

    return later


def busy(score: Score, number: float) -> Score:
    """Answer 500 while more than a number of requests with an id come each second: golden applicants have none."""
    asked: deque[float] = deque()

    async def failing(engine: Any, rows: list[dict[str, Any]], **more: Any) -> Any:
        now = time.monotonic()
        asked.extend(now for row in rows if "ID" in row)
        while asked and asked[0] < now - 1:
            asked.popleft()
        if len(asked) > number:
            raise RuntimeError("a fault of a test")
        return await score(engine, rows, **more)

    return failing


FAULTS = {"errors": errors, "wrong": wrong, "slow": slow, "busy": busy}


def main() -> int:
    """Serve with the fault; return the exit code."""
    name, number = asked_fault()
    if name == "crash":
        sys.exit("a fault of a test: it does not start")
    if name == "hang":
        time.sleep(3600)
    from images.serve.__main__ import main as serve  # noqa: PLC0415 - what crashes or hangs needs no imports
    from images.serve.engine import Engine  # noqa: PLC0415

    if name:
        Engine.score = FAULTS[name](Engine.score, number)  # type: ignore[method-assign]
    return serve()


if __name__ == "__main__":
    sys.exit(main())
