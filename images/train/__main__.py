"""Entry point of the train image: `python -m images.train [train]`."""

import sys

USAGE = """usage: python -m images.train [train]
Trains on what SageMaker has put under SAGEMAKER_BASE_DIR (/opt/ml) and leaves a model bundle in model/ there."""

if {"-h", "--help"} & set(sys.argv[1:]):
    print(USAGE)
    sys.exit(0)

from images.train.job import main  # noqa: E402 - help should not wait for LightGBM

sys.exit(main())
