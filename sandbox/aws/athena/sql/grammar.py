"""Parses Athena's DML: sqlglot's parser of Trino, kept from what Trino's grammar does not have."""

from typing import Any, ClassVar

from sqlglot import exp
from sqlglot.dialects.trino import Trino
from sqlglot.errors import ParseError, TokenError
from sqlglot.parsers.trino import TrinoParser
from sqlglot.tokenizer_core import Token, TokenType

from sandbox.aws.athena.sql.binding.bound import place
from sandbox.aws.errors import QueryError

_KEPT = ("CAST", "TRY_CAST", "EXTRACT", "TRIM", "POSITION", "SUBSTRING", "LISTAGG")
_RESERVED_WORDS = """
alter and as between by case cast constraint create cross cube current_catalog current_date current_path
current_role current_schema current_time current_timestamp current_user deallocate delete describe distinct
drop else end escape except execute exists extract false for from full group grouping having in inner insert
intersect into is join left like listagg localtime localtimestamp natural normalize not null on or order
outer prepare recursive right rollup select skip table then trim true uescape union unnest using values when
where with
"""
RESERVED = frozenset(_RESERVED_WORDS.split())
# What sqlglot reads and Trino's grammar does not have.
_FOREIGN_WORDS = """
DCOLON ILIKE RLIKE GLOB SIMILAR_TO DOUBLE_SLASH DIV CARET AMP
PIPE TILDE HASH DAT PARAMETER NULLSAFE_EQ COLON_EQ LT_AT AT_GT
DAMP QUALIFY LLRR_ANGLE HEREDOC_STRING NATIONAL_STRING RAW_STRING BYTE_STRING BIT_STRING L_BRACE
R_BRACE DOLLAR BACKSLASH ANTI SEMI ASOF SESSION_PARAMETER OPERATOR IRLIKE
HASH_ARROW DARROW DHASH_ARROW COLON PIVOT UNPIVOT STRAIGHT_JOIN PREWHERE CLUSTER_BY
DISTRIBUTE_BY SORT_BY FORCE SETTINGS LOCK
"""
_FOREIGN = frozenset(_FOREIGN_WORDS.split())


