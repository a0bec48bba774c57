"""Values as they stand in AWS's messages, which come from Java."""

from typing import Any

_LONGEST = 2000


def render(value: Any, shape: Any) -> str:  # noqa: ANN401 - JSON and botocore's shapes
    """Return the text of a value.

    Args:
        value: A JSON value.
        shape: The botocore shape of its member.
    """
    return _text(value, shape)[:_LONGEST]


def _text(value: Any, shape: Any) -> str:  # noqa: ANN401 - JSON and botocore's shapes
    if value is None:
        return "null"
    if shape.type_name == "list" and isinstance(value, list):
        return "[" + ", ".join(_text(item, shape.member) for item in value) + "]"
    if shape.type_name == "map" and isinstance(value, dict):
        return "{" + ", ".join(f"{key}={_text(item, shape.value)}" for key, item in value.items()) + "}"
    if shape.type_name == "structure" and isinstance(value, dict):
        fields = (f"{lowered(name)}={_text(value.get(name), of)}" for name, of in shape.members.items())
        return f"{shape.name}({', '.join(fields)})"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def lowered(name: str) -> str:
    """Return a member's name as messages spell it.

    >>> lowered("TrainingJobName")
    'trainingJobName'
    """
    return name[:1].lower() + name[1:]
