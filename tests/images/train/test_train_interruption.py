"""Interrupted training jobs: they end at once, leave no failure, and go on to the bundle of an undisturbed run."""

import json
import shutil
import signal
import time

import pytest

pytestmark = pytest.mark.integration

CUTS = [
    ("checking", 0.0),  # before the first stage
    ("checking", 0.4),
    ("fold-1.checkpoint", 0.0),
    ("final.checkpoint", 0.0),
    ("final.checkpoint", 0.2),  # while it measures
]


def cut(job, moment, delay, number):
    """Send a signal once the log has the words or the folder the file, and a little later."""
    if moment.endswith(".checkpoint"):
        while not (job.base / "checkpoints" / moment).exists() and job.process.poll() is None:
            time.sleep(0.002)
    else:
        job.wait_for(moment)
    time.sleep(delay)
    job.send(number)
    started = time.monotonic()
    code = job.wait(20)
    assert time.monotonic() - started < 5
    return code


def restarted(job, new_job):
    """The same job on a fresh instance, with the checkpoints that SageMaker brings."""
    again = new_job("again")
    if (job.base / "checkpoints").exists():
        shutil.copytree(job.base / "checkpoints", again.base / "checkpoints")
    return again.start()


@pytest.mark.parametrize(("moment", "delay"), CUTS)
def test_sigterm_ends_it_without_a_failure_and_it_goes_on(new_job, undisturbed, moment, delay):
    job = new_job().start()
    assert cut(job, moment, delay, signal.SIGTERM) == 143
    assert job.failure is None
    assert "interrupted by SIGTERM" in job.log
    assert not job.files()
    kept = {path.name for path in (job.base / "checkpoints").glob("*.checkpoint")}
    again = restarted(job, new_job)
    assert again.wait() == 0, again.log
    assert again.files() == undisturbed
    assert {line.split()[1].rstrip(":") for line in again.log.splitlines() if "taken up" in line} == kept


@pytest.mark.parametrize("delay", [0.0, 0.2])
def test_on_several_cores_no_thread_of_a_library_takes_the_signal(new_job, delay):
    """Libraries start a thread for each core when they are imported, and the kernel may choose any of them."""
    job = new_job(pinned=False).start()
    assert cut(job, "checking", delay, signal.SIGTERM) == 143
    assert "interrupted by SIGTERM" in job.log


def test_sigterm_while_it_imports_ends_it_too(new_job):
    job = new_job(pinned=False).start()
    time.sleep(0.4)
    job.send(signal.SIGTERM)
    assert job.wait(20) == 143
    assert job.failure is None


def test_a_used_model_folder_is_refused_before_the_training(new_job):
    job = new_job()
    (job.base / "model").mkdir(parents=True)
    (job.base / "model" / "old.txt").write_text("of another run")
    assert job.start().wait() == 1
    assert job.failure == f"{job.base}/model holds old.txt before the training; start with an empty folder"
    assert "rows to train" not in job.log


def test_a_failure_that_cannot_be_written_is_printed(new_job):
    job = new_job(parameters={"folds": "none"})
    job.base.mkdir()
    (job.base / "output").write_text("a file where the folder should be")
    assert job.start().wait() == 1
    assert "output/failure cannot be written" in job.log
    assert "folds" in job.log
    assert "Traceback" not in job.log


@pytest.mark.parametrize(("moment", "delay"), CUTS[2:4])
def test_sigkill_costs_no_more(new_job, undisturbed, moment, delay):
    job = new_job().start()
    assert cut(job, moment, delay, signal.SIGKILL) == -signal.SIGKILL
    again = restarted(job, new_job)
    assert again.wait() == 0, again.log
    assert again.files() == undisturbed


def test_checkpoints_of_other_settings_or_data_and_damaged_ones_are_passed_over(new_job, undisturbed):
    job = new_job().start()
    assert job.wait() == 0
    folder = job.base / "checkpoints"
    (folder / "fold-0.checkpoint").write_bytes((folder / "fold-0.checkpoint").read_bytes()[:-40])
    (folder / "fold-1.checkpoint").write_bytes(b"\x00nothing of ours")
    other = new_job("other", parameters=job.parameters | {"num_leaves": "5"})
    shutil.copytree(folder, other.base / "checkpoints")
    assert other.start().wait() == 0, other.log
    assert "fold-0.checkpoint: damaged" in other.log
    assert "fold-2.checkpoint: of other data, settings or versions" in other.log
    assert "taken up" not in other.log
    assert json.loads(other.files()["bundle.json"])["settings"]["num_leaves"] == 5
    again = restarted(job, new_job)
    assert again.wait() == 0
    assert again.log.count("taken up") == 2
    assert again.files() == undisturbed


def test_a_real_failure_is_still_one(new_job):
    job = new_job(parameters={"folds": "many"}).start()
    assert job.wait() == 1
    assert "'folds'" in job.failure
