"""Starts the train image's entry point on job folders as SageMaker lays them out."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq

from credit_model.simulation.simulate import simulate

ROOT = Path(__file__).resolve().parents[3]
QUICK = {
    "folds": "3",
    "max_rounds": "60",
    "learning_rate": "0.1",
    "min_data_in_leaf": "20",
    "min_data_per_group": "20",
    "studies": "false",
}


def write_channels(folder: Path, *, rows: int = 4000, seed: int = 5) -> Path:
    """Channels of a simulated case portfolio, 70 % to train."""
    table = simulate(rows, seed=seed, months=4).applications
    border = int(rows * 0.7)
    for name, part in (("train", table.slice(0, border)), ("holdout", table.slice(border))):
        (folder / name).mkdir(parents=True)
        pq.write_table(part, folder / name / "part-0.parquet")
    (folder / "contract").mkdir()
    (folder / "contract" / "case.yaml").write_bytes((ROOT / "credit_model/contracts/case.yaml").read_bytes())
    return folder


def free_ports() -> int:
    """A port that is free, and so is the next one."""
    for _ in range(50):
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port
    raise AssertionError("no two free ports side by side")


@dataclass
class TrainJob:
    """One host of a training job: its base folder and, once started, its process."""

    base: Path
    channels: Path
    parameters: dict[str, str] = field(default_factory=lambda: dict(QUICK))
    hosts: tuple[str, ...] = ("algo-1",)
    host: str = "algo-1"
    addresses: str = ""
    distribution: str = "FullyReplicated"
    pinned: bool = True
    process: subprocess.Popen[str] | None = None

    def start(self, **environment: str) -> "TrainJob":
        config = self.base / "input" / "config"
        config.mkdir(parents=True, exist_ok=True)
        channels = {name: {"S3DistributionType": self.distribution} for name in ("train", "holdout", "contract")}
        (config / "hyperparameters.json").write_text(json.dumps(self.parameters))
        (config / "inputdataconfig.json").write_text(json.dumps(channels))
        (config / "resourceconfig.json").write_text(
            json.dumps({"hosts": list(self.hosts), "current_host": self.host, "network_interface_name": "eth0"})
        )
        if not (self.base / "input" / "data").exists():
            (self.base / "input" / "data").symlink_to(self.channels)
        core = sorted(os.sched_getaffinity(0))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "images.train", "train"],
            env={
                **{name: value for name, value in os.environ.items() if not name.startswith(("CREDIT_", "PREFECT_"))},
                "PYTHONPATH": str(ROOT),
                "SAGEMAKER_BASE_DIR": str(self.base),
                "CREDIT_TRAIN_ADDRESSES": self.addresses,
                **environment,
            },
            cwd=self.base,
            stdout=(self.base / "out.log").open("a"),
            stderr=subprocess.STDOUT,
            text=True,
        )
        # One core each: LightGBM's threads spin while they wait, and hosts do not share cores.
        if self.pinned:
            os.sched_setaffinity(self.process.pid, {core[self.hosts.index(self.host) % len(core)]})
        return self

    @property
    def log(self) -> str:
        return (self.base / "out.log").read_text()

    @property
    def failure(self) -> str | None:
        path = self.base / "output" / "failure"
        return path.read_text() if path.exists() else None

    def wait(self, seconds: float = 60) -> int:
        assert self.process is not None
        return self.process.wait(seconds)

    def wait_for(self, words: str, seconds: float = 60) -> None:
        """Wait until the log has the words, or the process has ended."""
        deadline = time.monotonic() + seconds
        while words not in self.log and self.process is not None and self.process.poll() is None:
            assert time.monotonic() < deadline, f"no {words!r} in:\n{self.log}"
            time.sleep(0.01)

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in sorted((self.base / "model").glob("*"))}

    def end(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def team(root: Path, channels: Path, count: int, **options: object) -> list[TrainJob]:
    """Jobs of several hosts on loopback, not started."""
    names = tuple(f"algo-{number + 1}" for number in range(count))
    addresses = ",".join(f"{name}=127.0.0.1:{free_ports()}" for name in names)
    return [TrainJob(root / name, channels, hosts=names, host=name, addresses=addresses, **options) for name in names]  # type: ignore[arg-type]
