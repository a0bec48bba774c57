"""Entry point of the command line: `python -m credit_model`."""

from __future__ import annotations

import sys

from credit_model.cli.main import process

if __name__ == "__main__":
    sys.exit(process())
