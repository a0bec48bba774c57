"""Models in LightGBM's text format: taken apart, rescaled and written again."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from credit_model.errors import TrainingError

_END = "end of trees\n"
_AVERAGED = "average_output"
_TREE = re.compile(r"^Tree=\d+\n", re.MULTILINE)
_VALUES = re.compile(r"^(leaf_value|internal_value)=(.*)$", re.MULTILINE)
_SPLIT = re.compile(r"^split_feature=(.*)$", re.MULTILINE)


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
        """Return the parts of a model.

        Raises:
            TrainingError: Not a LightGBM text model, or one with linear leaves or several classes.
        """
        before, found, after = text.partition(_END)
        head, *trees = _TREE.split(before)
        lines = [line for line in head.splitlines() if line and not line.startswith("tree_sizes=")]
        if not found or lines[:1] != ["tree"]:
            raise TrainingError("not a complete LightGBM text model; pass the text of Booster.model_to_string()")
        if "num_tree_per_iteration=1" not in lines or any("is_linear=1" in tree for tree in trees):
            raise TrainingError(
                "models of several classes or with linear leaves cannot be rewritten; train a binary one"
            )
        return cls(
            header=tuple(line for line in lines if line != _AVERAGED),
            trees=tuple(tree.rstrip("\n") for tree in trees),
            parameters=after[max(after.find("\nparameters:"), 0) :] if "\nparameters:" in after else "",
            averages=_AVERAGED in lines,
        )

    def __str__(self) -> str:
        """Return the model as LightGBM reads it."""
        blocks = [f"Tree={position}\n{tree}\n\n\n" for position, tree in enumerate(self.trees)]
        # LightGBM cuts the trees out by these sizes, in bytes, to parse them side by side.
        sizes = " ".join(str(len(block.encode())) for block in blocks)
        flag = (_AVERAGED,) if self.averages else ()
        head = "\n".join((*self.header, *flag, f"tree_sizes={sizes}"))
        return f"{head}\n\n{''.join(blocks)}{_END}{self._importances()}{self.parameters}"

    def scaled(self, factor: float) -> tuple[str, ...]:
        """Return the trees with every value multiplied by a factor."""
        return tuple(_VALUES.sub(lambda line: _scaled_line(line, factor), tree) for tree in self.trees)

    def _importances(self) -> str:
        """Return the number of splits of each feature, the most used first."""
        names = self.header_value("feature_names=").split(" ")
        used = [int(index) for tree in self.trees for line in _SPLIT.findall(tree) for index in line.split()]
        counts = {index: used.count(index) for index in sorted(set(used))}
        ranked = sorted(counts.items(), key=lambda item: -item[1])
        return "\nfeature_importances:\n" + "".join(f"{names[index]}={count}\n" for index, count in ranked)

    def header_value(self, prefix: str) -> str:
        """Return what follows a prefix such as `objective=` in the header; empty where there is no such line."""
        return next((line.removeprefix(prefix) for line in self.header if line.startswith(prefix)), "")


def summed_forest(text: str) -> str:
    """Return a random forest (`average_output`) as a plain sum of trees.

    LightGBM averages the trees of a forest for probabilities only: raw scores and contributions are sums over the
    trees. The rewritten model has the margins and contributions that the probabilities come from. A model that is a
    plain sum already stays as it is.

    Raises:
        TrainingError: Not a LightGBM text model.
    """
    part = ModelText.parse(text)
    trees = part.scaled(1.0 / len(part.trees)) if part.averages else part.trees
    return str(ModelText(part.header, trees, part.parameters))


def floats(values: Iterable[float]) -> str:
    """Return numbers separated by blanks, as short as they can be and still read back equal.

    Example:
        >>> floats([0.1, 2, 1e-7])
        '0.1 2.0 1e-07'
    """
    return " ".join(repr(float(value)) for value in values)


def _scaled_line(line: re.Match[str], factor: float) -> str:
    return f"{line[1]}={floats(float(value) * factor for value in line[2].split())}"
