"""The portfolios of the comparison: the UCI file, and the simulated case with its true PD."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from credit_model.contract.contract import TARGET, Contract, load_contract
from credit_model.data.reading import read_applications
from credit_model.simulation.simulate import simulate
from credit_model.types import Floats, Outcomes

Rows = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Portfolio:
    """A portfolio of labelled applications.

    Attributes:
        name: Name in the table.
        table: Canonical table, shape (rows, columns).
        contract: Contract of the table.
        true_pd: PDs from which the outcomes were drawn, shape (rows,); None if unknown.
    """

    name: str
    table: pa.Table
    contract: Contract
    true_pd: Floats | None = None

    @property
    def outcomes(self) -> Outcomes:
        """Return whether each application defaulted, shape (rows,)."""
        labels: Outcomes = self.table.column(TARGET).combine_chunks().to_numpy(zero_copy_only=False)
        return labels

    def take(self, rows: Rows) -> pa.Table:
        """Return the rows at these positions."""
        return self.table.take(pa.array(rows))


def uci(path: Path, rows: int | None) -> Portfolio:
    """Load default of credit card clients (UCI); a random subset if `rows` is given."""
    contract = load_contract("uci_credit_card")
    table = read_applications(path, contract).accepted
    if rows is not None and rows < table.num_rows:
        chosen = np.sort(np.random.default_rng(42).choice(table.num_rows, rows, replace=False))
        table = table.take(pa.array(chosen))
    return Portfolio("uci_credit_card", table, contract)


def case(rows: int) -> Portfolio:
    """Simulate one year of the case."""
    simulation = simulate(rows, months=12, seed=1)
    return Portfolio("case", simulation.applications, load_contract("case"), simulation.true_pd)
