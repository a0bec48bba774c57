"""Prediction with a LightGBM text model through LightGBM's C library alone.

The Python package imports scikit-learn and pandas, which a server would load at every start and never use. Its
`Booster.predict` also takes three times as long for one row as the library itself.
"""

from __future__ import annotations

import ctypes
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from credit_model.errors import BundleError
from credit_model.parallel import BLOCK_ROWS, in_order
from credit_model.trees.quickscorer import Trees, UnsupportedModelError
from credit_model.types import Floats, Matrix

_FLOAT64 = 1
_RAW_SCORE = 1
_CONTRIBUTIONS = 3
# Always one thread a call: LightGBM keeps the number of threads for the whole process and sizes its buffers by it, so
# two calls at a time with different numbers would write into each other's memory. We start the threads instead.
_CONFIG = b"verbosity=-1 num_threads=1"
# With more rows than about this, evaluating them all at once costs less than LightGBM's walk from node to node.
_MANY_ROWS = 64
_PROBE_ROWS = 4096


@cache
def _library() -> ctypes.CDLL:
    spec = find_spec("lightgbm")
    folders = list(spec.submodule_search_locations or []) if spec else []
    candidates = [Path(folder) / part / "lib_lightgbm.so" for folder in folders for part in ("lib", "bin", ".")]
    found = next((path for path in candidates if path.is_file()), None)
    if found is None:
        raise BundleError("LightGBM's C library is not installed; install the 'model' dependency group")
    library = ctypes.CDLL(str(found))
    library.LGBM_GetLastError.restype = ctypes.c_char_p
    # With declared types a call takes Python's own bytes and numbers, at half the cost of wrapping each one.
    one = library.LGBM_BoosterPredictForMatSingleRowFast
    one.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p)
    return library


def _call(function: str, *arguments: object) -> None:
    if getattr(_library(), function)(*arguments) != 0:
        raise BundleError(_refusal())


def _refusal() -> str:
    message = _library().LGBM_GetLastError().decode("utf-8", "replace")
    return f"model.txt: LightGBM refused it ({message}); rebuild the bundle"


class Booster:
    """A loaded model. Thread-safe: LightGBM locks what calls share, and each call owns its output."""

    def __init__(self, model_text: str) -> None:
        """Load a model.

        Args:
            model_text: LightGBM's text format.

        Raises:
            BundleError: Not a LightGBM model.
        """
        self._text = model_text
        self._handle = ctypes.c_void_p()
        self._fast = ctypes.c_void_p()
        _check_text(model_text)
        rounds = ctypes.c_int()
        source = ctypes.c_char_p(model_text.encode("utf-8"))
        _call("LGBM_BoosterLoadModelFromString", source, ctypes.byref(rounds), ctypes.byref(self._handle))
        width = ctypes.c_int()
        _call("LGBM_BoosterGetNumFeature", self._handle, ctypes.byref(width))
        self.width = width.value
        self.rounds = rounds.value
        self._prepare_one()

    def __del__(self) -> None:
        for handle, free in ((self._fast, "LGBM_FastConfigFree"), (self._handle, "LGBM_BoosterFree")):
            if handle.value:
                _call(free, handle)

    def _prepare_one(self) -> None:
        width, config = ctypes.c_int32(self.width), ctypes.c_char_p(_CONFIG)
        _call(
            "LGBM_BoosterPredictForMatSingleRowFastInit",
            *(self._handle, ctypes.c_int(_RAW_SCORE), ctypes.c_int(0), ctypes.c_int(-1), ctypes.c_int(_FLOAT64)),
            *(width, config, ctypes.byref(self._fast)),
        )
        self._one = _library().LGBM_BoosterPredictForMatSingleRowFast

    def margin(self, row: bytes) -> float:
        """Return the raw margin (log-odds before calibration) of one row.

        Args:
            row: The float64 bytes of its features.

        Raises:
            ValueError: The row has another number of features.
        """
        if len(row) != 8 * self.width:
            raise ValueError(f"{len(row)} bytes are not a row of {self.width} float64")
        out, length = ctypes.c_double(), ctypes.c_int64()
        if self._one(self._fast, row, ctypes.byref(length), ctypes.byref(out)):
            raise BundleError(_refusal())
        return out.value

    def margins(self, matrix: Matrix) -> Floats:
        """Return the raw margins, shape (rows,), of a matrix of shape (rows, features)."""
        return self._predict(matrix, kind=_RAW_SCORE, columns=1).reshape(-1)

    def contributions(self, matrix: Matrix) -> Matrix:
        """Return additive contributions (SHAP values), shape (rows, features + 1); the last is the base margin."""
        return self._predict(matrix, kind=_CONTRIBUTIONS, columns=self.width + 1)

    def _predict(self, matrix: Matrix, *, kind: int, columns: int) -> Matrix:
        rows = matrix.shape[0]
        out = np.zeros((rows, columns), dtype=np.float64)
        starts = range(0, rows, BLOCK_ROWS)
        blocks = [(matrix[start : start + BLOCK_ROWS], out[start : start + BLOCK_ROWS]) for start in starts]
        if len(blocks) == 1:
            self._predict_block(blocks[0], kind)
            return out
        for _ in in_order(lambda block: self._predict_block(block, kind), blocks):
            pass
        return out

    def _predict_block(self, block: tuple[Matrix, Matrix], kind: int) -> None:
        """Write the predictions of the first matrix, in either memory order, into the second."""
        matrix, out = block
        trees = self._trees if kind == _RAW_SCORE and len(matrix) >= _MANY_ROWS else None
        if trees is not None:
            out[:, 0] = trees.margins(matrix)
            return
        self._walk(matrix, out, kind)

    @cached_property
    def _trees(self) -> Trees | None:
        """The fast way for many rows; None unless it gives LightGBM's bits on rows made to find a difference."""
        try:
            trees = Trees(self._text)
        except (UnsupportedModelError, ValueError, LookupError):
            return None
        probe, expected = trees.probe(_PROBE_ROWS, self.width), np.zeros((_PROBE_ROWS, 1))
        self._walk(probe, expected, _RAW_SCORE)
        parts = (slice(None), slice(_MANY_ROWS))  # each of its two ways
        same = all(np.array_equal(trees.margins(probe[part]), expected[part, 0]) for part in parts)
        return trees if same else None

    def _walk(self, matrix: Matrix, out: Matrix, kind: int) -> None:
        by_columns = matrix.flags.f_contiguous and matrix.dtype == np.float64
        data = matrix if by_columns else np.ascontiguousarray(matrix, dtype=np.float64)
        _call(
            "LGBM_BoosterPredictForMat",
            *(self._handle, ctypes.c_void_p(data.ctypes.data), ctypes.c_int(_FLOAT64)),
            *(ctypes.c_int32(len(data)), ctypes.c_int32(self.width), ctypes.c_int(0 if by_columns else 1)),
            *(ctypes.c_int(kind), ctypes.c_int(0), ctypes.c_int(-1), ctypes.c_char_p(_CONFIG)),
            *(ctypes.byref(ctypes.c_int64()), ctypes.c_void_p(out.ctypes.data)),
        )


def _check_text(model_text: str) -> None:
    # LightGBM's parser may end the process on text that is not a model, so such text never reaches it.
    if not model_text.startswith("tree\n") or "\nend of trees\n" not in model_text:
        raise BundleError("model.txt: not a complete LightGBM text model; rebuild the bundle")
