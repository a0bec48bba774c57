"""The bins of a feature, the defaults in each, and the LightGBM tree that represents them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from math import log
from typing import NamedTuple

import numpy as np

from credit_model.trees.lightgbm_text import floats
from credit_model.types import Floats, Integers, Outcomes

# Applicants with the mean default rate added to each bin and level: a bin with few applicants moves little from it.
PRIOR = 20.0
# LightGBM's stand-in for infinity: known values go left of it, missing ones right.
_ANY = 1e300
_NUMERIC_NODE, _LEVEL_NODE = "8", "9"


@dataclass(frozen=True)
class Bins:
    """How the values of a feature fall into bins; bin 0 takes missing values and levels never seen.

    Attributes:
        edges: Numeric: bin i takes edges[i - 2] < value <= edges[i - 1], the last one all above.
        groups: Categorical: the level codes of bins 1, 2 and so on; None for a numeric feature.
    """

    edges: tuple[float, ...] = ()
    groups: tuple[tuple[int, ...], ...] | None = None

    @property
    def count(self) -> int:
        """The number of bins without bin 0."""
        return len(self.edges) + 1 if self.groups is None else len(self.groups)

    def place(self, values: Floats) -> Integers:
        """Return the bin of each value, shape (rows,)."""
        missing = np.isnan(values)
        if self.groups is None:
            found = 1 + np.searchsorted(np.asarray(self.edges), values, side="left")
            return np.where(missing, 0, found).astype(np.int64)
        bin_of = np.zeros(max((max(group) for group in self.groups), default=0) + 2, dtype=np.int64)
        for position, group in enumerate(self.groups):
            bin_of[list(group)] = position + 1
        known = np.where(missing, len(bin_of) - 1, np.minimum(values, len(bin_of) - 1)).astype(np.int64)
        return bin_of[known]


class Tally(NamedTuple):
    """Applicants and defaults in each bin, bin 0 first, shape (bins + 1,)."""

    sizes: Floats
    defaults: Floats

    @classmethod
    def of(cls, bins: Bins, values: Floats, outcomes: Outcomes) -> Tally:
        """Count a feature's values."""
        place = bins.place(values)
        sizes = np.bincount(place, minlength=bins.count + 1)
        defaults = np.bincount(place, weights=outcomes, minlength=bins.count + 1)
        return cls(sizes.astype(np.float64), defaults.astype(np.float64))

    @property
    def woe(self) -> Floats:
        """Weight of evidence, ln(good share / bad share), of each bin; 0 for an empty one, below 0 for bad risks."""
        rate = self.defaults.sum() / self.sizes.sum()
        good = self.sizes - self.defaults + PRIOR * (1 - rate)
        bad = self.defaults + PRIOR * rate
        values: Floats = np.log(good / bad) - log((1 - rate) / rate)
        return values


def constant_tree(value: float, rows: int) -> str:
    """Return the fields of a tree of one leaf."""
    fields = {"num_leaves": "1", "num_cat": "0", "leaf_value": repr(value), "leaf_count": str(rows)}
    return _lines(fields | {"is_linear": "0", "shrinkage": "1"})


def tree_of(feature: int, bins: Bins, sizes: Floats, values: Floats) -> str:
    """Return the fields of a tree whose leaf i is bin i.

    The nodes are a chain, and each splits one bin from those after it. A numeric tree first splits the missing values
    from the known ones and then the bins from low to high; a categorical one ends with missing and new levels.

    Args:
        feature: Position of the feature in the matrix.
        bins: Its bins, at least one besides bin 0.
        sizes: Applicants in each bin, shape (bins + 1,).
        values: Margin of each bin, shape (bins + 1,).
    """
    numeric = bins.groups is None
    # TreeSHAP divides by the share of a leaf, so an empty one counts as one applicant.
    sizes = np.maximum(sizes, 1.0)
    chain = [*range(bins.count + 1)] if numeric else [*range(1, bins.count + 1), 0]
    nodes = bins.count
    parted, onward = [~leaf for leaf in chain[:-1]], [*range(1, nodes), ~chain[-1]]
    left, right = ([onward[0], *parted[1:]], [parted[0], *onward[1:]]) if numeric else (parted, onward)
    return _lines(
        {"num_leaves": str(bins.count + 1), "split_feature": _integers([feature] * nodes)}
        | _split(bins)
        | {"left_child": _integers(left), "right_child": _integers(right)}
        | {"decision_type": " ".join([_NUMERIC_NODE if numeric else _LEVEL_NODE] * nodes)}
        | {"leaf_value": floats(values), "leaf_weight": floats(sizes), "leaf_count": _integers(sizes.astype(int))}
        | _inner(sizes[chain], values[chain])
        | {"is_linear": "0", "shrinkage": "1"}
    )


def read_tree(tree: str) -> tuple[int, Bins, Floats]:
    """Return feature, bins and values of a tree that `tree_of` wrote."""
    fields = dict(line.split("=", 1) for line in tree.splitlines())
    feature = int(fields["split_feature"].split()[0])
    values = np.array([float(value) for value in fields["leaf_value"].split()])
    if fields["num_cat"] == "0":
        return feature, Bins(tuple(float(edge) for edge in fields["threshold"].split()[1:])), values
    words = [int(word) for word in fields["cat_threshold"].split()]
    borders = [int(border) for border in fields["cat_boundaries"].split()]
    groups = tuple(_codes(words[start:end]) for start, end in pairwise(borders))
    return feature, Bins(groups=groups), values


def _split(bins: Bins) -> dict[str, str]:
    if bins.groups is None:
        return {"num_cat": "0", "threshold": floats((_ANY, *bins.edges))}
    # Sets of level codes: 32 codes to a word, the words of all nodes in one list.
    sets = [_words(group) for group in bins.groups]
    return {
        "num_cat": str(len(sets)),
        "threshold": _integers(range(len(sets))),
        "cat_boundaries": _integers(np.cumsum([0, *(len(words) for words in sets)]).tolist()),
        "cat_threshold": _integers(word for words in sets for word in words),
    }


def _inner(sizes: Floats, values: Floats) -> dict[str, str]:
    """Return counts, means and gains of the nodes, from those of the leaves in chain order.

    A node's gain is the sum of squares it explains; over the nodes they add up to the feature's.
    """
    counts = np.cumsum(sizes[::-1])[::-1]
    means = np.cumsum((sizes * values)[::-1])[::-1] / np.maximum(counts, 1)
    gains = sizes[:-1] * counts[1:] / np.maximum(counts[:-1], 1) * (values[:-1] - means[1:]) ** 2
    return {
        "split_gain": floats(gains),
        "internal_value": floats(means[:-1]),
        "internal_weight": floats(counts[:-1]),
        "internal_count": _integers(counts[:-1].astype(int)),
    }


def _words(codes: tuple[int, ...]) -> list[int]:
    words = [0] * (max(codes) // 32 + 1)
    for code in codes:
        words[code // 32] |= 1 << (code % 32)
    return words


def _codes(words: list[int]) -> tuple[int, ...]:
    return tuple(32 * i + bit for i, word in enumerate(words) for bit in range(32) if word >> bit & 1)


def _integers(values: Iterable[int]) -> str:
    return " ".join(str(value) for value in values)


def _lines(fields: dict[str, str]) -> str:
    return "\n".join(f"{key}={value}" for key, value in fields.items())
