"""Runs probes against an Athena client and judges the answers."""

import re
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import Any

from botocore.exceptions import ClientError

from tests.sandbox.fidelity.outcome import Finding, Outcome
from tests.sandbox.fidelity.sql.probes import Probe, Rows

_THREADS = 4
_BATCH = 50
_POLL = 0.1
_FINAL = ("SUCCEEDED", "FAILED", "CANCELLED")
_CLEAR = re.compile(r"NOT_SUPPORTED: .*cannot reproduce it", re.DOTALL)
Answer = Rows | str


class Prober:
    """Runs statements through a boto3 Athena client.

    Args:
        athena: The client.
        output: `s3://…` folder of the results.
        database: The database of unqualified tables.
    """

    def __init__(self, athena: Any, output: str, database: str | None = None) -> None:
        self._athena = athena
        self._output = output
        self._context = {"Database": database} if database else {}

    def judge_all(self, probes: Iterable[Probe]) -> list[Finding]:
        """Return one finding per probe; queries that follow each other run together, other statements alone."""
        findings = []
        for _, group in groupby(enumerate(probes), key=lambda item: "" if _is_query(item[1]) else item[0]):
            together = [probe for _, probe in group]
            answers = self.ask_all([probe.sql for probe in together])
            findings += [
                Finding(probe.id, outcome(probe, answer), str(answer))
                for probe, answer in zip(together, answers, strict=True)
            ]
        return findings

    def ask(self, sql: str) -> Answer:
        """Return the rows of a statement, without its header, or the text of its error."""
        return self.ask_all([sql])[0]

    def ask_all(self, statements: list[str]) -> list[Answer]:
        """Return the answers of statements that run at the same time."""
        with ThreadPoolExecutor(_THREADS) as pool:
            started = list(pool.map(self._start, statements))
            executions = self._await([identifier for identifier, _ in started if identifier])
            return list(pool.map(lambda item: self._answer(*item, executions), started))

    def _start(self, sql: str) -> tuple[str | None, str]:
        """Return the id of an execution, or None and the error."""
        try:
            started = self._athena.start_query_execution(
                QueryString=sql,
                ResultConfiguration={"OutputLocation": self._output},
                QueryExecutionContext=self._context,
            )
        except ClientError as error:
            return None, f"{error.response['Error']['Code']}: {error.response['Error']['Message']}"
        return started["QueryExecutionId"], ""

    def _await(self, identifiers: list[str]) -> dict[str, Any]:
        """Wait until executions have ended, and return their descriptions."""
        ended: dict[str, Any] = {}
        while waiting := [identifier for identifier in identifiers if identifier not in ended][:_BATCH]:
            found = self._athena.batch_get_query_execution(QueryExecutionIds=waiting)["QueryExecutions"]
            ended |= {item["QueryExecutionId"]: item for item in found if item["Status"]["State"] in _FINAL}
            if len(found) > len([item for item in found if item["QueryExecutionId"] in ended]):
                time.sleep(_POLL)
        return ended

    def _answer(self, identifier: str | None, error: str, executions: dict[str, Any]) -> Answer:
        if identifier is None:
            return error
        execution = executions[identifier]
        if execution["Status"]["State"] != "SUCCEEDED":
            return str(execution["Status"].get("StateChangeReason", ""))
        rows = self._athena.get_query_results(QueryExecutionId=identifier)["ResultSet"]["Rows"]
        cells = [[cell.get("VarCharValue") for cell in row["Data"]] for row in rows]
        return cells[1:] if execution["SubstatementType"] == "SELECT" else cells


def _is_query(probe: Probe) -> bool:
    return probe.sql.split(maxsplit=1)[0].upper() in ("SELECT", "WITH", "VALUES", "TABLE")


def outcome(probe: Probe, answer: Answer) -> Outcome:
    """Judge an answer."""
    if isinstance(answer, str):
        return _of_error(probe, answer)
    if probe.error is not None:
        return Outcome.LENIENT
    right = probe.expected is None or answer == probe.expected or (probe.any_of and answer[0] in probe.expected)
    return Outcome.RIGHT if right or _alternative(probe, answer) else Outcome.WRONG


def _of_error(probe: Probe, answer: str) -> Outcome:
    if probe.error is not None and re.search(probe.error, answer):
        return Outcome.RIGHT
    return Outcome.REFUSED if _CLEAR.search(answer) else Outcome.MISLEADING


def _alternative(probe: Probe, answer: Rows) -> bool:
    """Return whether a single value is one of several right ones, written `a|b`."""
    if not probe.expected or len(probe.expected) != 1 or len(probe.expected[0]) != 1:
        return False
    wanted = probe.expected[0][0]
    return wanted is not None and len(answer) == 1 and answer[0][0] in wanted.split("|")
