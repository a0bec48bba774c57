"""The hosts of one job: they find each other, do what the first host decides, and end together.

SageMaker gives names (`resourceconfig.json`), nothing more. LightGBM's own network has neither a way to agree on
anything nor a notion of a dead peer (its `recv` turns in circles when a connection closes), so beside it every other
host holds one connection to the first. It carries the first host's checkpoints, and its end tells of a host's.
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
# An instance that vanishes closes no connection; the kernel notices after about 40 seconds without an answer.
_KEEPALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 6}
_LINK_MINUTES = 5
_QUIET = {"verbosity": -1}


class ClusterError(CreditModelError):
    """The hosts of the job do not come together, or one of them is gone."""


@dataclass(frozen=True)
class Cluster:
    """Who takes part.

    Attributes:
        names: Every host, the first one leads.
        current: This host.
        addresses: Name or IP and port of each host; LightGBM listens there, and the first host on the next port too.
    """

    names: tuple[str, ...]
    current: str
    addresses: dict[str, tuple[str, int]]

    @classmethod
    def read(cls, base: Path) -> "Cluster":
        """Hosts of `input/config/resourceconfig.json`; one host where there is no such file.

        `CREDIT_TRAIN_ADDRESSES` (`algo-1=10.0.0.7:12400,…`) says where hosts are whose names say nothing.

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
        """This host's part of the rows."""
        return Share(rank=self.names.index(self.current), hosts=len(self.names))

    @property
    def leads(self) -> bool:
        """Whether this is the host that writes."""
        return self.current == self.names[0]


def _addresses(text: str) -> dict[str, tuple[str, int]]:
    try:
        parts = [part.partition("=") for part in text.split(",") if part]
        return {name: (place.rpartition(":")[0], int(place.rpartition(":")[2])) for name, _, place in parts}
    except ValueError:
        raise ClusterError(f"CREDIT_TRAIN_ADDRESSES '{text}': write it as algo-1=host:port,algo-2=host:port") from None


class Team:
    """Connections between the first host and the others; of one host alone, none.

    Args:
        cluster: Who takes part.
        lost: Called, from another thread, with a sentence and whether it was an interruption when another host ends.
    """

    def __init__(self, cluster: Cluster, lost: Callable[[str, bool], None]) -> None:
        self._cluster = cluster
        self._lost = lost
        self._peers: dict[str, socket.socket] = {}
        self._inbox: queue.Queue[bytes | None] = queue.Queue()
        self._network: lgb.Booster | None = None
        self._closing = False

    def gather(self, patience: float) -> None:
        """Wait for every host, then link LightGBM's learners; in the thread that trains.

        Args:
            patience: Seconds in which every host must have come.

        Raises:
            ClusterError: one has not.
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
        """The first host's data, on every host."""
        if not self._cluster.leads:
            return self._inbox.get()
        for peer in self._peers.values():
            _send(peer, _NOTHING if data is None else _DATA, data or b"")
        return data

    def close(self, *, failure: str | None = None, interrupted: bool = False) -> None:
        """Say goodbye, or say why this host ends early so that the others end as well."""
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
                        f"{', '.join(sorted(missing))} did not come; look at the logs of these hosts, and whether the "
                        "job's security groups let its hosts talk to each other"
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
        # The network is a thread's, not a booster's, and an unused booster is the public way to one that stays.
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
                    self._lost(f"host {name} is gone without a word ({error}); see its log", False)
                return
            if kind in _ENDINGS:
                words = "was interrupted" if kind == _INTERRUPTED else f"failed: {data.decode()}"
                self._lost(f"host {name} {words}", kind == _INTERRUPTED)
            if kind == _BYE or kind in _ENDINGS:
                return
            self._inbox.put(data if kind == _DATA else None)


class TeamCheckpoint:
    """A checkpoint that the first host reads and writes, and every host goes by.

    Args:
        team: The hosts.
        leads: Whether this host is the first.
        checkpoint: Where the first host keeps stages.
    """

    def __init__(self, team: Team, *, leads: bool, checkpoint: Checkpoint) -> None:
        self._team = team
        self._leads = leads
        self._checkpoint = checkpoint

    def bind(self, identity: str) -> None:
        """Makes sure that every host has the same rows and settings.

        Raises:
            ClusterError: they differ.
        """
        if self._team.agree(identity.encode()) != identity.encode():
            raise ClusterError("this host holds other rows than the first; make the job's channels FullyReplicated")
        self._checkpoint.bind(identity)

    def load(self, stage: str) -> bytes | None:
        """What the first host has of a stage."""
        return self._team.agree(self._checkpoint.load(stage) if self._leads else None)

    def save(self, stage: str, data: bytes) -> None:
        """Kept by the first host."""
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
