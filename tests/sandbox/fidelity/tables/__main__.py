"""Command line: print the score of the probes about tables, and every answer that is not right."""

import os
import tempfile
from pathlib import Path

from tests.sandbox.fidelity.suites.world import sandbox
from tests.sandbox.fidelity.tables.run import main

with tempfile.TemporaryDirectory() as state, sandbox(Path(state)) as variables:
    os.environ |= variables
    main(variables["AWS_ENDPOINT_URL"])
