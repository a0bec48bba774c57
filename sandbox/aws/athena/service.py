"""Athena in one region: runs executions in a thread pool, stops them, and describes them."""

import logging
import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from moto.athena.models import AthenaBackend

from sandbox.aws.athena.catalog import Catalog
from sandbox.aws.athena.execution import FINAL, Execution
from sandbox.aws.athena.prepared import PreparedStatements, is_utility
from sandbox.aws.athena.runner import Runner, row_file
from sandbox.aws.athena.sql import statements
from sandbox.aws.athena.sql.types import column_info
from sandbox.aws.context import Context
from sandbox.aws.errors import ApiError, QueryError, SandboxAwsError
from sandbox.aws.storage import Location, Storage

_THREADS = 4
# CREATE TABLE AS something that is no query.
_NO_CTAS = re.compile(r"CREATE\s+TABLE\s.*?\sAS\s+([A-Z]+)\s", re.IGNORECASE | re.DOTALL)
_log = logging.getLogger(__name__)


def invalid(message: str) -> ApiError:
    """Return Athena's error for an invalid request."""
    return ApiError("InvalidRequestException", message)


class AthenaService:
    """The query executions of one region.

    Args:
        context: The sandbox.
        region: For example `eu-west-1`.
    """

    def __init__(self, context: Context, region: str) -> None:
        self._context = context
        self._region = region
        self.catalog = Catalog(context.client("glue", region))
        self._rows = context.folder("athena", "rows")
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix=f"athena-{region}")
        self._executions: dict[str, Execution] = {}
        self.prepared = PreparedStatements()

    def start(self, request: dict[str, Any], backend: AthenaBackend, caller: str) -> str:
        """Start an execution for a StartQueryExecution request; return its id.

        Raises:
            ApiError: The request is invalid (InvalidRequestException).
        """
        token = request.get("ClientRequestToken")
        for known in self._executions.values():
            if token and known.token == token:
                if (known.query, known.parameters) != (request.get("QueryString"), request.get("ExecutionParameters")):
                    raise invalid("Idempotent parameters do not match")
                return known.identifier
        execution = self._execution(request, backend, caller)
        self._executions[execution.identifier] = execution
        self._pool.submit(self._work, execution)
        return execution.identifier

    def get(self, identifier: str) -> Execution:
        """Return an execution.

        Raises:
            ApiError: No execution has that id.
        """
        try:
            return self._executions[identifier]
        except KeyError:
            raise invalid(f"QueryExecution {identifier} was not found") from None

    def identifiers(self, workgroup: str) -> list[str]:
        """Return the ids of a workgroup's executions, newest first."""
        found = [item for item in self._executions.values() if item.workgroup == workgroup]
        return [item.identifier for item in sorted(found, key=lambda item: item.submitted, reverse=True)]

    def stop(self, identifier: str) -> None:
        """Cancel an execution; an ended one does not change."""
        execution = self.get(identifier)
        execution.end("CANCELLED", "Query cancelled by user")
        with execution.lock:
            if execution.run:
                execution.run.cancel()

    def results(self, identifier: str, start: int, count: int) -> dict[str, Any]:
        """Return one page of GetQueryResults, starting at row `start`.

        Raises:
            ApiError: The query has not succeeded.
        """
        execution = self.get(identifier)
        if execution.state not in FINAL:
            raise invalid(f"Query has not yet finished. Current state: {execution.state}")
        if execution.state != "SUCCEEDED":
            raise invalid(f"Query did not finish successfully. Final query state: {execution.state}")
        rows = row_file(self._rows, execution).page(start, count + 1)
        answer: dict[str, Any] = {
            "ResultSet": {
                "Rows": [
                    {"Data": [{} if value is None else {"VarCharValue": value} for value in row]}
                    for row in rows[:count]
                ],
                "ResultSetMetadata": {
                    "ColumnInfo": [_column_info(execution, column.name, column.kind) for column in execution.columns]
                },
            },
            "UpdateCount": execution.updated or 0,
        }
        if len(rows) > count:
            answer["NextToken"] = str(start + count)
        return answer

    def close(self) -> None:
        """Cancel all running queries and stop the threads."""
        for execution in list(self._executions.values()):
            if execution.state not in FINAL:
                self.stop(execution.identifier)
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _runner(self, caller: str) -> Runner:
        """Return a runner with the caller's permissions, as Athena has."""
        here = self._context
        catalog = Catalog(here.client("glue", self._region, caller))
        storage = Storage(here.client("s3", self._region, caller), here.folder("athena", "objects"))
        return Runner(catalog, storage, here.folder("athena", "scratch"), self._rows)

    def _execution(self, request: dict[str, Any], backend: AthenaBackend, caller: str) -> Execution:
        """Return the execution that a StartQueryExecution request describes."""
        sql = request.get("QueryString") or ""
        name = request.get("WorkGroup") or "primary"
        output, enforced = _output(request, backend, name)
        if not statements.clean(sql):
            raise invalid("Queries of this type are not supported: the query string is empty")
        context = request.get("QueryExecutionContext") or {}
        database = (context.get("Database") or "").strip("`")
        execution = Execution(
            query=sql,
            kind="",
            database=database.lower() if database else None,
            context=context,
            output=output,
            workgroup=name,
            parameters=request.get("ExecutionParameters"),
            caller=caller,
            token=request.get("ClientRequestToken"),
            enforced=enforced,
            managed=not output,
            reuse=request.get("ResultReuseConfiguration") or {},
            submitted=time.time(),
        )
        execution.statement = statements.clean(sql)
        try:
            found = self.prepared.resolve(execution.statement, name, execution.parameters or [])
            execution.statement, execution.values = found
        except QueryError as error:
            execution.refused = str(error)
        if not execution.refused:
            statements.require_syntax(execution.statement)
        utility = is_utility(execution.statement)
        execution.kind = "DDL" if utility else statements.kind(execution.statement)
        wrapped = _NO_CTAS.match(execution.statement) if execution.kind == "DDL" else None
        if wrapped:
            raise invalid(
                f"line 1:1: extraneous input '{wrapped[1]}' expecting {{'(', 'SELECT', 'TABLE', 'VALUES', 'WITH'}}"
            )
        execution.location = "" if execution.managed else _location(execution)
        return execution

    def _earlier(self, execution: Execution) -> Execution | None:
        """Return the newest query whose result this one may reuse."""
        if not execution.reuse_minutes or execution.kind != "QUERY":
            return None
        oldest = time.time() - 60 * execution.reuse_minutes

        def question(item: Execution) -> tuple[object, ...]:
            return item.kind, item.statement, item.values, item.database, item.workgroup

        found = [
            item
            for item in self._executions.values()
            if item.state == "SUCCEEDED" and question(item) == question(execution) and (item.finished or 0) >= oldest
        ]
        return max(found, key=lambda item: item.submitted, default=None)

    def _work(self, execution: Execution) -> None:
        if not execution.begin():
            return
        try:
            if execution.refused:
                raise QueryError(execution.refused)
            runner = self._runner(execution.caller)
            earlier = self._earlier(execution)
            if earlier:
                runner.reuse(execution, earlier)
            elif self.prepared.run(execution.statement, execution.workgroup):
                runner.nothing(execution)
            else:
                runner.run(execution)
        except SandboxAwsError as error:
            execution.end("FAILED", str(error))
        except Exception as error:  # a bug in the sandbox must fail the query and not block its client
            _log.exception("query %s", execution.identifier)
            execution.end("FAILED", f"GENERIC_INTERNAL_ERROR: {type(error).__name__}: {error}")
        else:
            execution.end("SUCCEEDED")


