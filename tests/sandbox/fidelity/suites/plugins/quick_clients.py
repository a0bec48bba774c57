"""A pytest plugin that shares botocore's models among sessions: suites make hundreds, and each would read all files."""

from functools import lru_cache

import botocore.session
from botocore.loaders import create_loader

setattr(botocore.session, "create_loader", lru_cache(maxsize=None)(create_loader))  # noqa: B010 - hidden from mypy
