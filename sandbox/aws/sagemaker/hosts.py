"""The hosts of a training job on one machine: one folder as `/opt/ml` and one process group per host."""

import json
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.aws.container import Container
from sandbox.containers import Mount
from sandbox.ports import free_port_pair

_POLL_SECONDS = 0.05
_FOLDERS = ("input/config", "input/data", "model", "output/data", "checkpoints")


@dataclass(frozen=True)
class Host:
    """One host: its name, and its folder that stands for `/opt/ml`."""

    name: str
    base: Path

    def lay_out(self, request: dict[str, Any], names: list[str]) -> None:
        """Create the folders and write the configuration files."""
        for folder in _FOLDERS:
            (self.base / folder).mkdir(parents=True, exist_ok=True)
        instance = request.get("ResourceConfig", {}).get("InstanceType", "ml.m5.large")
        group = {"instance_group_name": "homogeneousCluster", "instance_type": instance, "hosts": names}
        channels = request.get("InputDataConfig") or []
        files = {
            "hyperparameters": {key: str(value) for key, value in (request.get("HyperParameters") or {}).items()},
            "inputdataconfig": {channel["ChannelName"]: _channel_config(channel) for channel in channels},
            "resourceconfig": {
                "current_host": self.name,
                "current_instance_type": instance,
                "current_group_name": "homogeneousCluster",
                "hosts": names,
                "instance_groups": [group],
                "network_interface_name": "eth0",
            },
        }
        for name, content in files.items():
            (self.base / "input" / "config" / f"{name}.json").write_text(json.dumps(content))


class ContainerGroup:
    """The containers of a job's hosts, awaited and ended together."""

    def __init__(self) -> None:
        self._containers: list[Container] = []

    def add(self, container: Container) -> None:
        """Add a started container."""
        self._containers.append(container)

    def poll(self) -> int | None:
        """Return 0 once all have succeeded, or the exit code of one that failed; None before."""
        codes = [container.poll() for container in self._containers]
        failed = next((code for code in codes if code), None)
        return failed if failed or None in codes else 0

    def interrupt(self) -> None:
        """Send SIGTERM to all and return at once."""
        for container in self._containers:
            container.interrupt()

    def wait(self, stop: threading.Event, deadline: float | None = None) -> int | None:
        """Wait for the end; return None if `stop` is set or the monotonic `deadline` passes first."""
        while (code := self.poll()) is None:
            if stop.wait(_POLL_SECONDS) or (deadline is not None and time.monotonic() > deadline):
                return None
        return code

    def end(self, grace: float) -> int:
        """Send SIGTERM to all, then SIGKILL after `grace` seconds; return the first exit code other than 0."""
        self.interrupt()
        deadline = time.monotonic() + grace
        codes = [container.end(max(0.0, deadline - time.monotonic())) for container in self._containers]
        return next((code for code in codes if code), 0)


def opt_ml(base: Path) -> Mount:
    """Return the mount of a host's folder."""
    return Mount("/opt/ml", base, variable="SAGEMAKER_BASE_DIR")


def addresses(names: list[str]) -> str:
    """Return loopback addresses of the hosts in the train image's format (name=host:port,…)."""
    return ",".join(f"{name}=127.0.0.1:{free_port_pair()}" for name in names)


def _channel_config(channel: dict[str, Any]) -> dict[str, str]:
    config = {
        "TrainingInputMode": channel.get("InputMode", "File"),
        "S3DistributionType": channel["DataSource"]
        .get("S3DataSource", {})
        .get("S3DataDistributionType", "FullyReplicated"),
        "RecordWrapperType": channel.get("RecordWrapperType", "None"),
    }
    return {**config, **({"ContentType": channel["ContentType"]} if channel.get("ContentType") else {})}
