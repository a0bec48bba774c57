"""Channels that the tests of the train image share, and what an undisturbed job makes of them."""

import pytest

from tests.images.train.jobs import TrainJob, write_channels


@pytest.fixture(scope="session")
def channels(tmp_path_factory):
    return write_channels(tmp_path_factory.mktemp("channels") / "data")


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory, channels):
    """Files of the bundle of a job that ran in one go."""
    job = TrainJob(tmp_path_factory.mktemp("undisturbed") / "ml", channels).start()
    try:
        assert job.wait() == 0, job.log
        return job.files()
    finally:
        job.end()


@pytest.fixture
def new_job(tmp_path, channels):
    """Makes jobs that are gone when the test is."""
    made = []

    def make(name="ml", **options):
        made.append(TrainJob(tmp_path / name, channels, **options))
        return made[-1]

    yield make
    for job in made:
        job.end()
