"""SIGTERM while an image's first process starts: a first process without a handler ignores it."""

import pytest

from tests.images.first_process import ends_of_sigterm, start

pytestmark = pytest.mark.integration
# Seconds; the imports of both take longer.
EARLY = (0.25, 0.4)


@pytest.mark.parametrize("after", EARLY)
def test_a_server_that_starts_ends_at_once(after, tmp_path):
    assert ends_of_sigterm(*start("images.serve", "--model_dir", str(tmp_path)), after) in (143, 1)


@pytest.mark.parametrize("after", EARLY)
def test_a_worker_that_starts_ends_at_once(after):
    assert ends_of_sigterm(*start("images.worker", "sleep", "60"), after) == 143
