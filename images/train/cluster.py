"""The hosts of one training job: they connect, follow the first host's checkpoints, and end together.

SageMaker provides only names (`resourceconfig.json`). LightGBM's network can neither agree on anything nor notice a
dead peer (its `recv` spins when a connection closes). So every other host also holds one connection to the first host:
it carries the first host's checkpoints, and a closed connection means that a host is gone.
"""

import json
import os
import queue
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import lightgbm as lgb
import numpy as np

from credit_model.errors import CreditModelError
from credit_model.training.checkpoints import Checkpoint
from credit_model.training.hosts import Share

PORT = 12400
_HEAD = struct.Struct(">cQ")
_DATA, _NOTHING, _BYE, _FAILED, _INTERRUPTED = b"D", b"N", b"B", b"F", b"T"
_ENDINGS = {_FAILED, _INTERRUPTED}
# A vanished instance closes no connection; the kernel notices after about 40 seconds without an answer.
_KEEPALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 6}
_LINK_MINUTES = 5
_QUIET = {"verbosity": -1}


class ClusterError(CreditModelError):
    """The hosts of the job cannot connect, or one of them is gone."""


@dataclass(frozen=True)
class Cluster:
    """The hosts of the job.

    Attributes:
        names: Every host; the first one leads.
        current: This host.
        addresses: Name or IP and port of each host; LightGBM listens there, and the first host also on the next port.
    """

    names: tuple[str, ...]
    current: str
    addresses: dict[str, tuple[str, int]]

    @classmethod
    def read(cls, base: Path) -> "Cluster":
        """Read the hosts from `input/config/resourceconfig.json`; without that file there is one host.

        `CREDIT_TRAIN_ADDRESSES` (`algo-1=10.0.0.7:12400,…`) gives addresses of hosts whose names do not resolve.

        Raises:
            ClusterError: the variable is malformed.
        """
        path = base / "input" / "config" / "resourceconfig.json"
        config = json.loads(path.read_text()) if path.exists() else {}
        names = tuple(sorted(config.get("hosts", ["algo-1"])))
        given = _addresses(os.environ.get("CREDIT_TRAIN_ADDRESSES", ""))
        return cls(names, config.get("current_host", names[0]), {name: given.get(name, (name, PORT)) for name in names})

    @property
    def share(self) -> Share:
        """Return this host's share of the rows."""
        return Share(rank=self.names.index(self.current), hosts=len(self.names))

    @property
    def leads(self) -> bool:
        """Return whether this host leads and writes the bundle."""
        return self.current == self.names[0]


def _addresses(text: str) -> dict[str, tuple[str, int]]:
    try:
        parts = [part.partition("=") for part in text.split(",") if part]
        return {name: (place.rpartition(":")[0], int(place.rpartition(":")[2])) for name, _, place in parts}
    except ValueError:
        raise ClusterError(f"CREDIT_TRAIN_ADDRESSES '{text}': write it as algo-1=host:port,algo-2=host:port") from None