class _Parser(TrinoParser):
    """Keeps calls as they are written, and marks what the tree does not tell."""

    FUNCTIONS: ClassVar[Any] = {}
    FUNCTION_PARSERS: ClassVar[Any] = {name: TrinoParser.FUNCTION_PARSERS[name] for name in _KEPT}

    def _parse_cast(self, strict: bool, safe: bool | None = None) -> Any:  # noqa: ANN401 - sqlglot's own signature
        found = super()._parse_cast(strict, safe)
        found.meta["call"] = True
        return found

    def _parse_types(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401
        word = self._curr.text if self._curr else ""
        found = super()._parse_types(*arguments, **options)
        if isinstance(found, exp.DataType):
            found.meta["written"] = word
        return found

    def _parse_join(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401
        comma = self._curr is not None and self._curr.token_type == TokenType.COMMA
        found = super()._parse_join(*arguments, **options)
        if found is not None and not comma:
            found.meta["word"] = True
        return found


class _Dialect(Trino):
    """Trino with the parser above and subscripts as written."""

    INDEX_OFFSET = 0
    Parser = _Parser


def parse(sql: str) -> exp.Expr:
    """Parse one statement of Athena's DML.

    Raises:
        QueryError: Trino's grammar does not have it; the message begins with `SYNTAX_ERROR`.
    """
    dialect = _Dialect()
    try:
        tokens = dialect.tokenize(sql)
        _check_tokens(tokens)
        found = dialect.parser().parse(tokens, sql)
    except TokenError as error:
        raise syntax_error("line 1:1", f"{error}".split("\n", maxsplit=1)[0]) from error
    except ParseError as error:
        raise _explained(error, tokens) from error
    trees = [tree for tree in found if tree is not None]
    if len(trees) != 1:
        second = next(token for token in tokens if token.token_type == TokenType.SEMICOLON) if tokens else None
        raise (
            _mismatched(second, "Only one sql statement is allowed; ")
            if second
            else syntax_error("line 1:1", "mismatched input '<EOF>'")
        )
    _check_names(trees[0])
    _check_tree(trees[0])
    return trees[0]


def syntax_error(where: str, what: str) -> QueryError:
    """Return Trino's error of its parser."""
    return QueryError(f"SYNTAX_ERROR: {where}: {what}")


def _place(token: Token) -> str:
    return f"line {token.line}:{max(token.col - len(token.text) + 1, 1)}"


def _mismatched(token: Token, note: str = "") -> QueryError:
    return syntax_error(_place(token), f"{note}mismatched input '{token.text}'. Expecting: <expression>")


def _check_tokens(tokens: list[Token]) -> None:
    for position, token in enumerate(tokens):
        following = tokens[position + 1] if position + 1 < len(tokens) else None
        name = token.token_type.name
        if name in _FOREIGN and not _is_name(token, following):
            raise _mismatched(token)
        if token.text == "`":
            raise syntax_error(_place(token), "backquoted identifiers are not supported; use double quotes")
        if name in ("EQ", "NEQ") and token.text not in ("=", "<>", "!="):
            raise _mismatched(token)
        if name == "STRING" and following is not None and following.token_type.name == "STRING":
            raise _mismatched(following)
        if name == "NUMBER" and following is not None and following.start == token.end + 1 and _is_word(following):
            raise syntax_error(
                _place(token), "identifiers must not start with a digit; surround the identifier with double quotes"
            )
        if name == "HEX_STRING" and len(token.text) % 2:
            raise syntax_error(_place(token), "Binary literal must contain an even number of digits")
        _check_interval(tokens[position : position + 4])
        _check_list(tokens[position - 1] if position else None, token, following)
        _check_order(token, following, tokens[position:])


_INTERVAL_FIELDS = ("YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND")
_STARTS = ("VAR", "STRING", "L_PAREN", "NUMBER", "JOIN")
_OPERATORS_WORDS = "ILIKE RLIKE QUALIFY DIV GLOB SIMILAR_TO IRLIKE PIVOT UNPIVOT ASOF ANTI SEMI STRAIGHT_JOIN PREWHERE"
_OPERATORS = frozenset(_OPERATORS_WORDS.split())


def _is_name(token: Token, following: Token | None) -> bool:
    """Return whether a word of another dialect is a plain name here."""
    if not token.text.isidentifier():
        return False
    starts = following is not None and following.token_type.name in _STARTS
    return not (token.token_type.name in _OPERATORS and starts)


def _is_word(token: Token) -> bool:
    return token.text[:1].isalpha() or token.text[:1] == "_"


def _check_interval(tokens: list[Token]) -> None:
    """Refuse an interval that is not a text and one of Trino's fields."""
    if tokens[0].token_type.name != "INTERVAL" or len(tokens) < 2:
        return
    rest = tokens[2:] if tokens[1].text in ("-", "+") else tokens[1:]
    if rest and rest[0].token_type.name == "NUMBER":
        raise _mismatched(rest[0])
    if rest and rest[0].token_type.name == "STRING" and (len(rest) < 2 or rest[1].text.upper() not in _INTERVAL_FIELDS):
        raise _mismatched(rest[1] if len(rest) > 1 else rest[0])


def _check_list(before: Token | None, token: Token, following: Token | None) -> None:
    """Refuse a comma without an item after it, and a bracket that is neither a subscript nor follows ARRAY."""
    name = token.token_type.name
    if name == "COMMA" and (following is None or following.token_type.name in ("FROM", "WHERE", "R_PAREN", "GROUP_BY")):
        raise _mismatched(following or token)
    if name == "L_BRACKET" and before is not None and not (before.token_type.name == "ARRAY" or _ends(before)):
        raise _mismatched(token)
    if name == "USING" and (following is None or following.token_type.name != "L_PAREN"):
        raise _mismatched(following or token)


def _check_order(token: Token, following: Token | None, rest: list[Token]) -> None:
    """Refuse `LIMIT … OFFSET …` and `LIMIT a, b`: in Trino OFFSET comes first."""
    if token.token_type.name == "LIMIT" and len(rest) > 2 and following is not None:
        after = rest[2]
        if after.token_type.name in ("OFFSET", "COMMA") and following.token_type.name in ("NUMBER", "ALL"):
            raise _mismatched(after)


_SELECT = {
    "expressions", "from_", "joins", "where", "group", "having", "windows", "order", "limit", "offset", "distinct",
    "with_", "laterals", "sample",
}  # fmt: skip


def _check_tree(tree: exp.Expr) -> None:
    """Refuse what sqlglot's tree has room for and Trino's grammar has not."""
    for node in tree.walk():
        if isinstance(node, exp.Select):
            strange = [key for key, value in node.args.items() if value and key not in _SELECT]
            if not node.expressions:
                raise syntax_error(place(node), "mismatched input 'FROM'. Expecting: '*', <expression>")
            if strange:
                raise syntax_error(place(node), f"mismatched input '{strange[0].strip('_').upper()}'")
        elif isinstance(node, exp.Group) and [
            key for key, value in node.args.items() if value and key != "expressions"
        ]:
            raise syntax_error(place(node), "mismatched input 'WITH'. Expecting: <EOF>")
        elif isinstance(node, exp.Star) and any(node.args.values()):
            raise syntax_error(place(node), "mismatched input 'EXCEPT'. Expecting: ',', 'FROM', <EOF>")
        elif isinstance(node, exp.Is) and not isinstance(node.expression, exp.Null):
            raise syntax_error(place(node), f"mismatched input '{node.expression.sql('trino')}'. Expecting: 'NULL'")
        elif isinstance(
            node,
            (
                exp.ILike,
                exp.RegexpLike,
                exp.IntDiv,
                exp.Glob,
                exp.SimilarTo,
                exp.JSONExtract,
                exp.National,
                exp.BitwiseLeftShift,
                exp.BitwiseRightShift,
            ),
        ):
            raise syntax_error(place(node), f"mismatched input in {node.sql('trino')[:60]}. Expecting: <expression>")


def _check_names(tree: exp.Expr) -> None:
    for identifier in tree.find_all(exp.Identifier):
        name = str(identifier.this)
        if not identifier.args.get("quoted") and (
            name.lower() in RESERVED or (not name[:1].isalpha() and name[:1] != "_")
        ):
            where = identifier.meta
            column = int(where.get("col", 8)) - len(name) + 1
            raise syntax_error(
                f"line {where.get('line', 1)}:{max(column, 1)}", f"mismatched input '{name}'. Expecting: <identifier>"
            )


def _explained(error: ParseError, tokens: list[Token]) -> QueryError:
    found: Any = error.errors[0] if error.errors else {}
    near = str(found.get("highlight") or "<EOF>")
    line, column = int(found.get("line") or 1), int(found.get("col") or 1)
    last = tokens[-1] if tokens else None
    if last is not None and (line, column) == (last.line, last.col) and not _ends(last):
        return syntax_error(f"line {line}:{column + 1}", "mismatched input '<EOF>'. Expecting: <expression>")
    return syntax_error(
        f"line {line}:{max(column - len(near) + 1, 1)}", f"mismatched input '{near}'. Expecting: <expression>"
    )


def _ends(token: Token) -> bool:
    """Return whether an expression can end with a token; if not, the statement is cut off after it."""
    return token.token_type.name in (
        "NUMBER",
        "STRING",
        "IDENTIFIER",
        "VAR",
        "R_PAREN",
        "R_BRACKET",
        "STAR",
        "NULL",
        "END",
    )
