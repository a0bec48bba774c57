"""The base of the typed parts of a bundle's document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    SerializerFunctionWrapHandler,
    TypeAdapter,
    ValidationError,
    model_serializer,
    model_validator,
)


class Record(BaseModel, Mapping[str, Any]):
    """A part of bundle.json that older and newer releases may write with fewer or more fields.

    Fields that were not given have defaults and are not written; fields that this release does not know are kept, and
    so is a value that it would not write itself: what a model's papers say never stops it from scoring. A record can
    also be read like the mapping it is in bundle.json.

    Example:
        >>> class Point(Record):
        ...     x: float = 0.0
        ...     y: float = 0.0
        >>> Point(x=1.0, z=3).model_dump()
        {'x': 1.0, 'z': 3}
        >>> Point(x=1.0)["x"]
        1.0
    """

    # Each part is validated with the document, which needs no validator of the part itself: build that when it is used.
    model_config = ConfigDict(frozen=True, extra="allow", defer_build=True)

    @model_validator(mode="wrap")
    @classmethod
    def _as_recorded(cls, given: object, read: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return read(given)
        except ValidationError:
            if not isinstance(given, Mapping):
                raise
            fields: dict[str, Any] = {name: cls._readable(name, value) for name, value in given.items()}
            return cls.model_construct(set(fields), **fields)

    @classmethod
    def _readable(cls, name: str, value: object) -> object:
        """Return the value of a field in its type, or as it is where it has another."""
        kind: Any = cls.model_fields[name].annotation if name in cls.model_fields else object
        try:
            return TypeAdapter[Any](kind).validate_python(value)
        except ValidationError:
            return value

    @model_serializer(mode="wrap")
    def _only_given(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in write(self).items() if name in self.model_fields_set}

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - a field of any type
        if name not in self.model_fields_set:
            raise KeyError(name)
        return getattr(self, name)

    def __iter__(self) -> Iterator[str]:  # type: ignore[override]  # a mapping yields its names, a BaseModel pairs
        return iter([name for name in type(self).model_fields if name in self.model_fields_set] + list(self._unknown))

    def __or__(self, changes: Mapping[str, Any]) -> Self:
        return self.model_validate({**self.model_dump(), **changes})

    def __len__(self) -> int:
        return len(self.model_fields_set)

    @property
    def _unknown(self) -> dict[str, Any]:
        return self.__pydantic_extra__ or {}
