"""The serve image of the tests: the real server, with the fault that its bundle's model card names.

Without a line `fault: NAME [NUMBER]` in the model card, it behaves like the real server.
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
    """Return the name and the number of the fault in the model card; an empty name for none."""
    folder = next((part.partition("=")[2] for part in sys.argv if part.startswith("--model_dir=")), None)
    if folder is None:  # SageMaker passes no folder; only released models have faults
        return "", 0.0
    found = FAULT.search((Path(folder) / "model_card.md").read_text())
    return (found["name"], float(found["number"] or 0)) if found else ("", 0.0)


def errors(_score: Score, _number: float) -> Score:
    """Answer every request with 500."""

    async def score(*_given: Any, **_more: Any) -> Any:
        raise RuntimeError("a fault of a test")

    return score


def wrong(score: Score, number: float) -> Score:
    """Add a number to the PDs of the answers."""

    async def off(*given: Any, **more: Any) -> Any:
        answered = await score(*given, **more)
        pds = [pd + number for pd in answered.verdicts.pds]
        return answered._replace(verdicts=answered.verdicts._replace(pds=pds))

    return off


def slow(score: Score, number: float) -> Score:
    """Delay the answers by a number of seconds."""

    async def later(*given: Any, **more: Any) -> Any:
        await asyncio.sleep(number)
        return await score(*given, **more)

    return later


def busy(score: Score, number: float) -> Score:
    """Answer 500 while more than a number of client requests arrive per second; golden applicants have no id."""
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
    """Run the server with the fault; return the exit code."""
    name, number = asked_fault()
    if name == "crash":
        sys.exit("a fault of a test: it does not start")
    if name == "hang":
        time.sleep(3600)
    from images.serve.__main__ import main as serve  # noqa: PLC0415 - not needed to crash or hang
    from images.serve.engine import Engine  # noqa: PLC0415

    if name:
        Engine.score = FAULTS[name](Engine.score, number)  # type: ignore[method-assign]
    return serve()


if __name__ == "__main__":
    sys.exit(main())
