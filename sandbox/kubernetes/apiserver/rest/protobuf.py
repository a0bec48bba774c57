"""Reading the protobuf bodies in which newer kubectls send reviews of their rights."""

from typing import Any

from sandbox.kubernetes.apiserver.errors import BadRequestError

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_BYTES, _VARINT, _WIDTHS = 2, 0, {1: 8, 5: 4}
# Names of the fields of each message by number; a dictionary stands for a message within.
Shape = dict[int, Any]
_ATTRIBUTES = ("namespace", "verb", "group", "version", "resource", "subresource", "name")
REVIEWS: dict[str, Shape] = {
    "SelfSubjectAccessReview": {
        2: (
            "spec",
            {
                1: ("resourceAttributes", dict(enumerate(_ATTRIBUTES, start=1))),
                2: ("nonResourceAttributes", {1: "path", 2: "verb"}),
            },
        )
    },
    "SelfSubjectRulesReview": {2: ("spec", {1: "namespace"})},
}
_ENVELOPE: Shape = {1: ("type", {1: "apiVersion", 2: "kind"}), 2: "raw"}


def review(raw: bytes) -> dict[str, Any]:
    """Return the review in a protobuf body.

    Raises:
        BadRequestError: It is something else.
    """
    if not raw.startswith(_MAGIC):
        raise BadRequestError("the body of the request is no Kubernetes protobuf message")
    try:
        envelope = _read(raw[len(_MAGIC) :], _ENVELOPE, text=False)
        identity = {key: value.decode() for key, value in envelope["type"].items()}
        return {**identity, **_read(envelope["raw"], REVIEWS[identity["kind"]])}
    except (KeyError, IndexError, ValueError) as error:
        raise BadRequestError("this server reads only reviews of one's own rights as protobuf") from error


def _read(raw: bytes, shape: Shape, *, text: bool = True) -> dict[str, Any]:
    """Return the fields of a message that its shape names."""
    found: dict[str, Any] = {}
    at = 0
    while at < len(raw):
        key, at = _varint(raw, at)
        number, kind = key >> 3, key & 7
        length, at = (_WIDTHS[kind], at) if kind in _WIDTHS else _varint(raw, at)
        if kind == _VARINT:
            continue
        content, at = raw[at : at + length], at + length
        named = shape.get(number)
        if isinstance(named, tuple):
            found[named[0]] = _read(content, named[1], text=text)
        elif named and kind == _BYTES and (content or not text):
            found[named] = content.decode() if text else content
    return found


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = raw[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
