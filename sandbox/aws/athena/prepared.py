"""Prepared statements: kept for each workgroup, made by the API or by SQL, and filled with literal expressions."""

import re
import time
from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

from sandbox.aws.athena.sql import statements
from sandbox.aws.errors import ApiError, QueryError

_NAME = r"(?P<name>\"[^\"]+\"|`[^`]+`|[\w@:]+)"
_PREPARE = re.compile(rf"PREPARE\s+{_NAME}\s+FROM\s+(?P<query>.*)$", re.IGNORECASE | re.DOTALL)
_EXECUTE = re.compile(rf"EXECUTE\s+{_NAME}(?:\s+USING\s+(?P<values>.*))?$", re.IGNORECASE | re.DOTALL)
_DEALLOCATE = re.compile(rf"DEALLOCATE\s+PREPARE\s+{_NAME}$", re.IGNORECASE)
_VALID = re.compile(r"[a-zA-Z_][a-zA-Z0-9_@:]{0,255}")
_WORDS = re.compile(r"[^\W\d][\w -]*")
_KEYWORDS = ("null", "true", "false", "current_date", "current_timestamp", "localtimestamp")
_PREPARED_KINDS = {"QUERY", "CTAS", "INSERT", "UNLOAD"}


@dataclass
class Prepared:
    """One prepared statement."""

    name: str
    workgroup: str
    query: str
    description: str = ""
    modified: float = field(default_factory=time.time)

    def describe(self) -> dict[str, Any]:
        """Return the `PreparedStatement` structure."""
        described: dict[str, Any] = {
            "StatementName": self.name,
            "QueryStatement": self.query,
            "WorkGroupName": self.workgroup,
            "LastModifiedTime": self.modified,
        }
        return {**described, "Description": self.description} if self.description else described


