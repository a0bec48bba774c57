"""The feature contract: which columns a portfolio has, what they may hold, and what they mean."""

from __future__ import annotations

import hashlib
import json
import re
from functools import cached_property
from importlib import resources
from math import inf
from pathlib import Path
from typing import Annotated, Any, Literal

import pyarrow as pa
import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from credit_model.contract.derived import Derived
from credit_model.contract.rule import Kind, Rule, rule_of, without_point
from credit_model.errors import ContractError

ID = "application_id"
APPLIED_AT = "applied_at"
TARGET = "defaulted"
OBSERVED_AT = "observed_at"
RESERVED = (ID, APPLIED_AT, TARGET, OBSERVED_AT)
TIMESTAMP_TYPE = pa.timestamp("us", tz="UTC")

ARROW_TYPES: dict[str, pa.DataType] = {
    "numeric": pa.float64(),
    "integer": pa.int64(),
    "boolean": pa.bool_(),
    "categorical": pa.string(),
    "ordinal": pa.string(),
}
_NAME = r"^[a-z][a-z0-9_]*$"


def _text_levels(value: object) -> object:
    if not isinstance(value, list | tuple):
        return value
    wrong = [level for level in value if isinstance(level, bool) or not isinstance(level, str | int | float)]
    if wrong:
        raise ValueError(f"level {wrong[0]} is not text (YAML reads yes, no, on, off, null and dates); quote it")
    return [str(level) for level in value]


class Column(BaseModel):
    """One column of a portfolio.

    Attributes:
        name: Canonical lowercase name.
        source: Header in raw files (matched without regard to case); the name when absent.
        kind: Kind of value; decides the Arrow type and how the model reads it.
        nullable: Whether a value may be missing.
        min: Smallest legal value of a numeric or integer column.
        max: Largest legal value of a numeric or integer column.
        levels: Legal levels, from low to high for an ordinal column.
        open: Whether a categorical column may hold levels that are not listed.
        monotone: Direction in which the predicted PD may move as the value rises.
        protected: Kept for fairness tables, never a feature.
        reason: What the column stands for in a decline notice.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=_NAME)
    source: str | None = Field(default=None, min_length=1)
    kind: Kind
    nullable: bool = False
    min: float | None = Field(default=None, allow_inf_nan=False)
    max: float | None = Field(default=None, allow_inf_nan=False)
    levels: Annotated[tuple[str, ...], BeforeValidator(_text_levels)] = ()
    open: bool = False
    monotone: Literal["increasing", "decreasing", "none"] = "none"
    protected: bool = False
    reason: str = ""

    @model_validator(mode="after")
    def _consistent(self) -> Column:
        fault = _column_fault(self)
        if fault:
            raise ValueError(f"column '{self.name}': {fault}")
        return self

    @property
    def header(self) -> str:
        """Header of the column in raw files."""
        return self.source or self.name

    @property
    def has_levels(self) -> bool:
        """Whether values are levels (categorical or ordinal) and not numbers."""
        return self.kind in {"categorical", "ordinal"}

    @property
    def rule(self) -> Rule:
        """What a legal value of the column is."""
        low, high = -inf if self.min is None else self.min, inf if self.max is None else self.max
        return rule_of(self.kind, nullable=self.nullable, low=low, high=high, levels=self.levels, is_open=self.open)

    @property
    def arrow_type(self) -> pa.DataType:
        """Arrow type of the column in canonical tables."""
        return ARROW_TYPES[self.kind]


class SpecialColumn(BaseModel):
    """A column with a fixed role and canonical name: id, target, timestamp or observation time.

    Attributes:
        source: Header in raw files (matched without regard to case).
        required: Whether a raw file must have the column.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = Field(min_length=1)
    required: bool = True


