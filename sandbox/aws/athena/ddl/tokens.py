"""Hive's DDL as tokens: words, `names`, 'texts' and signs, and a reader that says where a statement goes wrong."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn, TypeVar

from sandbox.aws.errors import QueryError

_TOKEN = re.compile(
    r"(?P<space>\s+|--[^\n]*|/\*.*?\*/)"
    r"|(?P<text>'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.)*\")"
    r"|(?P<name>`(?:[^`]|``)+`)"
    r"|(?P<word>[A-Za-z_$][\w$]*|\d+[A-Za-z_]\w*|\d+(?:\.\d+)?)"
    r"|(?P<sign>.)",
    re.DOTALL,
)
T = TypeVar("T")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "b": "\b", "Z": "\x1a"}
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|[0-3][0-7]{2}|.)", re.DOTALL)


@dataclass(frozen=True)
class Token:
    """One token; `kind` is text, name, word, sign or end, `start` its place in the statement."""

    kind: str
    value: str
    start: int

    def is_word(self, word: str) -> bool:
        """Return whether it is a keyword, in any case."""
        return self.kind == "word" and self.value.upper() == word


def unescape(text: str) -> str:
    r"""Return what a quoted Hive text means.

    >>> unescape(r"a\tb\001\\")
    'a\tb\x01\\'
    """

    def meaning(found: re.Match[str]) -> str:
        code = found[1]
        if code[0] == "u" and len(code) > 1:
            return chr(int(code[1:], 16))
        if len(code) > 1:
            return chr(int(code, 8))
        return _ESCAPES.get(code, code)

    return _ESCAPE.sub(meaning, text)


def tokens(sql: str) -> list[Token]:
    """Split a statement into tokens; the last one marks its end."""
    found = []
    for match in _TOKEN.finditer(sql):
        kind, value = match.lastgroup or "", match[0]
        if kind == "text":
            value = unescape(value[1:-1].replace("''", "'") if value[0] == "'" else value[1:-1])
        elif kind == "name":
            value = value[1:-1].replace("``", "`")
        if kind != "space":
            found.append(Token(kind, value, match.start()))
    return [*found, Token("end", "<EOF>", len(sql))]


class Reader:
    """Reads a statement from left to right.

    Args:
        sql: The statement, without a closing semicolon.
        quotes: Whether names may be in double quotes, as in statements that Trino's parser reads.
    """

    def __init__(self, sql: str, *, quotes: bool = False) -> None:
        self.sql = sql
        self._quotes = quotes
        self._tokens = tokens(sql)
        self._at = 0

    @property
    def next(self) -> Token:
        """The token that comes next."""
        return self._tokens[self._at]

    def fail(self, expected: str = "") -> NoReturn:
        """Refuse the statement at this place.

        Raises:
            QueryError: Always; the message is in the form of Hive's.
        """
        before = self.sql[: self.next.start]
        line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1)
        hint = f" expecting {expected}" if expected else ""
        raise QueryError(f"FAILED: ParseException line {line}:{column} mismatched input '{self.next.value}'{hint}")

    def take(self) -> Token:
        """Return the next token and go past it."""
        token = self.next
        if token.kind == "end":
            self.fail()
        self._at += 1
        return token

    def sees(self, *words: str) -> bool:
        """Return whether these keywords come next."""
        return all(
            self._at + place < len(self._tokens) and self._tokens[self._at + place].is_word(word)
            for place, word in enumerate(words)
        )

    def accept(self, *words: str) -> bool:
        """Go past these keywords if they come next."""
        if not self.sees(*words):
            return False
        self._at += len(words)
        return True

    def expect(self, *words: str) -> None:
        """Go past these keywords.

        Raises:
            QueryError: Something else comes next.
        """
        for word in words:
            if not self.accept(word):
                self.fail(word)

    def accept_sign(self, sign: str) -> bool:
        """Go past a sign if it comes next."""
        if self.next.kind != "sign" or self.next.value != sign:
            return False
        self._at += 1
        return True

    def expect_sign(self, sign: str) -> None:
        """Go past a sign.

        Raises:
            QueryError: Something else comes next.
        """
        if not self.accept_sign(sign):
            self.fail(sign)

    def text(self) -> str:
        """Return a quoted text and go past it.

        Raises:
            QueryError: Something else comes next.
        """
        if self.next.kind != "text":
            self.fail("a quoted text")
        return self.take().value

    def name(self) -> str:
        """Return a name in lower case and go past it: a word that starts with a letter or digit, or a `name`.

        Raises:
            QueryError: Something else comes next.
        """
        token = self.next
        quoted = token.kind == "name" or (self._quotes and token.kind == "text" and self.sql[token.start] == '"')
        if not quoted and (token.kind != "word" or token.value.startswith(("_", "$"))):
            self.fail("a name; put other names between backticks")
        return self.take().value.lower()

    def qualified(self) -> tuple[str | None, str]:
        """Return a name with an optional database before it; the catalog `awsdatacatalog` may come first."""
        parts = [self.name()]
        while self.accept_sign("."):
            parts.append(self.name())
        if len(parts) == 3 and parts[0] == "awsdatacatalog":
            parts.pop(0)
        if len(parts) > 2:
            self.fail("DATABASE.TABLE")
        return (parts[0], parts[1]) if len(parts) == 2 else (None, parts[0])

    def listed(self, item: Callable[[], T]) -> list[T]:
        """Return the items of a list between parentheses."""
        self.expect_sign("(")
        found = [item()]
        while self.accept_sign(","):
            found.append(item())
        self.expect_sign(")")
        return found

    def rest(self) -> str:
        """Return the rest of the statement as it is written, and go to its end."""
        text = self.sql[self.next.start :]
        self._at = len(self._tokens) - 1
        return text

    def end(self) -> None:
        """Check that the statement ends here.

        Raises:
            QueryError: It goes on.
        """
        if self.next.kind != "end":
            self.fail("<EOF>")
