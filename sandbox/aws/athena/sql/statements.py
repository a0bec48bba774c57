"""Kinds of statements, and the parts of those that are not plain SELECT."""

import json
import re
from dataclasses import dataclass, field

from sandbox.aws.athena.sql import grammar
from sandbox.aws.errors import ApiError, QueryError

_WORD = r"(?:\"(?:[^\"]|\"\")+\"|`[^`]+`|\w+)"
_NAME = rf"(?:(?:{_WORD}\s*\.\s*)??(?P<db>{_WORD})\s*\.\s*)?(?P<table>{_WORD})(?!\s*\.|\w)"
_UNLOAD = re.compile(
    r"UNLOAD\s*\((?P<query>.*)\)\s*TO\s*'(?P<to>[^']*)'\s*(?:WITH\s*\((?P<with>.*)\))?$", re.IGNORECASE | re.DOTALL
)
_CTAS = re.compile(
    rf"CREATE\s+TABLE\s+(?P<absent>IF\s+NOT\s+EXISTS\s+)?{_NAME}\s*(?:WITH\s*\((?P<with>.*?)\)\s*)?"
    r"AS\s*(?P<query>(?:\(|WITH\b|SELECT\b|VALUES\b|TABLE\b).*)$",
    re.IGNORECASE | re.DOTALL,
)
_INSERT = re.compile(
    rf"INSERT\s+INTO\s+{_NAME}\s*(?:\((?P<columns>[^()]*)\)\s*(?=(?:SELECT|WITH|VALUES|\()))?(?P<query>.*)$",
    re.IGNORECASE | re.DOTALL,
)
_PROPERTY = re.compile(r"(\w+)\s*=\s*(ARRAY\s*\[[^\]]*\]|'(?:[^']|'')*'|\w+)", re.IGNORECASE)
_DDL = ("CREATE", "DROP", "ALTER", "MSCK", "SHOW", "DESCRIBE", "DESC")
_COMMENT = re.compile(r"^\s*(?:--[^\n]*\n|/\*.*?\*/)", re.DOTALL)


# The first words of statements; anything else is malformed. Queries are parsed before they start.
_QUERIES = ("SELECT", "WITH", "VALUES", "TABLE", "(")
_WORDS = (
    *_QUERIES, *_DDL, "ANALYZE", "CALL", "COMMENT", "COMMIT", "DEALLOCATE", "DELETE", "DENY", "EXECUTE", "EXPLAIN",
    "GRANT", "INSERT", "MERGE", "OPTIMIZE", "PREPARE", "REFRESH", "REPAIR", "RESET", "REVOKE", "ROLLBACK", "SET",
    "START", "TRUNCATE", "UNLOAD", "UPDATE", "USE", "VACUUM",
)  # fmt: skip


class MalformedQueryError(ApiError):
    """A statement is not in Athena's grammar; StartQueryExecution itself says so."""

    def __init__(self, message: str) -> None:
        super().__init__("InvalidRequestException", message)
        self.description = json.dumps(
            {"__type": "InvalidRequestException", "AthenaErrorCode": "MALFORMED_QUERY", "message": message}
        )


@dataclass(frozen=True)
class Write:
    """A statement that stores a query's rows.

    Attributes:
        query: The SELECT.
        table: Target (database or None, name); None for UNLOAD.
        location: `s3://…` as written, if given.
        options: The WITH properties: lower-case names, lists for ARRAY.
        if_absent: Whether CREATE TABLE says IF NOT EXISTS.
        columns: The columns that an INSERT names.
    """

    query: str
    table: tuple[str | None, str] | None = None
    location: str | None = None
    options: dict[str, str | list[str]] = field(default_factory=dict)
    if_absent: bool = False
    columns: list[str] = field(default_factory=list)

    def option(self, name: str, default: str) -> str:
        """Return a textual WITH property."""
        value = self.options.get(name, default)
        return value if isinstance(value, str) else default

    @property
    def partitioned_by(self) -> list[str]:
        """The partition columns, in order."""
        value = self.options.get("partitioned_by", [])
        return [item.lower() for item in value] if isinstance(value, list) else [value.lower()]


def clean(sql: str) -> str:
    r"""Strip whitespace, leading comments and one closing semicolon.

    >>> clean("-- why\n SELECT 1;")
    'SELECT 1'
    """
    text = sql.strip()
    while found := _COMMENT.match(text):
        text = text[found.end() :].strip()
    return text.removesuffix(";").strip()


def require_syntax(sql: str) -> None:
    """Refuse a statement that Athena's grammar does not have.

    Raises:
        MalformedQueryError: With the message of Trino's parser.
    """
    text = clean(sql)
    word = "(" if text.startswith("(") else text.split(maxsplit=1)[0].upper()
    known = re.match(r"[A-Z(]+", word)
    if not known or known[0] not in _WORDS:
        raise MalformedQueryError(f"line 1:1: mismatched input '{text.split(maxsplit=1)[0]}'. Expecting: {_EXPECTED}")
    if known[0] in _QUERIES:
        try:
            grammar.parse(text)
        except QueryError as error:
            code, _, message = str(error).partition(": ")
            if code == "SYNTAX_ERROR":
                raise MalformedQueryError(message) from error


_EXPECTED = ", ".join(f"'{word}'" for word in sorted(_WORDS) if word not in _QUERIES) + ", <query>"


def kind(sql: str) -> str:
    """Return UNLOAD, CTAS, INSERT, DDL or QUERY.

    >>> [kind(sql) for sql in ("CREATE TABLE t AS SELECT 1", "SHOW TABLES", "WITH t AS (SELECT 1) SELECT 2")]
    ['CTAS', 'DDL', 'QUERY']
    """
    text = clean(sql)
    word = text.split(maxsplit=1)[0].upper() if text else ""
    if _CTAS.match(text):
        return "CTAS"
    if word in _DDL:
        return "DDL"
    return word if word in {"UNLOAD", "INSERT"} else "QUERY"


def parse_write(sql: str) -> Write:
    """Parse an UNLOAD, CTAS or INSERT statement.

    Raises:
        QueryError: The statement has another form.
    """
    text = clean(sql)
    if found := _UNLOAD.match(text):
        return Write(found["query"].strip(), location=found["to"], options=properties(found["with"] or ""))
    if found := _CTAS.match(text):
        options = properties(found["with"] or "")
        location = options.get("external_location")
        return Write(
            found["query"],
            table=_table(found),
            location=location if isinstance(location, str) else None,
            options=options,
            if_absent=bool(found["absent"]),
        )
    if found := _INSERT.match(text):
        columns = [name.strip(' "`\n').lower() for name in (found["columns"] or "").split(",") if name.strip()]
        return Write(found["query"].strip(), table=_table(found), columns=columns)
    raise QueryError(f"SYNTAX_ERROR: line 1:1: mismatched input in {text[:60]!r}")


def properties(text: str) -> dict[str, str | list[str]]:
    """Return the properties of a WITH clause, names in lower case.

    >>> properties("FORMAT = 'JSON', partitioned_by = ARRAY['y', 'z']")
    {'format': 'JSON', 'partitioned_by': ['y', 'z']}
    """
    result: dict[str, str | list[str]] = {}
    for name, value in _PROPERTY.findall(text):
        items = re.findall(r"'((?:[^']|'')*)'", value)
        result[name.lower()] = items if value.upper().startswith("ARRAY") else (items[0] if items else value)
    return result


def _table(found: re.Match[str]) -> tuple[str | None, str]:
    db, table = (found[part].strip('"`').lower() if found[part] else None for part in ("db", "table"))
    return db, table or ""