class Contract(BaseModel):
    """What the files of one portfolio hold.

    Example:
        >>> contract = load_contract("case")
        >>> contract.column("age").rule.limits
        (18.0, 120.0)
        >>> [column.name for column in contract.features][:2]
        ['account_amount_added_12_24m', 'account_days_in_dc_12_24m']
        >>> parse_contract(contract.dump()) == contract
        True

    Attributes:
        name: Name of the portfolio.
        title: Name for readers.
        id: Where the application id is found in raw files (canonical `application_id`).
        target: Where the outcome is found (canonical `defaulted`).
        timestamp: Where the time of application is found (canonical `applied_at`).
        observed_at: Where the time is found at which the outcome became known.
        columns: Features and protected attributes.
        derived: Features computed from numeric features.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=_NAME)
    title: str
    id: SpecialColumn
    target: SpecialColumn
    timestamp: SpecialColumn = SpecialColumn(source=APPLIED_AT, required=False)
    observed_at: SpecialColumn = SpecialColumn(source=OBSERVED_AT, required=False)
    columns: tuple[Column, ...] = Field(min_length=1)
    derived: tuple[Derived, ...] = ()

    @model_validator(mode="after")
    def _unambiguous(self) -> Contract:
        fault = _contract_fault(self)
        if fault:
            raise ValueError(fault)
        return self

    @property
    def features(self) -> tuple[Column, ...]:
        """Columns the model may use, in contract order."""
        return tuple(column for column in self.columns if not column.protected)

    @property
    def model_features(self) -> tuple[Column, ...]:
        """What a model may read: the features, then the derived ones as numeric columns."""
        return (*self.features, *(_derived_column(derived) for derived in self.derived))

    @property
    def protected(self) -> tuple[Column, ...]:
        """Columns kept for fairness tables only."""
        return tuple(column for column in self.columns if column.protected)

    @cached_property
    def by_header(self) -> dict[str, str]:
        """Canonical name by lower-cased header; raw and canonical headers are both listed."""
        pairs = [(special.source, name) for name, special in self.special.items()]
        pairs += [(column.header, column.name) for column in self.columns]
        names = {canonical: canonical for _, canonical in pairs}
        return names | {header.lower(): canonical for header, canonical in pairs}

    @cached_property
    def request_headers(self) -> dict[str, str]:
        """`by_header` and, unless a column has that name, `id` for the application id, as answers call it."""
        return {"id": ID} | self.by_header

    @property
    def special(self) -> dict[str, SpecialColumn]:
        """Special columns by canonical name."""
        return {ID: self.id, APPLIED_AT: self.timestamp, TARGET: self.target, OBSERVED_AT: self.observed_at}

    def column(self, name: str) -> Column:
        """Return the column or derived feature of a canonical name.

        Raises:
            ContractError: The contract has no such column.
        """
        for column in (*self.columns, *(_derived_column(derived) for derived in self.derived)):
            if column.name == name:
                return column
        raise ContractError(f"contract '{self.name}' has no column '{name}'; see its columns list")

    def arrow_schema(self, *, outcome: bool = False) -> pa.Schema:
        """Return the schema of a canonical table: id, time of application and columns.

        Args:
            outcome: Whether to add the outcome and the time at which it became known.
        """
        fields = [pa.field(ID, pa.string()), pa.field(APPLIED_AT, TIMESTAMP_TYPE)]
        fields += [pa.field(column.name, column.arrow_type) for column in self.columns]
        if outcome:
            fields += [pa.field(TARGET, pa.bool_()), pa.field(OBSERVED_AT, TIMESTAMP_TYPE)]
        return pa.schema(fields)

    def digest(self) -> str:
        """Return the SHA-256 (hex) of the contract's canonical form, whatever the layout and comments of its file."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def dump(self) -> str:
        """Return the contract as YAML text that `parse_contract` reads back equal."""
        return yaml.safe_dump(self.model_dump(mode="json", exclude_defaults=True), sort_keys=False, width=120)


def _derived_column(derived: Derived) -> Column:
    return Column(name=derived.name, kind="numeric", nullable=True, monotone=derived.monotone, reason=derived.reason)


def _column_fault(column: Column) -> str | None:
    ordered = column.min is None or column.max is None or column.min <= column.max
    bounded = column.min is not None or column.max is not None
    unlisted = column.has_levels and not column.levels and not column.open
    unmatched = next(filter(None, (_level_fault(column, level) for level in column.levels)), None)
    # In the order in which a reader should correct them.
    rules = (
        (bounded and column.kind not in {"numeric", "integer"}, "min and max are for numeric and integer columns only"),
        (not ordered, "min is above max; swap them"),
        (unlisted, f"a {column.kind} column needs levels (or, when categorical, open: true)"),
        (bool(column.levels) and not column.has_levels, "levels are for categorical and ordinal columns only"),
        (len(set(column.levels)) != len(column.levels), "a level is listed twice; list each level once"),
        (unmatched is not None, unmatched or ""),
        (column.open and column.kind != "categorical", "open: true is for categorical columns only; list the levels"),
        (column.monotone != "none" and column.kind == "categorical", "a categorical column cannot be monotone"),
        (not column.protected and not column.reason, "a feature needs a reason (plain words for a decline notice)"),
    )
    return next((message for broken, message in rules if broken), None)


