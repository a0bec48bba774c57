"""A pytest plugin for awswrangler's suites: the sandbox's own resources in place of their CloudFormation outputs."""

import json
import os
import sys

import boto3

pytest_plugins = ("time_limit", "quick_clients")


def pytest_configure() -> None:
    """Make boto3's default session, as the suite's own look at its stacks would."""
    boto3.setup_default_session()


def pytest_collection_finish() -> None:
    """Replace the function that reads the stacks, wherever a loaded conftest has imported it."""
    for module in list(sys.modules.values()):
        if hasattr(module, "extract_cloudformation_outputs"):
            setattr(module, "extract_cloudformation_outputs", _outputs)  # noqa: B010 - mypy knows no such attribute


def _outputs() -> dict[str, str]:
    found: dict[str, str] = json.loads(os.environ["SUITE_OUTPUTS"])
    return found
