"""What goes wrong around a release, one by one, against the control loops in simulated time."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import flows.release
from sandbox.kubernetes.control.loops import Loops
from tasks.errors import ReleaseError
from tasks.release import rollout, undo
from tasks.release.inference_service import service_name, version_in
from tasks.release.rollback import choose
from tasks.release.status import CANARY
from tests.tasks.release.simulation import PORTFOLIO, SERVICE, Behaviour, Cluster, Fault, World, world

pytestmark = pytest.mark.slow

# Seconds between two runs of each loop, as on a busy cluster.
DELAYS = dict(zip(Loops.NAMES, (0.4, 0.2, 0.2, 0.3, 0.3, 0.4), strict=True))
RECORD = f"s3://lake/releases/{PORTFOLIO}.json"


@contextmanager
def released(*, first: str = "champion", **behaviours: Behaviour) -> Iterator[tuple[World, Cluster]]:
    """Yield a cluster on which the first version has been released."""
    cluster = Cluster(behaviours, DELAYS)
    with world(cluster, behaviours) as here:
        assert here.release(first) == "released"
        cluster.settle(20)
        cluster.exposed.clear()
        yield here, cluster


def untested(here: World, cluster: Cluster) -> set[str]:
    return {version for _, _, version, _ in cluster.exposed} - here.tested


def assert_alone(cluster: Cluster, version: str) -> None:
    cluster.settle(60)
    assert cluster.serving() == {version: 100}
    assert version_in(cluster.spec()) == version
    assert CANARY not in cluster.spec()
    assert cluster.documents == {}


def test_a_challenger_that_fails_with_all_traffic_loses_it_before_the_champion_has_started_again():
    with released(champion=Behaviour(start_seconds=15), challenger=Behaviour(fails_at=100)) as (here, cluster):
        found: list[float] = []
        watch = here.watch

        def noting(*given) -> None:
            try:
                watch(*given)
            except ReleaseError:
                found.append(cluster.clock.seconds)
                raise

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("flows.release.watch", noting)
            assert "answers are 5xx" in here.release("challenger")
        last = max(at for at, _, version, _ in cluster.exposed if version == "challenger")
        assert last - found[0] <= 3.0
        assert cluster.clock.seconds - found[0] > 15  # the champion's spec came back later
        assert_alone(cluster, "champion")


def test_a_challenger_whose_pods_die_with_all_traffic_is_replaced_by_the_champion():
    with released(champion=Behaviour(), challenger=Behaviour(fails_at=100)) as (here, cluster):
        watch = here.watch

        def dying(release, percent, *rest) -> None:
            if percent == 100:
                here.behaviours["challenger"] = cluster.pods.behaviours["challenger"] = Behaviour(loads=False)
            watch(release, percent, *rest)
            if percent == 100:
                raise ReleaseError("metrics do not answer")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("flows.release.watch", dying)
            assert "metrics do not answer" in here.release("challenger")
        assert_alone(cluster, "champion")


def test_a_champion_whose_pods_have_died_can_be_replaced_and_the_release_says_so():
    with released(champion=Behaviour(), challenger=Behaviour(), bad=Behaviour(right=False)) as (here, cluster):
        cluster.pods.behaviours["champion"] = Behaviour(loads=False)
        cluster.settle(60)
        assert "smoke test" in here.release("bad")
        assert json.loads(cluster.documents.get(RECORD, "null")) is None
        assert untested(here, cluster) == set()
        assert here.release("challenger") == "released"
        assert_alone(cluster, "challenger")


def test_the_version_that_is_broken_is_not_released_again_with_the_same_spec():
    with released(champion=Behaviour()) as (here, cluster):
        cluster.pods.behaviours["champion"] = Behaviour(loads=False)
        cluster.settle(60)
        assert "has this image, bundle and settings already, and does not work" in here.release("champion")
        assert cluster.documents == {}


def bundle(version: str) -> list[dict[str, str]]:
    return [{"name": "STORAGE_URI", "value": f"s3://lake/models/{PORTFOLIO}/{version}/"}]


def edited(cluster: Cluster, version: str) -> dict[str, object]:
    [container] = cluster.spec()["containers"]
    return {"containers": [container | {"env": bundle(version)}]}


def test_a_bad_hand_edit_is_replaced_and_the_running_revision_serves_meanwhile():
    with released(champion=Behaviour(), typo=Behaviour(loads=False), challenger=Behaviour()) as (here, cluster):
        cluster.edit(edited(cluster, "typo"))
        cluster.settle(60)
        assert cluster.serving() == {"champion": 100}
        assert here.release("challenger") == "released"
        assert {version for _, _, version, _ in cluster.exposed} == {"champion", "challenger"}
        assert_alone(cluster, "challenger")


def test_a_failed_release_over_a_bad_hand_edit_leaves_the_running_revision_and_blocks_nothing():
    behaviours = {"typo": Behaviour(loads=False), "wrong": Behaviour(right=False), "good": Behaviour()}
    with released(champion=Behaviour(), **behaviours) as (here, cluster):
        cluster.edit(edited(cluster, "typo"))
        cluster.settle(60)
        assert "smoke test" in here.release("wrong")
        cluster.settle(30)
        assert (cluster.serving(), cluster.documents) == ({"champion": 100}, {})
        assert here.release("good") == "released"
        assert untested(here, cluster) == set()
        assert_alone(cluster, "good")


def test_what_knative_refuses_is_named_at_once():
    with released(champion=Behaviour(), challenger=Behaviour()) as (here, cluster):
        cluster.disable_features()
        began = cluster.clock.seconds
        done = here.release("challenger")
        assert "PredictorReady is False, ReconcileFailed" in done
        assert "denied the request" in done
        assert cluster.clock.seconds - began < 30
        assert cluster.serving() == {"champion": 100}


def test_a_service_that_is_being_deleted_is_waited_for_to_be_gone():
    with released(champion=Behaviour()) as (here, cluster):
        cluster.delete()
        cluster.away("kserve", 8.0)
        assert cluster.service()["metadata"]["deletionTimestamp"]
        assert here.release("champion") == "released"
        assert_alone(cluster, "champion")


@pytest.mark.parametrize("number", range(0, 36, 9))
def test_a_first_release_that_is_killed_is_undone_or_ends_and_never_serves_untested(number):
    behaviours = {"first": Behaviour()}
    cluster = Cluster(behaviours, DELAYS, (Fault(number, "killed after"),))
    with world(cluster, behaviours) as here:
        assert here.release("first") == "killed"
        live = cluster.serving() == {"first": 100}
        settled = here.settle()
        cluster.settle(60)
        assert untested(here, cluster) == set()
        assert cluster.documents == {}
        assert cluster.serving() == ({"first": 100} if "already finished" in settled or live else {})
        assert here.release("first") in ("released", "unchanged")
        assert_alone(cluster, "first")


def test_a_first_release_of_a_wrong_model_never_has_a_client():
    behaviours = {"wrong": Behaviour(right=False)}
    cluster = Cluster(behaviours, DELAYS)
    with world(cluster, behaviours) as here:
        assert "smoke test" in here.release("wrong")
        cluster.settle(30)
        assert (cluster.exposed, cluster.spec(), cluster.documents) == ([], {}, {})


class InTheMiddle:
    """Somebody else's edit between two steps of a release."""

    def __init__(self, here: World, cluster: Cluster, patch: dict[str, object], percent: int = 10) -> None:
        self.here, self.cluster, self.patch, self.percent = here, cluster, patch, percent
        self.watch = here.watch

    def __call__(self, release, percent, *rest) -> None:
        if percent == self.percent:
            self.cluster.edit(self.patch)
        self.watch(release, percent, *rest)

    def release(self, version: str) -> str:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("flows.release.watch", self)
            return self.here.release(version)


