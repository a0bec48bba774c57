"""The syntax of metadata: names, labels, annotations, finalizers and owner references, in the API server's wording."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from sandbox.kubernetes.apiserver.documents import Json, Object
from sandbox.kubernetes.apiserver.errors import FieldError

ANNOTATION_BYTES = 256 * 1024


@dataclass(frozen=True)
class Form:
    """A form of text: its pattern, its longest length and the server's words for it."""

    pattern: str
    most: int
    rule: str
    examples: tuple[str, ...]

    def faults(self, text: str) -> Iterator[str]:
        """Yield what is wrong with a text."""
        if len(text) > self.most:
            yield f"must be no more than {self.most} characters"
        if not re.fullmatch(self.pattern, text):
            shown = ",  or ".join(f"'{example}'" for example in self.examples)
            yield f"{self.rule} (e.g. {shown}, regex used for validation is '{self.pattern}')"


_ENDS = "and must start and end with an alphanumeric character"
LABEL = Form(
    "[a-z0-9]([-a-z0-9]*[a-z0-9])?",
    63,
    f"a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', {_ENDS}",
    ("my-name", "123-abc"),
)
SUBDOMAIN = Form(
    r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*",
    253,
    f"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', {_ENDS}",
    ("example.com",),
)
QUALIFIED = Form(
    "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]",
    63,
    f"name part must consist of alphanumeric characters, '-', '_' or '.', {_ENDS}",
    ("MyName", "my.name", "123-abc"),
)
VALUE = Form(
    "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?",
    63,
    f"a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', {_ENDS}",
    ("MyValue", "my_value", "12345"),
)
DATA_KEY = Form(
    "[-._a-zA-Z0-9]+",
    253,
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
    ("key.name", "KEY_NAME", "key-name"),
)
_QUALIFIED_PARTS = (
    "a qualified name must consist of alphanumeric characters, '-', '_' or '.', "
    f"{_ENDS} (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{QUALIFIED.pattern}') "
    "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
)


def invalid(field: str, value: Json, text: str) -> FieldError:
    """Return the fault of an invalid value."""
    return FieldError(field, "FieldValueInvalid", f"Invalid value: {json.dumps(value)}: {text}")


def metadata_faults(metadata: Object, name: Form = SUBDOMAIN) -> list[FieldError]:
    """Return the faults of an object's metadata; `name` is the form of its name."""
    return [
        *(invalid("metadata.name", metadata.get("name", ""), text) for text in name.faults(metadata.get("name", ""))),
        *_owner_faults(metadata.get("ownerReferences") or []),
        *_label_faults(metadata.get("labels") or {}),
        *_annotation_faults(metadata.get("annotations") or {}),
        *_finalizer_faults(metadata.get("finalizers") or []),
    ]


def qualified_faults(text: str) -> Iterator[str]:
    """Yield what is wrong with the key of a label or an annotation."""
    prefix, slash, name = text.rpartition("/")
    if "/" in prefix:
        yield _QUALIFIED_PARTS
        return
    if slash and not prefix:
        yield "prefix part must be non-empty"
    elif slash:
        yield from (f"prefix part {fault}" for fault in SUBDOMAIN.faults(prefix))
    if not name:
        yield "name part must be non-empty"
    yield from (fault if fault.startswith("name part") else f"name part {fault}" for fault in QUALIFIED.faults(name))


def _label_faults(labels: dict[str, str]) -> Iterator[FieldError]:
    for key, value in sorted(labels.items()):
        yield from (invalid("metadata.labels", key, fault) for fault in qualified_faults(key))
        yield from (invalid("metadata.labels", value, fault) for fault in VALUE.faults(value))


def _annotation_faults(annotations: dict[str, str]) -> Iterator[FieldError]:
    for key in sorted(annotations):
        yield from (invalid("metadata.annotations", key, fault) for fault in qualified_faults(key.lower()))
    size = sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())
    if size > ANNOTATION_BYTES:
        text = f"Too long: must have at most {ANNOTATION_BYTES} bytes"
        yield FieldError("metadata.annotations", "FieldValueTooLong", text)


def _finalizer_faults(finalizers: list[str]) -> Iterator[FieldError]:
    for finalizer in finalizers:
        yield from (invalid("metadata.finalizers", finalizer, fault) for fault in qualified_faults(finalizer))


def _owner_faults(owners: list[Object]) -> Iterator[FieldError]:
    for owner in owners:
        for key, word in (("apiVersion", "version"), ("kind", "kind"), ("name", "name"), ("uid", "uid")):
            if not owner.get(key):
                yield invalid(f"metadata.ownerReferences.{key}", owner.get(key, ""), f"{word} must not be empty")
