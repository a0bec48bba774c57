"""How slow each control loop is: a delay before each round, and pauses, changeable while the cluster runs."""

import json
import os

from sandbox.kubernetes.control.client import Client
from sandbox.kubernetes.control.loops import Loops

VARIABLE = "SANDBOX_CONTROLLER"
NAMESPACE, CONFIG_MAP = "kserve", "sandbox-controller"
AWAY, IDLE = "away.", "idle"
# Seconds. A cluster's loops take about as long; a demonstration takes a few rounds of them.
DELAYS = {"kserve": 0.2, "service": 0.1, "configuration": 0.1, "revision": 0.1, "route": 0.15, "ingress": 0.3}
# Knative's 90 seconds would keep the processes of a demonstration for too long.
IDLE_SECONDS = 3.0


class PaceError(ValueError):
    """A setting of the loops' pace is wrong."""


class Pace:
    """The delays and pauses of the loops.

    They come from the JSON object in `SANDBOX_CONTROLLER` and, winning over it, from the data of ConfigMap
    `sandbox-controller` in namespace `kserve`. `kserve: "0.5"` is that loop's delay in seconds, `all: "2"` that of all
    loops, and `away.kserve: "10"` makes that loop do nothing for 10 seconds after the ConfigMap was last changed.
    `idle` (only in the variable) is how many seconds a revision without traffic keeps its processes.

    Args:
        client: The store.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._given = _from_environment()
        self._version = ""
        self._changed = 0.0

    @property
    def idle_seconds(self) -> float:
        """How long a revision without traffic keeps its processes."""
        return float(self._given.get(IDLE, IDLE_SECONDS))

    def refresh(self) -> None:
        """Notice a change of the ConfigMap, from which pauses count."""
        self._data()

    def delay(self, loop: str) -> float:
        """Return how many seconds a loop waits before each round."""
        found = {**self._given, **self._data()}
        return float(found.get(loop, found.get("all", DELAYS[loop])))

    def away(self, loop: str) -> float:
        """Return for how many more seconds a loop does nothing."""
        seconds = float(self._data().get(f"{AWAY}{loop}", "0"))
        return self._changed + seconds - self._client.clock()

    def _data(self) -> dict[str, str]:
        """Return the ConfigMap's data, and notice when it changes; ignore values that are not numbers."""
        found = self._client.settings_with_version(NAMESPACE, CONFIG_MAP)
        if found[0] != self._version:
            self._version, self._changed = found[0], self._client.clock()
        return {key: value for key, value in found[1].items() if _is_number(value)}


def _from_environment() -> dict[str, str]:
    """Return the settings in the variable.

    Raises:
        PaceError: It is not a JSON object of known keys and seconds.
    """
    known = {"all", IDLE, *Loops.NAMES}
    try:
        given = {key: str(value) for key, value in json.loads(os.environ.get(VARIABLE, "{}")).items()}
    except (ValueError, AttributeError) as error:
        raise PaceError(f'{VARIABLE} must be a JSON object such as {{"kserve": 0.5}}: {error}') from error
    if wrong := sorted(key for key, value in given.items() if key not in known or not _is_number(value)):
        raise PaceError(f"{VARIABLE}: {', '.join(wrong)}: keys are {', '.join(sorted(known))}, values are seconds")
    return given


def _is_number(text: str) -> bool:
    try:
        return float(text) >= 0
    except ValueError:
        return False
