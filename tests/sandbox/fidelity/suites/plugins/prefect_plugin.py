"""A pytest plugin for prefect-aws' suite: its own mocks, and the sandbox behind whatever they let through."""

import os

# The suite starts a server of its own, which takes longer on a busy machine than Prefect waits.
os.environ["PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"] = "180"
pytest_plugins = ("time_limit", "quick_clients")
