"""What every extended service of the AWS sandbox shares: its state folder, its endpoint, and clients of itself."""

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

_CONFIG = Config(
    retries={"max_attempts": 1},
    max_pool_connections=32,
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
    s3={"addressing_style": "path"},
)


@dataclass
class Context:
    """The sandbox seen from inside: the services talk to each other as any client would, through the endpoint.

    Attributes:
        state: folder that holds everything the sandbox writes.
        endpoint: base URL, known once the server listens.
    """

    state: Path
    endpoint: str = ""
    _clients: dict[tuple[str, str], Any] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def client(self, service: str, region: str) -> Any:  # noqa: ANN401 - boto3 clients are untyped
        """Return a boto3 client of this sandbox's own endpoint (thread-safe, one per service and region)."""
        with self._lock:
            if (service, region) not in self._clients:
                session = boto3.Session("test", "test", region_name=region)
                self._clients[service, region] = session.client(service, endpoint_url=self.endpoint, config=_CONFIG)
            return self._clients[service, region]

    def folder(self, *parts: str) -> Path:
        """Return `state/parts…`, created when missing."""
        path = self.state.joinpath(*parts)
        path.mkdir(parents=True, exist_ok=True)
        return path