def disturbed(here: World, cluster: Cluster) -> str:
    """Release the challenger while somebody else sets another model."""
    return InTheMiddle(here, cluster, edited(cluster, "foreign")).release("challenger")


THREE = {"champion": Behaviour(), "challenger": Behaviour(), "foreign": Behaviour()}


def test_a_foreign_edit_is_kept_shown_and_blocks_until_somebody_decides():
    with released(**THREE) as (here, cluster):
        done = disturbed(here, cluster)
        assert "changed by another writer" in done
        assert "'take over'" in done
        assert "'give up'" in done
        assert f"models/{PORTFOLIO}/foreign/" in done
        assert version_in(cluster.spec()) == "foreign"
        assert "changed by another writer" in here.release("challenger")
        assert RECORD in cluster.documents


def test_take_over_restores_the_champion_and_releases():
    with released(**THREE) as (here, cluster):
        disturbed(here, cluster)
        assert here.release("challenger", foreign_change="take over") == "released"
        assert_alone(cluster, "challenger")


def test_give_up_keeps_the_edit_and_forgets_the_release():
    with released(**THREE) as (here, cluster):
        disturbed(here, cluster)
        spec = cluster.spec()
        assert here.give_up().startswith("forgotten")
        assert (cluster.spec(), cluster.documents) == (spec, {})


