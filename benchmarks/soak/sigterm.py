"""SIGTERM at many moments of each built image's life: it ends in time with the right exit code. `make soak-sigterm`."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

from credit_model.simulation.simulate import simulate
from sandbox import containers
from sandbox.ports import free_port

ROOT = Path(__file__).parents[2]
IMAGE = "registry/credit-{}:latest"
PARAMETERS = {"folds": "3", "max_rounds": "200", "learning_rate": "0.05", "studies": "false"}
BY_SIGNAL, GRACEFUL = 143, 0


class Case(NamedTuple):
    """One image under test.

    Attributes:
        start: Returns the command of a new container.
        life: Seconds of its life in which the signals come.
        grace: Seconds that its service leaves it after SIGTERM.
        codes: Exit codes that are right.
    """

    start: Callable[[], containers.Command]
    life: float
    grace: float
    codes: frozenset[int]


def main() -> int:
    """Send the signals, print one line an image, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak.sigterm", description=__doc__)
    parser.add_argument("--moments", type=int, default=20, help="signals for each image")
    parser.add_argument("--engine", default="podman", help="podman or docker")
    options = parser.parse_args()
    os.environ |= {containers.ENGINE: options.engine, containers.OWNER: f"sigterm-{os.getpid()}"}
    containers.check()
    fine = True
    try:
        with tempfile.TemporaryDirectory() as folder:
            for image, case in cases(Path(folder)).items():
                fine &= attack(image, case, options.moments)
    finally:
        containers.remove_all()
    return 0 if fine else 1


def cases(folder: Path) -> dict[str, Case]:
    """Train a bundle in a container, and return the three images with what each of them needs."""
    whole = folder / "whole"
    with running(train(whole)) as process:
        began = time.monotonic()
        if process.wait(300):
            raise SystemExit(f"an undisturbed training failed: {(whole / 'output' / 'failure').read_text()}")
        life = time.monotonic() - began
    numbers = iter(range(10_000))
    return {
        "train": Case(lambda: train(folder / str(next(numbers))), life, 30.0, frozenset({BY_SIGNAL})),
        "serve": Case(lambda: serve(whole / "model"), 6.0, 10.0, frozenset({BY_SIGNAL, GRACEFUL})),
        "worker": Case(worker, 3.0, 30.0, frozenset({BY_SIGNAL})),
    }


def train(base: Path) -> containers.Command:
    """Lay out a training job as SageMaker does, for root alone, and return its command."""
    table = simulate(4000, seed=5, months=4).applications
    for name, part in (("train", table.slice(0, 2800)), ("holdout", table.slice(2800))):
        (base / "input" / "data" / name).mkdir(parents=True)
        pq.write_table(part, base / "input" / "data" / name / "part-0.parquet")
    (base / "input" / "data" / "contract").mkdir()
    contract = (ROOT / "credit_model/contracts/case.yaml").read_bytes()
    (base / "input" / "data" / "contract" / "case.yaml").write_bytes(contract)
    (base / "input" / "config").mkdir()
    (base / "input" / "config" / "hyperparameters.json").write_text(json.dumps(PARAMETERS))
    mounts = (containers.Mount("/opt/ml", base),)
    return containers.command(IMAGE.format("train"), ["train"], environment={}, inherited={}, mounts=mounts)


def serve(model: Path) -> containers.Command:
    """Return the command of a model server with the limits that a release sets."""
    mounts = (containers.Mount("/mnt/models", model, read_only=True),)
    limits = containers.Limits(memory=2**30, scratch={"/tmp": 2**26}, read_only_root=True, confined=True)
    own = {"PORT": str(free_port())}
    arguments = ["--model_dir=/mnt/models"]
    image = IMAGE.format("serve")
    return containers.command(image, arguments, environment=own, inherited={}, mounts=mounts, limits=limits)


def worker() -> containers.Command:
    """Return the command of a worker that runs a program which does not handle SIGTERM."""
    return containers.command(IMAGE.format("worker"), ["sleep", "60"], environment={}, inherited={})


def attack(image: str, case: Case, moments: int) -> bool:
    """Send SIGTERM at evenly spread moments and print what came of it; return whether all ended well."""
    codes, slowest = [], 0.0
    for number in range(moments):
        while (ended := end(case, case.life * number / moments)) is None:
            case = case._replace(life=0.9 * case.life)
        codes.append(ended[0])
        slowest = max(slowest, ended[1])
        print(f"\r{image}: {number + 1} of {moments}", end="", file=sys.stderr, flush=True)
    fine = set(codes) <= case.codes and slowest < case.grace
    found = ", ".join(f"{codes.count(code)} x {code}" for code in sorted(set(codes)))
    shown = f"exit codes {found}; the slowest took {slowest:.1f} of {case.grace:.0f} s"
    print(f"\n{'ok' if fine else 'NOT OK':<7}{image}: {moments} signals, {shown}", flush=True)
    return fine


def end(case: Case, after: float) -> tuple[int, float] | None:
    """Start a container, send SIGTERM some seconds later; return its exit code and how long it took to end.

    Returns:
        None if it had done its work before the signal.
    """
    command = case.start()
    with running(command) as process:
        time.sleep(after)
        if process.poll() == 0:
            return None
        began = time.monotonic()
        tell(command, "kill", "--signal", "TERM")
        try:
            return process.wait(case.grace), time.monotonic() - began
        except subprocess.TimeoutExpired:
            return 128 + 9, case.grace


@contextmanager
def running(command: containers.Command) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a container and yield once its first process runs; remove it at the end."""
    process = subprocess.Popen(
        command.words, env=command.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while process.poll() is None and tell(command, "inspect", "--format", "{{.State.Running}}") != "true":
            time.sleep(0.01)
        yield process
    finally:
        command.remove()
        process.wait(30)


def tell(command: containers.Command, *words: str) -> str:
    """Run one command of the engine on a container; return what it prints."""
    done = subprocess.run([*command.words[:1], *words, command.name], capture_output=True, text=True, check=False)
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
