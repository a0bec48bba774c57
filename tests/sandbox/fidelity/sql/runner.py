"""Runs probes against an Athena client and judges the answers."""

import re
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.exceptions import ClientError

from tests.sandbox.fidelity.outcome import Finding, Outcome
from tests.sandbox.fidelity.sql.probes import Probe, Rows

_THREADS = 3
_POLL = 0.01
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
        """Return one finding per probe; the probes run at the same time, so they must not depend on each other."""
        with ThreadPoolExecutor(_THREADS) as pool:
            return list(pool.map(self.judge, probes))

    def judge(self, probe: Probe) -> Finding:
        """Run one probe."""
        answer = self.ask(probe.sql)
        return Finding(probe.id, outcome(probe, answer), str(answer))

    def ask(self, sql: str) -> Answer:
        """Return the rows of a statement, without its header, or the text of its error."""
        try:
            started = self._athena.start_query_execution(
                QueryString=sql,
                ResultConfiguration={"OutputLocation": self._output},
                QueryExecutionContext=self._context,
            )
        except ClientError as error:
            return f"{error.response['Error']['Code']}: {error.response['Error']['Message']}"
        return self._result(started["QueryExecutionId"])

    def _result(self, identifier: str) -> Answer:
        while True:
            execution = self._athena.get_query_execution(QueryExecutionId=identifier)["QueryExecution"]
            status = execution["Status"]
            if status["State"] in {"FAILED", "CANCELLED"}:
                return str(status.get("StateChangeReason", ""))
            if status["State"] == "SUCCEEDED":
                break
            time.sleep(_POLL)
        rows = self._athena.get_query_results(QueryExecutionId=identifier)["ResultSet"]["Rows"]
        cells = [[cell.get("VarCharValue") for cell in row["Data"]] for row in rows]
        return cells[1:] if execution["SubstatementType"] == "SELECT" else cells


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
