"""One query execution: its request, its state, its times, and its GetQueryExecution answer."""

import re
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from sandbox.aws.athena.engine import Column, Run

FINAL = {"SUCCEEDED", "FAILED", "CANCELLED"}
_UTILITY = re.compile(r"\s*(SHOW|DESC|DESCRIBE|EXPLAIN)\b", re.IGNORECASE)
_NOISE = re.compile(r"--[^\n]*|/\*.*?\*/|\b(EXTERNAL|OR\s+REPLACE)\b", re.IGNORECASE | re.DOTALL)


@dataclass
class Execution:
    """A started query; times are seconds since the epoch.

    Attributes:
        query: The statement as sent, with `?` for parameters.
        statement: The statement that runs: for EXECUTE, the prepared one.
        values: The parameters of the statement that runs.
        refused: Why it fails at once, if it does.
        managed: Whether Athena keeps the result itself, so nothing goes to S3.
        reuse: The request's ResultReuseConfiguration.
        reused: Whether the result is that of an earlier query.
        caller: Access key id of the caller; Glue and S3 are accessed with the caller's permissions.
        kind: QUERY, CTAS, UNLOAD, INSERT or DDL.
        output: Effective result configuration, without the object's name.
        location: Where the result object, or the stem of the manifest, goes.
    """

    query: str
    kind: str
    database: str | None
    context: dict[str, Any]
    output: dict[str, Any]
    workgroup: str
    parameters: list[str] | None
    caller: str
    token: str | None = None
    enforced: bool = False
    statement: str = ""
    values: list[str] = field(default_factory=list)
    refused: str | None = None
    managed: bool = False
    reuse: dict[str, Any] = field(default_factory=dict)
    reused: bool = False
    identifier: str = field(default_factory=lambda: str(uuid.uuid4()))
    submitted: float = field(default_factory=time.time)
    state: str = "QUEUED"
    reason: str | None = None
    started: float | None = None
    finished: float | None = None
    location: str = ""
    manifest: str | None = None
    scanned: int = 0
    columns: list[Column] = field(default_factory=list)
    header: bool = False
    updated: int | None = None
    returned: int = 0
    written: int = 0
    run: Run | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def reuse_minutes(self) -> int:
        """For how many minutes the result of an earlier query will do; 0 if it will not."""
        by_age = self.reuse.get("ResultReuseByAgeConfiguration") or {}
        return int(by_age.get("MaxAgeInMinutes", 60)) if by_age.get("Enabled") else 0

    def begin(self) -> bool:
        """Move from QUEUED to RUNNING; return false if the query was cancelled first."""
        with self.lock:
            if self.state != "QUEUED":
                return False
            self.state, self.started = "RUNNING", time.time()
            return True

    def end(self, state: str, reason: str | None = None) -> None:
        """Move to a final state; later calls have no effect."""
        with self.lock:
            if self.state not in FINAL:
                self.state, self.reason, self.finished = state, reason, time.time()

    def describe(self) -> dict[str, Any]:
        """Return the `QueryExecution` structure."""
        status: dict[str, Any] = {"State": self.state, "SubmissionDateTime": self.submitted}
        if self.reason:
            status["StateChangeReason"] = self.reason
        if self.state == "FAILED" and self.reason:
            code = self.reason.split(":")[0]
            status["AthenaError"] = {
                "ErrorCategory": 1 if "INTERNAL" in code else 2,
                "ErrorType": 1 if "INTERNAL" in code else 1006,
                "Retryable": False,
                "ErrorMessage": self.reason,
            }
        if self.finished:
            status["CompletionDateTime"] = self.finished
        answer: dict[str, Any] = {
            "QueryExecutionId": self.identifier,
            "Query": self.query,
            "StatementType": self._type(),
            "SubstatementType": self._subtype(),
            "ResultReuseConfiguration": self.reuse or {"ResultReuseByAgeConfiguration": {"Enabled": False}},
            "QueryExecutionContext": self.context,
            "Status": status,
            "Statistics": self._statistics(),
            "WorkGroup": self.workgroup,
            "EngineVersion": {
                "SelectedEngineVersion": "AUTO",
                "EffectiveEngineVersion": "Athena engine version 3",
            },
        }
        if self.managed:
            answer["ManagedQueryResultsConfiguration"] = {"Enabled": True}
        else:
            answer["ResultConfiguration"] = {**self.output, "OutputLocation": self.location}
        if self.parameters:
            answer["ExecutionParameters"] = self.parameters
        return answer

    def _type(self) -> str:
        if self.kind == "DDL" and _UTILITY.match(_NOISE.sub(" ", self.query)):
            return "UTILITY"
        return "DDL" if self.kind in {"DDL", "CTAS"} else "DML"

    def _subtype(self) -> str:
        if self.kind == "DDL":
            words = re.findall(r"\w+", _NOISE.sub(" ", self.query).upper())
            return "_".join(words[: 1 if words[:1] in (["DESCRIBE"], ["DESC"], ["PREPARE"]) else 2])
        return {"QUERY": "SELECT", "CTAS": "CREATE_TABLE_AS_SELECT"}.get(self.kind, self.kind)

    def runtime(self) -> dict[str, Any]:
        """Return the `QueryRuntimeStatistics` structure."""
        told = self._statistics()
        timeline = {name: value for name, value in told.items() if name.endswith("InMillis")}
        if self.state != "SUCCEEDED":
            return {"Timeline": timeline}
        rows = {"InputBytes": self.scanned, "OutputRows": self.returned, "OutputBytes": self.written}
        return {"Timeline": timeline, "Rows": rows}

    def _statistics(self) -> dict[str, Any]:
        now = self.finished or time.time()
        started = self.started or now
        queued, engine = int((started - self.submitted) * 1000), int((now - started) * 1000)
        statistics: dict[str, Any] = {
            "DataScannedInBytes": self.scanned,
            "EngineExecutionTimeInMillis": engine,
            "QueryQueueTimeInMillis": queued,
            "QueryPlanningTimeInMillis": 0,
            "ServicePreProcessingTimeInMillis": 0,
            "ServiceProcessingTimeInMillis": 0,
            "TotalExecutionTimeInMillis": queued + engine,
            "ResultReuseInformation": {"ReusedPreviousResult": self.reused},
        }
        if self.manifest:
            statistics["DataManifestLocation"] = self.manifest
        return statistics
