"""A pytest plugin for prefect-aws' suite: its own mocks, and the sandbox behind whatever they let through."""

pytest_plugins = ("time_limit", "quick_clients")