def _column_info(execution: Execution, name: str, kind: str) -> dict[str, Any]:
    info = column_info(name, kind)
    return {**info, "Type": "string", "Precision": 0, "CaseSensitive": False} if execution.kind == "DDL" else info


def _output(request: dict[str, Any], backend: AthenaBackend, name: str) -> tuple[dict[str, Any], bool]:
    """Return the effective result configuration, and whether the workgroup enforces its own location.

    Raises:
        ApiError: The workgroup is unknown or disabled, or nobody names a location.
    """
    if name not in backend.work_groups:
        raise invalid(f"WorkGroup {name} is not found.")
    group = backend.work_groups[name]
    if group.state == "DISABLED":
        raise invalid(f"WorkGroup {name} is disabled.")
    enforced = bool(group.configuration.get("EnforceWorkGroupConfiguration"))
    group_output = group.configuration.get("ResultConfiguration") or {}
    output = dict(request.get("ResultConfiguration") or {})
    if (enforced and group_output.get("OutputLocation")) or not output.get("OutputLocation"):
        output = {**output, **group_output}
    if (group.configuration.get("ManagedQueryResultsConfiguration") or {}).get("Enabled"):
        return {}, False
    if not output.get("OutputLocation"):
        raise invalid(
            "No output location provided. An output location is required either through the Workgroup result "
            "configuration setting or as an API input."
        )
    return output, enforced and bool(group_output.get("OutputLocation"))


def _location(execution: Execution) -> str:
    """Return the result: `<id>.csv` for SELECT, `<id>.txt` for DDL, `tables/<id>` for CTAS, else `<id>`."""
    try:
        folder = Location.parse(execution.output["OutputLocation"]).folder
    except SandboxAwsError as error:
        raise invalid(f"outputLocation is not a valid S3 path. ({error})") from error
    names = {"QUERY": "{}.csv", "DDL": "{}.txt", "CTAS": "tables/{}"}
    return str(folder / names.get(execution.kind, "{}").format(execution.identifier))
