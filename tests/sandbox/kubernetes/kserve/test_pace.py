"""The pace of the loops: the environment's, the ConfigMap's, and pauses."""

import json

import pytest

from sandbox.kubernetes.apiserver.resources import CONFIG_MAPS, initial_objects
from sandbox.kubernetes.apiserver.store import Store
from sandbox.kubernetes.control.client import Client
from sandbox.kubernetes.control.loops import Loops
from sandbox.kubernetes.kserve.pace import DELAYS, VARIABLE, Pace, PaceError


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def client(clock):
    store = Store()
    for resource, thing in initial_objects("ml"):
        store.create(resource, thing)
    return Client(store, clock)


def write(client, data):
    thing = {"metadata": {"name": "sandbox-controller", "namespace": "kserve"}, "data": data}
    if client.find(CONFIG_MAPS, "kserve", "sandbox-controller"):
        client.update(CONFIG_MAPS, thing)
    else:
        client.create(CONFIG_MAPS, thing)


def test_each_loop_has_a_delay_of_its_own(client):
    assert set(DELAYS) == set(Loops.NAMES)
    assert all(0.1 <= Pace(client).delay(loop) <= 0.4 for loop in Loops.NAMES)


def test_the_variable_changes_delays_and_the_config_map_wins(client, monkeypatch):
    monkeypatch.setenv(VARIABLE, json.dumps({"kserve": 1.5, "all": 0.7, "idle": 20}))
    pace = Pace(client)
    assert (pace.delay("kserve"), pace.delay("route"), pace.idle_seconds) == (1.5, 0.7, 20)
    write(client, {"kserve": "0.2"})
    assert (pace.delay("kserve"), pace.delay("route")) == (0.2, 0.7)


def test_a_pause_counts_from_the_last_change_of_the_config_map(client, clock):
    pace = Pace(client)
    write(client, {"away.route": "10"})
    pace.refresh()
    clock.now += 4
    assert pace.away("route") == 6
    assert pace.away("kserve") < 0
    write(client, {"away.route": "10", "kserve": "1"})
    assert pace.away("route") == 10
    write(client, {})
    assert pace.away("route") <= 0


@pytest.mark.parametrize("given", [{"labeler": 1}, {"kserve": "slow"}, {"kserve": -1}])
def test_a_wrong_variable_is_refused(client, monkeypatch, given):
    monkeypatch.setenv(VARIABLE, json.dumps(given))
    with pytest.raises(PaceError, match="keys are all, configuration, idle, ingress, kserve"):
        Pace(client)


@pytest.mark.parametrize("text", ["0.5", "{kserve: 1}"])
def test_a_variable_that_is_no_object_is_refused(client, monkeypatch, text):
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(PaceError, match="must be a JSON object"):
        Pace(client)


def test_a_wrong_value_in_the_config_map_is_ignored(client):
    write(client, {"kserve": "soon"})
    assert Pace(client).delay("kserve") == DELAYS["kserve"]