def _level_fault(column: Column, level: str) -> str | None:
    """Return why no value could ever be this level: readers trim text, take blank text as missing and 1.0 as 1."""
    if not level.strip():
        return f"level '{level}' is how a missing value is written; leave it out and set nullable: true"
    if level != level.strip():
        return f"level '{level}' has blanks around it, which readers trim; write it as '{level.strip()}'"
    read = without_point(level)
    if read != level and not column.open:
        return f"level '{level}' is read as '{read}'; write it as \"{read}\""
    return None


def _contract_fault(contract: Contract) -> str | None:
    names = [column.name for column in contract.columns]
    reserved = sorted(set(names) & set(RESERVED))
    if reserved:
        return f"columns: '{reserved[0]}' is a reserved name; give the column another name and set source"
    headers = [special.source for special in contract.special.values()] + [c.header for c in contract.columns]
    for kind, values in (("name", names), ("header", [header.lower() for header in headers])):
        repeated = sorted({value for value in values if values.count(value) > 1})
        if repeated:
            return f"columns: {kind} '{repeated[0]}' appears twice; each {kind} must be unique"
    # A header that equals another column's canonical name would make a file readable in two ways.
    pairs = {column.header.lower(): column.name for column in contract.columns}
    crossed = sorted(header for header, name in pairs.items() if header != name and header in {*names, *RESERVED})
    if crossed:
        return f"columns: header '{crossed[0]}' is also the name of another column; rename one of them"
    if not contract.features:
        return "columns: every column is protected; a model needs at least one feature"
    return _derived_fault(contract)


def _derived_fault(contract: Contract) -> str | None:
    taken = {*RESERVED, *(column.name for column in contract.columns), *(c.header.lower() for c in contract.columns)}
    numbers = {column.name for column in contract.features if column.kind in {"numeric", "integer"}}
    for derived in contract.derived:
        if derived.name in taken:
            return f"derived: '{derived.name}' is the name of another column; choose another"
        taken.add(derived.name)
        strange = [name for name in derived.inputs if name not in numbers]
        if strange:
            return f"derived '{derived.name}': '{strange[0]}' is not a numeric or integer feature; name one"
    return None


def _readable(error: ValidationError, document: dict[str, Any]) -> str:
    first = error.errors()[0]
    path = list(first["loc"])
    field = ".".join(str(part) for part in path) or "contract"
    if len(path) > 1 and path[0] == "columns" and isinstance(path[1], int):
        entry = document["columns"][path[1]]
        name = entry.get("name", f"number {path[1] + 1}") if isinstance(entry, dict) else f"number {path[1] + 1}"
        field = f"column '{name}' field '{'.'.join(str(part) for part in path[2:]) or 'all'}'"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{field}: {first['msg'].removeprefix('Value error, ')}{more}"


def parse_contract(text: str, *, label: str = "contract") -> Contract:
    """Return the contract that a YAML text describes.

    Args:
        text: YAML.
        label: Name of the file for messages.

    Raises:
        ContractError: Not YAML, or not a contract; names the file and the field.
    """
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        raise ContractError(f"{label}{line}: not valid YAML; correct the syntax there") from error
    if not isinstance(document, dict):
        raise ContractError(f"{label}: expected name, title, id, target and columns; see contracts/case.yaml")
    try:
        return Contract.model_validate(document)
    except ValidationError as error:
        raise ContractError(f"{label}: {_readable(error, document)}; correct the file") from error


def load_contract(name_or_path: str | Path) -> Contract:
    """Return the contract of a shipped portfolio by name, or any contract by path.

    Example:
        >>> load_contract("case").column("age").monotone
        'decreasing'

    Raises:
        ContractError: No such contract, or a faulty file.
    """
    if isinstance(name_or_path, str) and re.match(_NAME, name_or_path):
        shipped = resources.files("credit_model") / "contracts" / f"{name_or_path}.yaml"
        if shipped.is_file():
            return parse_contract(shipped.read_text("utf-8"), label=f"{name_or_path}.yaml")
    path = Path(name_or_path)
    try:
        return parse_contract(path.read_text("utf-8"), label=path.name)
    except (OSError, UnicodeDecodeError) as error:
        names = ", ".join(contract_names())
        raise ContractError(
            f"{name_or_path}: no readable contract; use one of {names} or the path of a file"
        ) from error


def contract_names() -> list[str]:
    """Return the names of the portfolios shipped with the library.

    Example:
        >>> contract_names()
        ['case', 'uci_credit_card']
    """
    folder = resources.files("credit_model") / "contracts"
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))
