"""Command line of the sandbox: `python -m sandbox demo` runs the whole loop, `python -m sandbox up` the servers."""

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

STATE = Path(".sandbox")


def main(arguments: list[str]) -> int:
    """Run the command; Ctrl-C stops it and everything it started."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    asked = _parser().parse_args(arguments)
    try:
        return _up(asked) if asked.command == "up" else _demo(asked)
    except KeyboardInterrupt:
        print("\nstopped: no process of the sandbox is left", file=sys.stderr)
        return 130


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="run the platform's whole loop and show the results")
    demo.add_argument("--data", type=Path, help="CSV or Parquet file of applications; default: simulated applications")
    demo.add_argument("--portfolio", help="contract that the file follows (default: case)", default="case")
    demo.add_argument("--exit", action="store_true", help="stop after the summary")
    demo.add_argument("--json", type=Path, metavar="PATH", help="write the summary as JSON")
    for command in (demo, commands.add_parser("up", help="start the sandbox and print its environment variables")):
        command.add_argument("--state", type=Path, help="folder for all of its files (default: a new one in .sandbox)")
    return parser


def _state(asked: argparse.Namespace) -> Path:
    """Return the state folder; each sandbox gets a new one, so that two on one machine do not collide."""
    if asked.state:
        return Path(asked.state)
    STATE.mkdir(exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=time.strftime("%Y%m%d-%H%M%S-"), dir=STATE))


def _demo(asked: argparse.Namespace) -> int:
    from sandbox import demo  # noqa: PLC0415 - a slow import, not needed for --help
    from sandbox.containers import ContainerSetupError  # noqa: PLC0415
    from sandbox.demo_files import DemoFileError  # noqa: PLC0415
    from sandbox.flow_runs import FlowRunError  # noqa: PLC0415
    from sandbox.services import ServiceError  # noqa: PLC0415

    try:
        demo.run(data=asked.data, portfolio=asked.portfolio, state=_state(asked), leave=asked.exit, summary=asked.json)
    except (ContainerSetupError, DemoFileError, FlowRunError, ServiceError, demo.NoModelError) as error:
        print(f"\nthe demo stopped: {error}", file=sys.stderr)
        return 1
    return 0


def _up(asked: argparse.Namespace) -> int:
    from sandbox.stack import Sandbox  # noqa: PLC0415 - a slow import, not needed for --help

    with Sandbox(_state(asked), say=lambda line: print(line, file=sys.stderr)) as sandbox:
        for name, value in sorted(sandbox.environment.items()):
            print(f"export {name}={value!r}", flush=True)
        while True:
            sandbox.check()
            time.sleep(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
