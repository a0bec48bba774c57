"""How a line of text becomes fields: Hive's LazySimpleSerDe and OpenCSVSerde, in the way of Trino's readers."""

from dataclasses import dataclass

from sandbox.aws.errors import QueryError

Fields = list[str | None]


def _separator(value: str) -> str:
    """Return the character that a property names, by itself or by its number."""
    if value.lstrip("-").isdigit() and -128 <= int(value) <= 127:
        return chr(int(value) % 256)
    return value[0]


@dataclass(frozen=True)
class Lazy:
    """LazySimpleSerDe: separators and escapes, no quotes.

    Attributes:
        escape: The escape character, or nothing.
        null: The field that stands for NULL.
    """

    separator: str
    escape: str
    null: str

    @classmethod
    def of(cls, options: dict[str, str]) -> "Lazy":
        """Return the reader that a table's properties describe."""
        separator = options.get("field.delim") or options.get("serialization.format") or "1"
        escape = options.get("escape.delim", "")
        return cls(
            _separator(separator), _separator(escape) if escape else "", options.get("serialization.null.format", "\\N")
        )

    @property
    def marks(self) -> str:
        """The characters that make a line more than its parts between separators."""
        return self.escape

    def fields(self, line: str, count: int) -> Fields:
        r"""Split a line into `count` fields; missing ones are NULL.

        >>> Lazy(",", "\\", "\\N").fields(r"a\,b,\N", 3)
        ['a,b', None, None]
        """
        raw = self._split(line)
        found: Fields = [None if part == self.null else self._plain(part) for part in raw[:count]]
        return found + [None] * (count - len(found))

    def _split(self, line: str) -> list[str]:
        if not self.escape:
            return line.split(self.separator)
        parts, start, at = [], 0, 0
        while at < len(line):
            if line[at] == self.separator:
                parts.append(line[start:at])
                start = at + 1
            elif line[at] == self.escape:
                at += 1
            at += 1
        return [*parts, line[start:]]

    def _plain(self, part: str) -> str:
        if not self.escape or self.escape not in part:
            return part
        result, at = [], 0
        while at < len(part):
            if part[at] == self.escape and at + 1 < len(part):
                at += 1
                result.append({"r": "\r", "n": "\n"}.get(part[at], part[at]))
            else:
                result.append(part[at])
            at += 1
        return "".join(result)


@dataclass(frozen=True)
class OpenCsv:
    """OpenCSVSerde, with the habits of the library behind it."""

    separator: str
    quote: str
    escape: str

    @classmethod
    def of(cls, options: dict[str, str]) -> "OpenCsv":
        """Return the reader that a table's properties describe.

        Raises:
            QueryError: Two of the characters are the same.
        """
        separator, quote = (
            options.get(name) or default for name, default in (("separatorchar", ","), ("quotechar", '"'))
        )
        escape = options.get("escapechar") or '"'
        # Hive takes a double quote, the default, to mean a backslash.
        found = cls(separator[0], quote[0], "\\" if escape[0] == '"' else escape[0])
        if len({found.separator, found.quote, found.escape}) < 3:
            raise QueryError("HIVE_BAD_DATA: The separator, quote, and escape characters must be different!")
        return found

    @property
    def marks(self) -> str:
        """The characters that make a line more than its parts between separators."""
        return self.quote + self.escape

    def fields(self, line: str, count: int) -> Fields:
        r"""Split a line into `count` fields; missing ones, and a last one whose quote never ends, are NULL.

        >>> OpenCsv(",", '"', "\\").fields('1,"a ""b"", c",x', 4)
        ['1', 'a "b", c', 'x', None]
        """
        if not line:
            return [None] * count
        if self.quote not in line and self.escape not in line:
            plain: Fields = [*line.split(self.separator)[:count]]
            return plain + [None] * (count - len(plain))
        return self._careful(line, count)

    def _careful(self, line: str, count: int) -> Fields:
        found: Fields = []
        text: list[str] = []
        quoted = inside = False
        at, last = 0, len(line) - 1
        while at <= last and len(found) < count:
            char = line[at]
            after = line[at + 1] if at < last else ""
            if char == self.escape:
                if (quoted or inside) and after and after in (self.quote, self.escape):
                    text.append(after)
                    at += 1
            elif char == self.quote:
                if (quoted or inside) and after == self.quote:
                    text.append(after)
                    at += 1
                else:
                    if at > 2 and line[at - 1] != self.separator and after and after != self.separator:
                        self._embedded(text)
                    quoted = not quoted
                inside = not inside
            elif char == self.separator and not quoted:
                found.append("".join(text))
                text, inside = [], False
            else:
                text.append(char)
                inside = True
            at += 1
        if len(found) < count and not quoted:
            found.append("".join(text))
        return found + [None] * (count - len(found))

    def _embedded(self, text: list[str]) -> None:
        """Keep a quote in the middle of a field, unless only blanks come before it."""
        if text and "".join(text).isspace():
            text.clear()
        else:
            text.append(self.quote)
