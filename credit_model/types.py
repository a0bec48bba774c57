"""NumPy array types that the library's signatures share."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]
Outcomes = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]
