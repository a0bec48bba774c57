"""The sandbox answers each step of the contract as a real API server does, except where a reason is given."""

import pytest

from tests.sandbox.kubernetes import api_process, real_api
from tests.sandbox.kubernetes.apiserver.contract.__main__ import verdict
from tests.sandbox.kubernetes.apiserver.contract.known import KNOWN
from tests.sandbox.kubernetes.apiserver.contract.runner import STEPS, Server

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not real_api.REAL, reason="REAL_KUBECONFIG names no real API server"),
    pytest.mark.skipif(not real_api.CRD_FILE.exists(), reason="KServe's own definition is not here"),
]
STEPS_OF_THE_ISSUE, SAME_OF_THEM = 225, 210


@pytest.fixture(scope="module")
def answers():
    with api_process.serving() as host:
        ours = Server(host, {}).run()
    api = real_api.connect()
    real_api.install_kserves_own(api)
    return ours, Server.of(api).run()


def test_the_list_is_as_long_as_the_issue_asks():
    assert len({step.name for step in STEPS}) == len(STEPS) >= STEPS_OF_THE_ISSUE


def verdicts(answers):
    ours, theirs = answers
    return {name: verdict(answer, theirs[name]) for name, answer in ours.items()}


def test_enough_steps_are_the_same_but_for_the_age_of_the_real_server(answers):
    found = list(verdicts(answers).values())
    assert found.count("same") >= SAME_OF_THEM
    assert (found.count("same") + found.count("aged")) / len(found) >= SAME_OF_THEM / STEPS_OF_THE_ISSUE


def test_each_difference_has_a_reason(answers):
    different = {name for name, found in verdicts(answers).items() if found == "different"}
    assert different - set(KNOWN) == set()


def test_no_reason_is_left_from_a_difference_that_is_gone(answers):
    assert [name for name in KNOWN if verdicts(answers)[name] != "different"] == []
