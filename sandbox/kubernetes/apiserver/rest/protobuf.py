"""Reading the protobuf bodies that newer kubectls send for some built-in types."""

from typing import Any

from sandbox.kubernetes.apiserver.errors import BadRequestError

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_BYTES, _VARINT, _WIDTHS = 2, 0, {1: 8, 5: 4}
# Names of the fields of each message by number; a pair is a field that holds a message, a list one that holds a map.
Shape = dict[int, Any]
_METADATA: Shape = {1: "name", 2: "generateName", 3: "namespace", 11: ["labels"], 12: ["annotations"]}
_ATTRIBUTES = ("namespace", "verb", "group", "version", "resource", "subresource", "name")
_ACCESS: Shape = {
    1: ("resourceAttributes", dict(enumerate(_ATTRIBUTES, start=1))),
    2: ("nonResourceAttributes", {1: "path", 2: "verb"}),
}
SHAPES: dict[str, Shape] = {
    "SelfSubjectAccessReview": {2: ("spec", _ACCESS)},
    "SelfSubjectRulesReview": {2: ("spec", {1: "namespace"})},
    "ConfigMap": {1: ("metadata", _METADATA), 2: ["data"]},
    "Namespace": {1: ("metadata", _METADATA)},
    "DeleteOptions": {2: ("preconditions", {1: "uid", 2: "resourceVersion"}), 4: "propagationPolicy"},
}
_ENVELOPE: Shape = {1: ("type", {1: "apiVersion", 2: "kind"}), 2: "raw"}


def message(raw: bytes) -> dict[str, Any]:
    """Return the object in a protobuf body.

    Raises:
        BadRequestError: It is of a type that this server does not read as protobuf.
    """
    if not raw.startswith(_MAGIC):
        raise BadRequestError("the body of the request is no Kubernetes protobuf message")
    try:
        envelope = _read(raw[len(_MAGIC) :], _ENVELOPE, text=False)
        identity = {key: value.decode() for key, value in envelope["type"].items()}
        return {**identity, **_read(envelope.get("raw", b""), SHAPES[identity["kind"]])}
    except (KeyError, IndexError, ValueError) as error:
        raise BadRequestError(f"as protobuf, this server reads only {', '.join(SHAPES)}: send JSON") from error


def _read(raw: bytes, shape: Shape, *, text: bool = True) -> dict[str, Any]:
    """Return the fields of a message that its shape names."""
    found: dict[str, Any] = {}
    at = 0
    while at < len(raw):
        key, at = _varint(raw, at)
        number, kind = key >> 3, key & 7
        length, at = (_WIDTHS[kind], at) if kind in _WIDTHS else _varint(raw, at)
        if kind != _VARINT:
            content, at = raw[at : at + length], at + length
            if kind == _BYTES and number in shape:
                _take(found, shape[number], content, text=text)
    return found


def _take(found: dict[str, Any], named: Any, content: bytes, *, text: bool) -> None:  # noqa: ANN401 - a shape's entry
    """Put the content of one field into `found`."""
    if isinstance(named, tuple):
        found[named[0]] = _read(content, named[1], text=text)
    elif isinstance(named, list):
        entry = _read(content, {1: "key", 2: "value"})
        found.setdefault(named[0], {})[entry["key"]] = entry.get("value", "")
    elif content or not text:
        found[named] = content.decode() if text else content


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = raw[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
