"""The binary form of an OpenAPI 2 document, as kubectl reads it: the parts of gnostic's messages that are used here."""

import json
import struct
from collections.abc import Iterable

from sandbox.kubernetes.apiserver.documents import Json, Object

_VARINT, _DOUBLE, _BYTES = 0, 1, 2
_TEXTS = {"$ref": 1, "format": 2, "title": 3, "description": 4, "pattern": 13}
_NUMBERS = {"maximum": 7, "minimum": 9}
_COUNTS = {"maxLength": 11, "minLength": 12, "maxItems": 14, "minItems": 15}
_OPERATIONS = {"get": 2, "put": 3, "post": 4, "delete": 5, "patch": 8}


def document(openapi: Object) -> bytes:
    """Return an OpenAPI 2 document as a protobuf message."""
    info = _text(1, openapi["info"]["title"]) + _text(2, openapi["info"]["version"])
    paths = b"".join(_message(2, _named(path, _path(item))) for path, item in openapi["paths"].items())
    schemas = openapi["definitions"].items()
    definitions = b"".join(_message(1, _named(name, _schema(schema))) for name, schema in schemas)
    return _text(1, openapi["swagger"]) + _message(2, info) + _message(8, paths) + _message(9, definitions)


def _varint(value: int) -> bytes:
    if value < 0:
        value += 1 << 64
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _key(number: int, kind: int) -> bytes:
    return _varint(number << 3 | kind)


def _message(number: int, content: bytes) -> bytes:
    return _key(number, _BYTES) + _varint(len(content)) + content


def _text(number: int, text: str) -> bytes:
    return _message(number, text.encode())


def _integer(number: int, value: int) -> bytes:
    return _key(number, _VARINT) + _varint(value)


def _double(number: int, value: float) -> bytes:
    return _key(number, _DOUBLE) + struct.pack("<d", value)


def _named(name: str, content: bytes) -> bytes:
    return _text(1, name) + _message(2, content)


def _any(value: Json) -> bytes:
    """Return any value: as YAML, of which JSON is a part."""
    return _text(2, json.dumps(value) + "\n")


def _extensions(number: int, content: Object) -> bytes:
    extras = ((name, value) for name, value in content.items() if name.startswith("x-"))
    return b"".join(_message(number, _named(name, _any(value))) for name, value in extras)


def _path(item: Object) -> bytes:
    return b"".join(_message(_OPERATIONS[verb], _operation(content)) for verb, content in item.items())


def _operation(content: Object) -> bytes:
    parameters = b"".join(_message(8, _parameter(each)) for each in content.get("parameters", ()))
    answers = (
        _message(2, _named(code, _message(1, _text(1, a["description"])))) for code, a in content["responses"].items()
    )
    return parameters + _message(9, b"".join(answers)) + _extensions(13, content)


def _parameter(content: Object) -> bytes:
    query = _text(2, content["in"]) + _text(4, content["name"]) + _text(6, content["type"])
    return _message(1, _message(2, _message(3, query)))


def _schema(content: Object) -> bytes:
    return b"".join(_parts(content))


def _parts(content: Object) -> Iterable[bytes]:
    for name, number in _TEXTS.items():
        if name in content:
            yield _text(number, content[name])
    if "default" in content:
        yield _message(5, _any(content["default"]))
    for name, number in _NUMBERS.items():
        if name in content:
            yield _double(number, content[name])
    for name, number in _COUNTS.items():
        if name in content:
            yield _integer(number, content[name])
    yield from (_text(19, name) for name in content.get("required", ()))
    yield from (_message(20, _any(value)) for value in content.get("enum", ()))
    if isinstance(extra := content.get("additionalProperties"), dict):
        yield _message(21, _message(1, _schema(extra)))
    if "type" in content:
        yield _message(22, _text(1, content["type"]))
    if "items" in content:
        yield _message(23, _message(1, _schema(content["items"])))
    if "properties" in content:
        fields = content["properties"].items()
        yield _message(25, b"".join(_message(1, _named(name, _schema(field))) for name, field in fields))
    yield _extensions(31, content)
