"""A pytest plugin for prefect-aws' suite: its own mocks, and the sandbox behind whatever they let through."""

from functools import partial

from prefect.testing import utilities

pytest_plugins = ("time_limit", "quick_clients")
# The suite starts a server of its own, which takes longer on a busy machine than the 30 seconds that Prefect waits.
setattr(  # noqa: B010 - mypy lets no function be replaced
    utilities, "prefect_test_harness", partial(utilities.prefect_test_harness, server_startup_timeout=180)
)
