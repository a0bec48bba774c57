"""Two hosts on loopback: one model between them, and an end for both when one of them ends."""

import shutil
import signal

import numpy as np
import pyarrow.parquet as pq
import pytest

from credit_model.bundle.bundle import Bundle
from credit_model.scoring.scorer import Scorer
from images.train.cluster import Cluster, ClusterError, Team
from tests.images.train.jobs import QUICK, TrainJob, free_ports, team, write_channels

pytestmark = pytest.mark.integration

# Both see the same rows, bins and seeds. What is left: LightGBM's data-parallel learner knows how many rows a leaf has
# only by their hessians, so limits such as `min_data_in_leaf` fall a little differently, and with bagging each host
# draws from its own rows. Few and small trees, because every split is a round trip between the hosts.
PARAMETERS = QUICK | {"folds": "2", "num_leaves": "4", "max_rounds": "15", "learning_rate": "0.2"}


@pytest.fixture
def hosts(tmp_path, channels):
    made = []

    def make(count=2, **options):
        made.extend(team(tmp_path, options.pop("channels", channels), count, **options))
        return made

    yield make
    for job in made:
        job.end()


def pds(bundle, table):
    return Scorer(bundle).score_table(table).column("pd").to_numpy()


@pytest.mark.parametrize(("bagging", "auc", "loss"), [("1", 0.01, 0.02), ("0.8", 0.03, 0.05)])
def test_two_hosts_make_the_model_of_one(hosts, tmp_path, bagging, auc, loss):
    channels = write_channels(tmp_path / "data", rows=12_000)
    parameters = PARAMETERS | {"bagging_fraction": bagging}
    alone = TrainJob(tmp_path / "alone", channels, parameters).start()
    assert alone.wait() == 0, alone.log
    first, second = (job.start() for job in hosts(channels=channels, parameters=parameters))
    assert (first.wait(), second.wait()) == (0, 0), first.log + second.log
    assert not second.files()
    one, both = (Bundle.load(job.base / "model") for job in (alone, first))
    assert f"model version {both.version}" in second.log
    assert "[tree_learner: data]" in both.model_text
    table = pq.read_table(channels / "holdout")
    for part in ("cross_validation", "holdout"):
        assert both.metrics[part]["roc_auc"] == pytest.approx(one.metrics[part]["roc_auc"], abs=auc)
        assert both.metrics[part]["log_loss"] == pytest.approx(one.metrics[part]["log_loss"], rel=loss)
    difference = np.abs(pds(one, table) - pds(both, table)).mean()
    if bagging == "0.8":
        reseeded = TrainJob(tmp_path / "reseeded", channels, parameters | {"seed": "7"}).start()
        assert reseeded.wait() == 0, reseeded.log
        other = Bundle.load(reseeded.base / "model")
        assert difference < 1.5 * np.abs(pds(one, table) - pds(other, table)).mean()
    else:
        assert difference < 0.2 * pds(one, table).mean()
        # Every tree of every host saw all rows: the root counts them.
        assert f"internal_count={one.document.training.rows} " in both.model_text


@pytest.mark.parametrize(("victim", "words"), [(0, "host algo-1 is gone"), (1, "host algo-2 is gone")])
def test_a_dead_host_does_not_leave_the_other_hanging(hosts, victim, words):
    jobs = [job.start() for job in hosts(parameters=PARAMETERS | {"max_rounds": "5000", "learning_rate": "0.001"})]
    jobs[victim].wait_for("dividing the work")
    jobs[0].wait_for("defaults")
    jobs[victim].send(signal.SIGKILL)
    survivor = jobs[1 - victim]
    assert survivor.wait(15) == 1
    assert words in survivor.failure


def test_an_interrupted_host_interrupts_the_other_and_both_go_on(hosts, tmp_path):
    jobs = [job.start() for job in hosts(parameters=PARAMETERS)]
    while not (jobs[0].base / "checkpoints" / "fold-0.checkpoint").exists():
        assert jobs[0].process.poll() is None, jobs[0].log
    jobs[1].send(signal.SIGTERM)
    assert [job.wait(15) for job in jobs] == [143, 143]
    assert [job.failure for job in jobs] == [None, None]
    assert not (jobs[1].base / "checkpoints").exists()
    undisturbed = [job.start() for job in team(tmp_path / "undisturbed", jobs[0].channels, 2, parameters=PARAMETERS)]
    again = team(tmp_path / "again", jobs[0].channels, 2, parameters=PARAMETERS)
    shutil.copytree(jobs[0].base / "checkpoints", again[0].base / "checkpoints")
    try:
        assert [job.wait() for job in undisturbed] == [0, 0]
        assert [job.start() and job for job in again] == again
        assert [job.wait() for job in again] == [0, 0], again[0].log
        assert again[0].files() == undisturbed[0].files()
        assert "fold-0.checkpoint: taken up" in again[0].log
    finally:
        for job in (*undisturbed, *again):
            job.end()


def test_rows_sharded_by_key_are_refused(hosts):
    job = hosts(distribution="ShardedByS3Key")[0].start()
    assert job.wait() == 1
    assert "'train' is ShardedByS3Key" in job.failure


def test_hosts_with_other_rows_are_told_apart(hosts, tmp_path):
    first, second = hosts()
    second.channels = write_channels(tmp_path / "other", seed=6)
    first.start(), second.start()
    assert (first.wait(), second.wait()) == (1, 1)
    assert "different rows from the first" in second.failure + first.failure


def test_a_host_that_never_comes_is_named():
    places = {name: ("127.0.0.1", free_ports()) for name in ("algo-1", "algo-2")}
    for current, words in (("algo-1", "algo-2 did not connect"), ("algo-2", "algo-1 at 127.0.0.1")):
        cluster = Cluster(("algo-1", "algo-2"), current, places)
        with pytest.raises(ClusterError, match=words):
            Team(cluster, lambda *_: None).gather(0.3)
