"""The tables of probes: what is given, what is called, and what AWS answers."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field

TABLES = Path(__file__).parent / "tables"


class Step(BaseModel):
    """One call.

    Attributes:
        call: Operation in boto3's spelling, with its service in front if that is another one (`logs.create_log_group`).
        with_: Parameters; `$name` in a text is the value of that name.
        save: Names for parts of the answer, by JMESPath.
        until: A JMESPath that must become true of the answer; the call is repeated until then.
    """

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    call: str
    with_: dict[str, Any] = Field(default_factory=dict, alias="with")
    save: dict[str, str] = {}
    until: str | None = None


class Probe(Step):
    """One question, and AWS's answer.

    Attributes:
        id: Unique in its table.
        given: Calls before it, which must succeed.
        error: The error's code, if AWS refuses.
        message: A part of the error's message.
        at: JMESPath into the answer, if AWS answers.
        value: What is there.
        source: Who says so.
        refused: The sandbox does not model this and says so.
    """

    id: str
    given: list[Step] = []
    error: str | None = None
    message: str = ""
    at: str | None = None
    value: Any = None
    source: str
    refused: bool = False


class Table(BaseModel):
    """All probes of one service.

    Attributes:
        service: boto3's name of it.
        once: Calls before the first probe; `$t` is a part of names that belongs to the table, `$u` to a probe.
        given: Calls before every probe.
        values: Named values that the probes use.
    """

    model_config = ConfigDict(extra="forbid")

    service: str
    once: list[Step] = []
    given: list[Step] = []
    values: dict[str, Any] = {}
    probes: list[Probe]


def tables() -> Iterator[Table]:
    """Yield the tables, in order of their files."""
    for path in sorted(TABLES.glob("*.yaml")):
        yield Table.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))


def filled(value: Any, values: Mapping[str, Any]) -> Any:
    """Return a value with the named ones put in.

    `$name` alone is the value itself, inside a text it is its text. `{$times: N, $of: VALUE}` is a list of N, and
    a text repeated N times if VALUE is one; `$i` is the position in the list. `{$bytes: TEXT}` is binary. `{$less:
    NAME, …}` is a named structure with changes, where null leaves a member out.
    """
    if isinstance(value, str):
        return _text(value, values)
    if isinstance(value, list):
        return [filled(item, values) for item in value]
    if not isinstance(value, dict):
        return value
    if "$times" in value:
        return _repeated(value["$of"], int(value["$times"]), values)
    if "$bytes" in value:
        return value["$bytes"].encode()
    if "$less" in value:
        base = filled(values[value["$less"]], values)
        changes = {key: item for key, item in value.items() if key != "$less"}
        merged = {**base, **filled(changes, values)}
        return {key: item for key, item in merged.items() if item is not None}
    return {filled(key, values): filled(item, values) for key, item in value.items()}


def _text(text: str, values: Mapping[str, Any]) -> Any:
    if text.startswith("$") and text[1:] in values:
        return filled(values[text[1:]], values)
    for name in sorted(values, key=len, reverse=True):
        if isinstance(values[name], str | int) and f"${name}" in text:
            text = text.replace(f"${name}", str(values[name]))
    return text


def _repeated(value: Any, times: int, values: Mapping[str, Any]) -> Any:
    if isinstance(value, str) and "$i" not in value:
        return value * times
    return [filled(value, {**values, "i": position}) for position in range(times)]