class PreparedStatements:
    """The prepared statements of one region."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], Prepared] = {}

    def create(self, name: str, workgroup: str, query: str, description: str = "") -> None:
        """Keep a new statement.

        Raises:
            ApiError: The name is not valid or taken.
        """
        if not _VALID.fullmatch(name):
            raise ApiError("InvalidRequestException", f"Statement name {name!r} is not valid")
        if (workgroup, name) in self._kept:
            raise ApiError(
                "InvalidRequestException", f"PreparedStatement {name} already exists in workGroup {workgroup}"
            )
        self._kept[workgroup, name] = Prepared(name, workgroup, query, description)

    def get(self, name: str, workgroup: str) -> Prepared:
        """Return a statement.

        Raises:
            ApiError: There is none of that name in the workgroup (ResourceNotFoundException).
        """
        if (workgroup, name) not in self._kept:
            raise ApiError(
                "ResourceNotFoundException", f"PreparedStatement {name} was not found in workGroup {workgroup}."
            )
        return self._kept[workgroup, name]

    def update(self, name: str, workgroup: str, query: str, description: str | None) -> None:
        """Change a statement.

        Raises:
            ApiError: There is none of that name.
        """
        kept = self.get(name, workgroup)
        kept.query, kept.modified = query, time.time()
        kept.description = kept.description if description is None else description

    def delete(self, name: str, workgroup: str) -> None:
        """Forget a statement.

        Raises:
            ApiError: There is none of that name.
        """
        self.get(name, workgroup)
        del self._kept[workgroup, name]

    def all(self, workgroup: str) -> list[Prepared]:
        """Return the statements of a workgroup in the order of their names."""
        return [item for _, item in sorted(self._kept.items()) if item.workgroup == workgroup]

    def resolve(self, sql: str, workgroup: str, given: list[str]) -> tuple[str, list[str]]:
        """Return the statement that runs, and its parameters: for EXECUTE the prepared one with its USING values.

        Raises:
            QueryError: The statement does not exist, or a parameter is no literal expression.
        """
        found = _EXECUTE.match(sql)
        if not found:
            return sql, _checked(_as_literals(given))
        name = _plain(found["name"])
        try:
            kept = self.get(name, workgroup)
        except ApiError as error:
            raise QueryError(f"NOT_FOUND: {error.message}") from error
        values = _split(found["values"]) if found["values"] else []
        if values and given:
            raise QueryError("INVALID_PARAMETER_USAGE: line 1:1: EXECUTE has USING, and the request has parameters too")
        return statements.clean(kept.query), _checked(values or _as_literals(given))

    def run(self, sql: str, workgroup: str) -> bool:
        """Execute PREPARE or DEALLOCATE; return whether the statement is one of them.

        Raises:
            QueryError: Athena would reject it.
        """
        prepare, deallocate = _PREPARE.match(sql), _DEALLOCATE.match(sql)
        try:
            if prepare:
                self._prepare(_plain(prepare["name"]), workgroup, prepare["query"])
            elif deallocate:
                self.delete(_plain(deallocate["name"]), workgroup)
        except ApiError as error:
            raise QueryError(f"INVALID_PREPARED_STATEMENT: {error.message}") from error
        return bool(prepare or deallocate)

    def _prepare(self, name: str, workgroup: str, query: str) -> None:
        if statements.kind(query) not in _PREPARED_KINDS or is_utility(query):
            raise QueryError("SYNTAX_ERROR: line 1:1: only SELECT, INSERT INTO, CTAS and UNLOAD can be prepared")
        self.create(name, workgroup, query)


def is_utility(sql: str) -> bool:
    """Return whether a statement is PREPARE or DEALLOCATE."""
    return bool(re.match(r"(PREPARE|DEALLOCATE)\s", sql, re.IGNORECASE))


def _plain(name: str) -> str:
    return name[1:-1] if name[0] in '"`' else name


def _split(text: str) -> list[str]:
    """Return the expressions of USING as they are written.

    >>> _split("1, 'a,b', ARRAY[1, 2]")
    ['1', "'a,b'", 'ARRAY[1, 2]']
    """
    parts, depth, start = [], 0, 0
    for found in re.finditer(r"'(?:[^']|'')*'|\"[^\"]*\"|[(\[]|[)\]]|,", text):
        depth += (found[0] in "([") - (found[0] in ")]")
        if found[0] == "," and depth == 0:
            parts.append(text[start : found.start()])
            start = found.end()
    return [part.strip() for part in [*parts, text[start:]]]


def _as_literals(parameters: list[str]) -> list[str]:
    """Return the parameters of a request, plain words as strings; those of USING need their quotes.

    Source:
        awswrangler's `test_athena_paramstyle_qmark_parameters`, which runs against AWS.

    >>> _as_literals(["Washington", "1", "null", "DATE '2020-01-01'"])
    ["'Washington'", '1', 'null', "DATE '2020-01-01'"]
    """
    return [f"'{each}'" if _WORDS.fullmatch(each) and each.lower() not in _KEYWORDS else each for each in parameters]


def _checked(parameters: list[str]) -> list[str]:
    """Return parameters of which each is one expression without a query of its own.

    Raises:
        QueryError: One is not.
    """
    for parameter in parameters:
        try:
            tree = parse_one(f"SELECT {parameter}", read="athena")
        except SqlglotError as error:
            raise QueryError(f"SYNTAX_ERROR: line 1:1: {parameter!r} is not a literal expression") from error
        clauses = {key for key, value in tree.args.items() if value}
        if not isinstance(tree, exp.Select) or len(tree.expressions) != 1 or clauses - {"expressions", "kind"}:
            raise QueryError(f"SYNTAX_ERROR: line 1:1: {parameter!r} is not a literal expression")
        if isinstance(tree.expressions[0], (exp.Alias, exp.Star)) or tree.find(exp.Subquery, exp.Window):
            raise QueryError(f"SYNTAX_ERROR: line 1:1: {parameter!r} is not a literal expression")
    return parameters