def test_a_share_that_somebody_else_sets_ends_the_release():
    with released(**THREE) as (here, cluster):
        done = InTheMiddle(here, cluster, {CANARY: 3}).release("challenger")
        assert "changed by another writer" in done
        assert_alone(cluster, "champion")  # the spec was still the release's own, so undoing it was safe


def test_a_share_that_somebody_else_sets_while_a_revision_starts_ends_the_release_at_once():
    """It waited for its own 0 % until the time was up: seen on the sandbox with loops of 1.5 s."""
    with released(**THREE) as (here, cluster):
        change = rollout._change_spec

        def and_an_edit(*given) -> None:
            change(*given)
            cluster.edit({CANARY: 7})

        began = cluster.clock.seconds
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(rollout, "_change_spec", and_an_edit)
            assert "changed by another writer" in here.release("challenger")
        assert cluster.clock.seconds - began < 30
        assert_alone(cluster, "champion")


def test_a_canary_without_a_record_is_no_finished_release():
    with released(**THREE) as (here, cluster):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("flows.release.watch", lambda *_: cluster.die())
            assert here.release("challenger") == "killed"
        assert cluster.spec()[CANARY] == 10
        cluster.documents.clear()  # somebody deletes the record
        assert "splits its traffic" in here.release("challenger")
        assert here.release("challenger", foreign_change="take over") == "released"
        assert_alone(cluster, "challenger")


def test_a_long_portfolio_name_is_refused_before_anything_changes():
    assert service_name("p" * 33) == f"credit-model-{'p' * 33}"
    with pytest.raises(ReleaseError, match="34 characters and an endpoint's at most 33"):
        service_name("p" * 34)


def test_a_rollback_skips_a_model_whose_bundle_is_gone(monkeypatch):
    behaviours = {"a": Behaviour(), "b": Behaviour(), "c": Behaviour()}
    cluster = Cluster(behaviours, DELAYS)
    with world(cluster, behaviours) as here:
        models = [here.model(v).model_copy(update={"released_at": f"2026-01-0{n}"}) for n, v in enumerate("abc", 1)]
        monkeypatch.setattr("tasks.release.rollback.s3.list_keys", lambda uri: [] if "/b/" in uri else [uri])
        monkeypatch.setattr("tasks.release.rollback.get_run_logger", undo.get_run_logger)
        assert choose(models, models[2]).version == "a"


assert service_name(PORTFOLIO) == SERVICE


