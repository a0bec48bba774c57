"""Column types in Hive's DDL, read into the form in which Glue keeps them."""

from sandbox.aws.athena.ddl.tokens import Reader

_SIMPLE = {
    *("string", "boolean", "tinyint", "smallint", "int", "bigint", "float", "double", "date", "timestamp", "binary"),
}


def column_type(reader: Reader) -> str:
    """Read a type; as in Hive, `integer`, `varchar` without a length and `text` are none.

    Example:
        >>> column_type(Reader("MAP<string, struct<a: INT, b:decimal(10, 2)>>"))
        'map<string,struct<a:int,b:decimal(10,2)>>'
    """
    word = reader.next.value.lower()
    if reader.next.kind != "word":
        reader.fail("a column type")
    if word in _SIMPLE:
        reader.take()
        return word
    if word in {"decimal", "varchar", "char"}:
        reader.take()
        return word + _sizes(reader, word)
    if word in {"array", "map", "struct"}:
        reader.take()
        return _nested(reader, word)
    reader.fail("a column type")


def _sizes(reader: Reader, word: str) -> str:
    if word == "decimal" and not (reader.next.kind == "sign" and reader.next.value == "("):
        return "(10,0)"
    sizes = reader.listed(lambda: _number(reader))
    if len(sizes) > (2 if word == "decimal" else 1):
        reader.fail("a column type")
    return f"({','.join(sizes)}{',0' if word == 'decimal' and len(sizes) == 1 else ''})"


def _number(reader: Reader) -> str:
    if not reader.next.value.isdigit():
        reader.fail("a number")
    return reader.take().value


def _nested(reader: Reader, word: str) -> str:
    reader.expect_sign("<")
    parts = [_field(reader) if word == "struct" else column_type(reader)]
    while reader.accept_sign(","):
        parts.append(_field(reader) if word == "struct" else column_type(reader))
    reader.expect_sign(">")
    if len(parts) != {"array": 1, "map": 2}.get(word, len(parts)):
        reader.fail(f"the types of {word}")
    return f"{word}<{','.join(parts)}>"


def _field(reader: Reader) -> str:
    name = reader.name()
    reader.expect_sign(":")
    kind = column_type(reader)
    if reader.accept("COMMENT"):
        reader.text()
    return f"{name}:{kind}"
