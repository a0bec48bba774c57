"""Evaluates the functions of CloudFormation, such as `Ref` and `Fn::Sub`, in parts of a template."""

import re
from collections.abc import Callable, Mapping
from typing import Any

_NAME = re.compile(r"\$\{([^!}][^}]*)\}")


class Evaluator:
    """Evaluates parts of one template.

    Args:
        template: a document as `templates.load` returns it.
        ref: returns the value of a parameter or resource by name.
        attribute: returns an attribute of a resource, given both names.

    Either may return None for what is unknown; whatever depends on it is then left out. Or it may raise, to refuse.

    Example:
        >>> here = Evaluator({}, ref={"Stage": "dev"}.get, attribute=lambda resource, name: None)
        >>> here.evaluate({"Name": {"Fn::Sub": "credit-${Stage}"}, "Key": {"Ref": "Unknown"}})
        {'Name': 'credit-dev'}
    """

    def __init__(
        self,
        template: Mapping[str, Any],
        *,
        ref: Callable[[str], Any],
        attribute: Callable[[str, str], str | None],
    ) -> None:
        self._conditions = template.get("Conditions", {})
        self._ref = ref
        self._attribute = attribute

    def evaluate(self, value: Any) -> Any:  # noqa: ANN401 - any part of a template
        """Return a value with its functions evaluated, None where it is unknown.

        Raises:
            KeyError: a function or condition is not implemented here.
        """
        if isinstance(value, list):
            return [found for item in value if (found := self.evaluate(item)) is not None]
        if not isinstance(value, dict):
            return value
        name = next(iter(value), "")
        if name == "Ref" or name.startswith("Fn::"):
            return self._call(name, value[name])
        return {key: found for key, item in value.items() if (found := self.evaluate(item)) is not None}

    def _call(self, function: str, given: Any) -> Any:  # noqa: ANN401
        calls: dict[str, Callable[[Any], Any]] = {
            "Ref": self._ref,
            "Fn::GetAtt": lambda path: self._attribute(*path),
            "Fn::Sub": self._sub,
            "Fn::Join": lambda parts: str(parts[0]).join(self.evaluate(parts[1])),
            "Fn::If": lambda choice: self.evaluate(choice[1 if self._holds(self._conditions[choice[0]]) else 2]),
        }
        return calls[function](given)

    def _sub(self, text: str) -> str | None:
        found = {name: self._named(name) for name in _NAME.findall(text)}
        if None in found.values():
            return None
        return _NAME.sub(lambda match: str(found[match[1]]), text).replace("${!", "${")

    def _named(self, name: str) -> Any:  # noqa: ANN401
        resource, dot, attribute = name.partition(".")
        return self._attribute(resource, attribute) if dot else self._ref(name)

    def _holds(self, condition: Mapping[str, Any]) -> bool:
        ((function, given),) = condition.items()
        if function == "Fn::Not":
            return not self._holds(given[0])
        if function != "Fn::Equals":
            raise KeyError(f"condition {function} is not implemented here")
        one, other = (self.evaluate(side) for side in given)
        return bool(one == other)
