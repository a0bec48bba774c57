"""What the extended services of the AWS sandbox share: the state folder, the endpoint and clients."""

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from sandbox.aws.roles import NOBODY, SECRET

_CONFIG = Config(
    retries={"max_attempts": 1},
    max_pool_connections=32,
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
    s3={"addressing_style": "path"},
)


@dataclass
class Context:
    """The sandbox as its own services see it; they call each other through the endpoint like any client.

    Attributes:
        state: Folder of all files of the sandbox.
        endpoint: Base URL, set once the server listens.
    """

    state: Path
    endpoint: str = ""
    _clients: dict[tuple[str, str, str], Any] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def client(self, service: str, region: str, key: str = NOBODY) -> Any:  # noqa: ANN401 - boto3 clients are untyped
        """Return a boto3 client of this sandbox (thread-safe, one per service, region and key).

        Args:
            service: For example `s3`.
            region: For example `eu-west-1`.
            key: Access key; a service that acts with a role's permissions passes that role's key.
        """
        identity = (service, region, key)
        with self._lock:
            if identity not in self._clients:
                session = boto3.Session(key, SECRET, region_name=region)
                self._clients[identity] = session.client(service, endpoint_url=self.endpoint, config=_CONFIG)
            return self._clients[identity]

    def folder(self, *parts: str) -> Path:
        """Return `state/parts…`, created if missing."""
        path = self.state.joinpath(*parts)
        path.mkdir(parents=True, exist_ok=True)
        return path
