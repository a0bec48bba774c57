"""One query execution: its request, its state, its times, and its GetQueryExecution answer."""

import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from sandbox.aws.athena.engine import Column, Run

FINAL = {"SUCCEEDED", "FAILED", "CANCELLED"}


@dataclass
class Execution:
    """A started query; times are seconds since the epoch.

    Attributes:
        query: The statement as sent, with `?` for parameters.
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
    run: Run | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

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
            "StatementType": "DDL" if self.kind in {"DDL", "CTAS"} else "DML",
            "SubstatementType": {"QUERY": "SELECT", "CTAS": "CREATE_TABLE_AS_SELECT"}.get(self.kind, self.kind),
            "ResultConfiguration": {**self.output, "OutputLocation": self.location},
            "ResultReuseConfiguration": {"ResultReuseByAgeConfiguration": {"Enabled": False}},
            "QueryExecutionContext": self.context,
            "Status": status,
            "Statistics": self._statistics(),
            "WorkGroup": self.workgroup,
            "EngineVersion": {
                "SelectedEngineVersion": "AUTO",
                "EffectiveEngineVersion": "Athena engine version 3",
            },
        }
        if self.parameters:
            answer["ExecutionParameters"] = self.parameters
        return answer

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
            "ResultReuseInformation": {"ReusedPreviousResult": False},
        }
        if self.manifest:
            statistics["DataManifestLocation"] = self.manifest
        return statistics