def test_a_deleted_endpoint_blocks_nothing():
    with released(champion=Behaviour(), challenger=Behaviour()) as (here, cluster):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("flows.release.watch", lambda *_: cluster.delete())
            assert "failed" in here.release("challenger")
        cluster.settle(30)
        assert here.release("challenger") == "released"
        assert_alone(cluster, "challenger")


def test_features_that_were_off_before_a_release_block_nothing_afterwards():
    with released(champion=Behaviour(), challenger=Behaviour()) as (here, cluster):
        cluster.disable_features()
        cluster.settle(30)
        began = cluster.clock.seconds
        assert "denied the request" in here.release("challenger")
        assert cluster.clock.seconds - began < 200
        assert (cluster.serving(), cluster.documents) == ({"champion": 100}, {})
        assert version_in(cluster.spec()) == "champion"


def test_an_extra_key_of_the_champion_does_not_stay():
    with released(champion=Behaviour(), challenger=Behaviour()) as (here, cluster):
        cluster.edit({"nodeSelector": {"disk": "ssd"}})
        cluster.settle(60)
        assert here.release("challenger") == "released"
        assert "disk" not in cluster.spec()["nodeSelector"]
        assert_alone(cluster, "challenger")


def test_a_failed_release_that_is_killed_in_its_undoing_is_undone_by_the_next_run():
    with released(champion=Behaviour(), challenger=Behaviour()) as (here, cluster):

        def failing(rollout):
            finish(rollout)
            cluster.documents[RECORD] = json.dumps({**rollout.model_dump(mode="json"), "passed": True})
            cluster.faults = {cluster.requests + 3: "killed after"}
            raise ReleaseError("the registry does not answer")

        with pytest.MonkeyPatch.context() as patch:
            finish = flows.release.finish
            patch.setattr("flows.release.finish", failing)
            assert here.release("challenger") == "killed"
        cluster.faults = {}
        assert here.settle().startswith("undone")
        assert here.recorded == []
        assert_alone(cluster, "champion")


def test_a_release_that_had_ended_is_recorded_by_the_run_that_settles_it():
    with released(champion=Behaviour(), challenger=Behaviour()) as (here, cluster):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("tasks.release.record.forget", lambda _: cluster.die())
            assert here.release("challenger") == "killed"
        assert here.settle().startswith("already finished")
        assert here.recorded == ["challenger"]
        assert_alone(cluster, "challenger")


def test_a_run_that_counted_as_ended_leaves_what_another_run_has_released():
    with released(champion=Behaviour(), challenger=Behaviour()) as (here, cluster):
        done: list[str] = []
        watch = here.watch

        def overtaken(*given) -> None:
            if not done:
                here.live.discard(here.run)  # somebody sets its state to Crashed
                done.append("")
                done[0] = here.release("challenger")
            watch(*given)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("flows.release.watch", overtaken)
            late = here.release("challenger")
        assert done == ["released"]
        assert "another run has settled it" in late
        assert_alone(cluster, "challenger")


def test_two_runs_do_not_settle_one_release():
    with released(champion=Behaviour(), challenger=Behaviour()) as (here, cluster):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("flows.release.watch", lambda *_: cluster.die())
            assert here.release("challenger") == "killed"
        second: list[str] = []

        def overtaken(name: str, *given, **options):
            if not second:
                second.append("")
                second[0] = here.release("challenger")
            return wait(name, *given, **options)

        with pytest.MonkeyPatch.context() as patch:
            wait = undo.wait
            patch.setattr(undo, "wait", overtaken)
            assert here.settle().startswith("undone")
        assert "or settling that release" in second[0]
        assert_alone(cluster, "champion")


def test_the_champion_is_given_traffic_only_if_its_server_says_that_it_is_the_champion():
    with released(champion=Behaviour(), challenger=Behaviour(fails_at=10)) as (here, cluster):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(undo, "version_at", lambda _: "challenger")
            assert "the champion's spec ready not reached" in here.release("challenger")
        cluster.settle(30)
        assert cluster.serving() == {"champion": 100}
        assert cluster.spec()[CANARY] == 0
