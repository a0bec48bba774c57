"""Entry point of the train image: `python -m images.train [train]`."""

import sys

USAGE = """usage: python -m images.train [train]
Trains on the data under SAGEMAKER_BASE_DIR (default /opt/ml) and writes a model bundle to model/ there."""

if {"-h", "--help"} & set(sys.argv[1:]):
    print(USAGE)
    sys.exit(0)

from images.train.job import main  # noqa: E402 - help must not wait for LightGBM

sys.exit(main())
