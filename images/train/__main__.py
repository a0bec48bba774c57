"""Entry point of the train image: `python -m images.train [train]`."""

import os
import sys
from pathlib import Path

from images.train import interruption
from images.train.user import become_own_user

USAGE = """usage: python -m images.train [train]
Trains on the data under SAGEMAKER_BASE_DIR (default /opt/ml) and writes a model bundle to model/ there."""

if {"-h", "--help"} & set(sys.argv[1:]):
    print(USAGE)
    sys.exit(0)

interruption.watch()
base = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
become_own_user(base)

from images.train.job import main  # noqa: E402 - help and SIGTERM must not wait for LightGBM

sys.exit(main(base))
