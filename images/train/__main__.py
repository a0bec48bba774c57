"""Entry point of the train image: `python -m images.train [train]`."""

import sys

from images.train.job import main

sys.exit(main())
