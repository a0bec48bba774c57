"""NumPy array types of the library's signatures."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
# The same type to a checker; it says that an array has two dimensions, (rows, features).
Matrix = Floats
Outcomes = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]
