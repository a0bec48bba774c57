"""What the cluster can do to a release while it runs: the sandbox's faults and its slow loops."""

import json
from typing import Any, NamedTuple

import httpx
import yaml

from tests.e2e.world import World

SERVICES = "inferenceservices"


class Knob(NamedTuple):
    """One way in which the cluster is awkward.

    Attributes:
        faults: orders for the sandbox's API, as `sandbox.kubernetes.faults.Fault` takes them.
        refused: text of the release's failure, if it has to fail; empty if it has to end well.
        lost: most requests of clients that may fail.
    """

    faults: tuple[dict[str, Any], ...]
    refused: str = ""
    lost: int = 0


FOREIGN = {"spec": {"predictor": {"canaryTrafficPercent": 7}}}
KNOBS = {
    "the answers to three patches are lost": Knob(({"action": "lost", "verb": "patch", "count": 3},)),
    "a request hangs": Knob(({"action": "hang", "verb": "get", "pause": 60.0},)),
    "a patch is carried out and hangs": Knob(({"action": "hang", "verb": "patch", "when": "after", "pause": 60.0},)),
    "429 for 10 s": Knob(({"action": "busy", "count": None, "seconds": 10.0},)),
    "503 for 10 s": Knob(({"action": "unavailable", "count": None, "seconds": 10.0},)),
    "the gateway answers one 503": Knob(({"action": "gateway"},), lost=1),
    "the webhook is down for 10 s": Knob(({"action": "webhook", "count": None, "seconds": 10.0},)),
    "somebody else sets the share": Knob(
        ({"action": "edit", "verb": "patch", "patch": FOREIGN, "when": "after"},), refused="changed by another writer"
    ),
}


def order(world: World, knob: Knob) -> None:
    """Make the sandbox's cluster awkward from now on."""
    for fault in knob.faults:
        about = {"resource": SERVICES} if fault["action"] != "gateway" else {}
        httpx.post(_faults(world), json=about | fault).raise_for_status()


def drop(world: World) -> None:
    """Make it behave again."""
    httpx.delete(_faults(world)).raise_for_status()


def _faults(world: World) -> str:
    with open(world.environment["KUBECONFIG"], encoding="utf-8") as file:
        config = yaml.safe_load(file)
    return f"{config['clusters'][0]['cluster']['server']}/sandbox/faults"


def slow_loops(seconds: float) -> dict[str, str]:
    """Return the variable that makes every control loop of the sandbox wait before each round."""
    return {"SANDBOX_CONTROLLER": json.dumps({"all": seconds})}
