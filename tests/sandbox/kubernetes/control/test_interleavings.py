"""Whatever the order of the loops, the gateway is sound at every step and everything settles on the specification."""

import random

import pytest

from sandbox.kubernetes.apiserver.resources import KNATIVE_SERVICES
from sandbox.kubernetes.control.loops import Loops, PodState
from tests.sandbox.kubernetes.scripted import NAME, NAMESPACE, READY, TAGS, Scripted, condition, predictor

STATES = (PodState("Pending"), PodState("Running"), PodState("Failed", "broken", 1), READY, READY)


pytestmark = pytest.mark.slow


class Walk:
    """A random walk over patches, states of pods, and steps of loops."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.world = Scripted()
        self.world.create(predictor("image-0"), annotations=TAGS)
        self.was_ready: set[str] = set()

    def act(self) -> None:
        choice = self.random.random()
        if choice < 0.06:
            self.world.patch(predictor(f"image-{self.random.randrange(3)}"))
        elif choice < 0.12:
            self.world.patch({"canaryTrafficPercent": self.random.choice([None, 0, 10, 100])})
        elif choice < 0.25:
            self.set_pods(self.random.choice(STATES), self.random.sample(sorted(self.world.pods.running), 1))
        else:
            self.world.now += self.random.choice([0, 1, 20])
            self.world.step(self.random.choice(Loops.NAMES))

    def set_pods(self, state: PodState, names: list[str]) -> None:
        self.world.pods.states |= dict.fromkeys(names, state)
        self.was_ready |= set(names) if state is READY else set()

    def check(self) -> None:
        shares = self.world.loops.routed(NAMESPACE, NAME)
        assert sum(percent for _, percent in shares) in ((100,) if shares else (0,))
        assert {name for name, _ in shares} <= self.was_ready
        if "observedGeneration" in self.world.isvc().get("status", {}):
            generation = self.world.child(KNATIVE_SERVICES)["metadata"]["generation"]
            assert self.world.status["observedGeneration"] <= generation


@pytest.mark.parametrize("seed", range(12))
def test_any_order_of_steps_is_sound_and_settles(seed):
    walk = Walk(seed)
    walk.world.step(*Loops.NAMES)
    for _ in range(120):
        walk.act()
        walk.check()
    walk.world.settle()
    for _ in range(5):  # a revision that is routed again starts again
        walk.set_pods(READY, sorted(walk.world.pods.running))
        walk.world.now += 1
        walk.world.settle()
    status, percent = walk.world.status, walk.world.isvc()["spec"]["predictor"].get("canaryTrafficPercent")
    assert condition(status, "Ready") == ("True", "")
    component = walk.world.component
    assert component["latestReadyRevision"] == component["latestCreatedRevision"]
    wanted = 100 if percent is None else percent
    if component["latestReadyRevision"] != component["latestRolledoutRevision"] or percent is None:
        assert dict(walk.world.loops.routed(NAMESPACE, NAME)).get(component["latestReadyRevision"], 0) == wanted