class Team:
    """Connections between the first host and the others; none for a single host.

    Args:
        cluster: The hosts.
        lost: Called from another thread when another host ends, with a sentence and whether it was interrupted.
    """

    def __init__(self, cluster: Cluster, lost: Callable[[str, bool], None]) -> None:
        self._cluster = cluster
        self._lost = lost
        self._peers: dict[str, socket.socket] = {}
        self._inbox: queue.Queue[bytes | None] = queue.Queue()
        self._network: lgb.Booster | None = None
        self._closing = False

    def gather(self, patience: float) -> None:
        """Wait for every host, then link LightGBM's learners; call it in the training thread.

        Args:
            patience: Seconds within which every host must connect.

        Raises:
            ClusterError: a host has not connected.
        """
        if self._cluster.share.alone:
            return
        deadline = time.monotonic() + patience
        self._accept_all(deadline) if self._cluster.leads else self._join(deadline)
        for name, peer in self._peers.items():
            threading.Thread(target=self._listen, args=(name, peer), name=f"from-{name}", daemon=True).start()
        self.agree(b"go")
        self._link()

    def agree(self, data: bytes | None) -> bytes | None:
        """Return the first host's data on every host."""
        if not self._cluster.leads:
            return self._inbox.get()
        for peer in self._peers.values():
            _send(peer, _NOTHING if data is None else _DATA, data or b"")
        return data

    def close(self, *, failure: str | None = None, interrupted: bool = False) -> None:
        """Say goodbye, or report why this host ends early so that the others end too."""
        self._closing = True
        kind = _INTERRUPTED if interrupted else _BYE if failure is None else _FAILED
        for peer in self._peers.values():
            try:
                _send(peer, kind, (failure or "").encode())
            except OSError:
                continue

    def _accept_all(self, deadline: float) -> None:
        _, port = self._cluster.addresses[self._cluster.current]
        others = set(self._cluster.names[1:])
        with socket.create_server(("", port + 1)) as door:
            while missing := others - self._peers.keys():
                door.settimeout(max(0.01, deadline - time.monotonic()))
                try:
                    peer, _ = door.accept()
                    _, name = _receive(_tuned(peer))
                except TimeoutError:
                    raise ClusterError(
                        f"{', '.join(sorted(missing))} did not connect; check the logs of these hosts, and that the "
                        "job's security groups let its hosts reach each other"
                    ) from None
                self._peers[name.decode()] = peer

    def _join(self, deadline: float) -> None:
        leader = self._cluster.names[0]
        host, port = self._cluster.addresses[leader]
        while leader not in self._peers:
            try:
                self._peers[leader] = _tuned(socket.create_connection((host, port + 1), timeout=5))
            except OSError as error:
                if time.monotonic() > deadline:
                    raise ClusterError(
                        f"{leader} at {host}:{port + 1} does not answer ({error}); see its log"
                    ) from None
                time.sleep(0.2)
        _send(self._peers[leader], _DATA, self._cluster.current.encode())

    def _link(self) -> None:
        places = [self._cluster.addresses[name] for name in self._cluster.names]
        machines = ",".join(f"{socket.gethostbyname(host)}:{port}" for host, port in places)
        # The network belongs to a thread, not to a booster; an unused booster is the public way to keep one open.
        self._network = lgb.Booster(_QUIET, lgb.Dataset(np.zeros((2, 1)), [0.0, 1.0], params=_QUIET))
        self._network.set_network(
            machines=machines,
            local_listen_port=self._cluster.addresses[self._cluster.current][1],
            listen_time_out=_LINK_MINUTES,
            num_machines=len(places),
        )

    def _listen(self, name: str, peer: socket.socket) -> None:
        while True:
            try:
                kind, data = _receive(peer)
            except OSError as error:
                if not self._closing:
                    self._lost(f"host {name} is gone ({error}); see its log", False)
                return
            if kind in _ENDINGS:
                end = "was interrupted" if kind == _INTERRUPTED else f"failed: {data.decode()}"
                self._lost(f"host {name} {end}", kind == _INTERRUPTED)
            if kind == _BYE or kind in _ENDINGS:
                return
            self._inbox.put(data if kind == _DATA else None)


class TeamCheckpoint:
    """A checkpoint that the first host reads and writes and every host uses.

    Args:
        team: The hosts' connections.
        leads: Whether this host is the first.
        checkpoint: The first host's checkpoint.
    """

    def __init__(self, team: Team, *, leads: bool, checkpoint: Checkpoint) -> None:
        self._team = team
        self._leads = leads
        self._checkpoint = checkpoint

    def bind(self, identity: str) -> None:
        """Check that every host has the same rows and settings.

        Raises:
            ClusterError: they differ.
        """
        if self._team.agree(identity.encode()) != identity.encode():
            raise ClusterError("this host has different rows from the first; make the job's channels FullyReplicated")
        self._checkpoint.bind(identity)

    def load(self, stage: str) -> bytes | None:
        """Return the first host's data of a stage."""
        return self._team.agree(self._checkpoint.load(stage) if self._leads else None)

    def save(self, stage: str, data: bytes) -> None:
        """Save a stage on the first host."""
        if self._leads:
            self._checkpoint.save(stage, data)


def _tuned(peer: socket.socket) -> socket.socket:
    peer.settimeout(None)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE.items():
        if hasattr(socket, option):
            peer.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    return peer


def _send(peer: socket.socket, kind: bytes, data: bytes) -> None:
    peer.sendall(_HEAD.pack(kind, len(data)) + data)


def _receive(peer: socket.socket) -> tuple[bytes, bytes]:
    kind, length = _HEAD.unpack(_exactly(peer, _HEAD.size))
    return kind, _exactly(peer, length)


def _exactly(peer: socket.socket, length: int) -> bytes:
    data = bytearray()
    while len(data) < length:
        part = peer.recv(min(1 << 20, length - len(data)))
        if not part:
            raise ConnectionResetError("connection closed")
        data += part
    return bytes(data)
