"""SIGTERM while an image's first process starts: a first process without a handler ignores it."""

import pytest

from tests.images.first_process import await_handler, code_after_sigterm, start

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("words", [("images.serve", "--model_dir", "/tmp"), ("images.worker", "sleep", "60")])
def test_it_handles_the_signal_before_it_loads_anything_that_takes_time(words):
    parent, first = start(*words)
    assert not await_handler(first)
    assert code_after_sigterm(parent, first) == 143
