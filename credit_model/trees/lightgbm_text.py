"""Reads, rescales and joins models in LightGBM's text format, so that several models are stored as one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from credit_model.errors import TrainingError

_END = "end of trees\n"
_AVERAGED = "average_output"
_TREE = re.compile(r"^Tree=\d+\n", re.MULTILINE)
_VALUES = re.compile(r"^(leaf_value|internal_value)=(.*)$", re.MULTILINE)
_SPLIT = re.compile(r"^split_feature=(.*)$", re.MULTILINE)
_SAME = ("feature_names=", "objective=", "num_tree_per_iteration=")


@dataclass(frozen=True)
class ModelText:
    """A LightGBM text model in parts.

    Attributes:
        header: Lines before the trees, without the sizes of the trees and without `average_output`.
        trees: Fields of each tree as LightGBM writes them.
        parameters: What follows the importances; LightGBM does not need it to predict.
        averages: Whether the margin is the mean of the trees (a random forest) and not their sum.
    """

    header: tuple[str, ...]
    trees: tuple[str, ...]
    parameters: str = ""
    averages: bool = False

    @classmethod
    def parse(cls, text: str) -> ModelText:
        """Parts of a model.

        Raises:
            TrainingError: Not a LightGBM text model, or one with linear leaves or several classes.
        """
        before, found, after = text.partition(_END)
        head, *trees = _TREE.split(before)
        lines = [line for line in head.splitlines() if line and not line.startswith("tree_sizes=")]
        if not found or lines[:1] != ["tree"]:
            raise TrainingError("not a complete LightGBM text model; pass the text of Booster.model_to_string()")
        if "num_tree_per_iteration=1" not in lines or any("is_linear=1" in tree for tree in trees):
            raise TrainingError("models of several classes or with linear leaves cannot be joined; train a binary one")
        return cls(
            header=tuple(line for line in lines if line != _AVERAGED),
            trees=tuple(tree.rstrip("\n") for tree in trees),
            parameters=after[max(after.find("\nparameters:"), 0) :] if "\nparameters:" in after else "",
            averages=_AVERAGED in lines,
        )

    def __str__(self) -> str:
        """The model as LightGBM reads it."""
        blocks = [f"Tree={position}\n{tree}\n\n\n" for position, tree in enumerate(self.trees)]
        # LightGBM cuts the trees out by these sizes, in bytes, to parse them side by side.
        sizes = " ".join(str(len(block.encode())) for block in blocks)
        flag = (_AVERAGED,) if self.averages else ()
        head = "\n".join((*self.header, *flag, f"tree_sizes={sizes}"))
        return f"{head}\n\n{''.join(blocks)}{_END}{self._importances()}{self.parameters}"

    def scaled(self, factor: float) -> tuple[str, ...]:
        """The trees with every value multiplied by a factor."""
        return tuple(_VALUES.sub(lambda line: _scaled_line(line, factor), tree) for tree in self.trees)

    def _importances(self) -> str:
        """Number of splits of each feature, most used first."""
        names = self.header_value("feature_names=").split(" ")
        used = [int(index) for tree in self.trees for line in _SPLIT.findall(tree) for index in line.split()]
        counts = {index: used.count(index) for index in sorted(set(used))}
        ranked = sorted(counts.items(), key=lambda item: -item[1])
        return "\nfeature_importances:\n" + "".join(f"{names[index]}={count}\n" for index, count in ranked)

    def header_value(self, prefix: str) -> str:
        """What follows a prefix such as `objective=` in the header; empty where the line is absent."""
        return next((line.removeprefix(prefix) for line in self.header if line.startswith(prefix)), "")


def averaged(models: Sequence[str]) -> str:
    """One model whose margin is the mean of the margins of several.

    Holds all their trees; margins and contributions equal the means to rounding. Header details that prediction does
    not use (ranges of the features, parameters) are those of the first model.

    Args:
        models: LightGBM text models of the same features in the same order, random forests among them.

    Raises:
        TrainingError: No model, or models of different features or objectives.
    """
    if not models:
        raise TrainingError("there is no model to average; pass at least one")
    parts = [ModelText.parse(text) for text in models]
    first = parts[0]
    for other in parts[1:]:
        differing = next((key for key in _SAME if other.header_value(key) != first.header_value(key)), None)
        if differing:
            raise TrainingError(f"models with different {differing[:-1]} cannot be averaged; train them on one table")
    trees = tuple(tree for part in parts for tree in part.scaled(_share(part) / len(parts)))
    return str(ModelText(first.header, trees, first.parameters))


def summed_forest(text: str) -> str:
    """A random forest (`average_output`) rewritten as a plain sum of trees.

    LightGBM averages the trees of a forest for probabilities only: raw scores and contributions are sums over the
    trees. Rewritten, margins and contributions are those the probabilities come from. A model that is a plain sum
    already stays as it is.

    Raises:
        TrainingError: Not a LightGBM text model.
    """
    part = ModelText.parse(text)
    trees = part.scaled(_share(part)) if part.averages else part.trees
    return str(ModelText(part.header, trees, part.parameters))


def floats(values: Iterable[float]) -> str:
    """Numbers separated by blanks, as short as they can be and still read back equal."""
    return " ".join(repr(float(value)) for value in values)


def _share(part: ModelText) -> float:
    return 1.0 / len(part.trees) if part.averages else 1.0


def _scaled_line(line: re.Match[str], factor: float) -> str:
    return f"{line[1]}={floats(float(value) * factor for value in line[2].split())}"
