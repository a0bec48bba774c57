"""Executes one statement: SELECT to a CSV object, CTAS, UNLOAD and INSERT to data files, DDL to Glue."""

import shutil
from pathlib import Path

from sandbox.aws.athena.catalog import Catalog
from sandbox.aws.athena.ddl import Ddl
from sandbox.aws.athena.engine import Column, Run
from sandbox.aws.athena.execution import Execution
from sandbox.aws.athena.results import RowFile, csv_line, rows_of, text_line
from sandbox.aws.athena.sql import statements
from sandbox.aws.athena.sql.dialect import substitute
from sandbox.aws.athena.writes.execute import Writes
from sandbox.aws.athena.writes.files import ROWS_PER_FILE
from sandbox.aws.storage import Location, Storage


class Runner:
    """Executes statements for one region.

    Args:
        catalog: Glue.
        storage: S3.
        scratch: Local folder for temporary files.
        rows: Folder of the result rows for GetQueryResults.
    """

    def __init__(self, catalog: Catalog, storage: Storage, scratch: Path, rows: Path) -> None:
        self._catalog = catalog
        self._storage = storage
        self._scratch = scratch
        self._rows = rows

    def run(self, execution: Execution) -> None:
        """Run an execution to its end.

        Raises:
            SandboxAwsError: It failed; the message is the reason.
        """
        sql = substitute(statements.clean(execution.statement), execution.values)
        if execution.kind == "DDL":
            self._ddl(execution, sql)
            return
        run = Run(self._catalog, self._storage, self._scratch)
        with execution.lock:
            execution.run = run
        try:
            self._query(execution, run, sql)
            execution.scanned = run.scanned
        finally:
            with execution.lock:
                execution.run = None
            run.close()

    def nothing(self, execution: Execution) -> None:
        """Write the empty result of a statement that changes nothing in Glue or S3."""
        self._put(execution, b"")

    def reuse(self, execution: Execution, earlier: Execution) -> None:
        """Answer with the result of an earlier query."""
        shutil.copyfile(row_file(self._rows, earlier).path, row_file(self._rows, execution).path)
        if not execution.managed:
            self._storage.write(
                Location.parse(execution.location), self._storage.read(Location.parse(earlier.location))
            )
        execution.columns, execution.header, execution.reused = earlier.columns, earlier.header, True

    def _put(self, execution: Execution, body: bytes | Path) -> None:
        """Write the result object, unless Athena keeps the result itself."""
        execution.written = len(body) if isinstance(body, bytes) else body.stat().st_size
        if not execution.managed:
            self._storage.write(Location.parse(execution.location), body)

    def _ddl(self, execution: Execution, sql: str) -> None:
        def analyse(query: str) -> list[Column]:
            run = Run(self._catalog, self._storage, self._scratch)
            try:
                return run.prepare(query, execution.database)[1]
            finally:
                run.close()

        answer = Ddl(self._catalog, self._storage, execution.database, analyse).run(sql)
        execution.columns = [Column(name, "VARCHAR") for name in answer.names]
        row_file(self._rows, execution).append(answer.rows)
        self._put(execution, "".join(map(text_line, answer.rows)).encode())

    def _query(self, execution: Execution, run: Run, sql: str) -> None:
        if execution.kind == "QUERY":
            self._select(execution, run, sql)
            return
        writer = Writes(self._catalog, self._storage, self._scratch).run(execution, run, sql)
        execution.columns, execution.updated = [Column("rows", "BIGINT")], writer.rows
        if execution.managed:
            return
        manifest = Location.parse(f"{execution.location}-manifest.csv")
        self._storage.write(manifest, "".join(f"{place}\n" for place in writer.files).encode())
        execution.manifest = str(manifest)

    def _select(self, execution: Execution, run: Run, sql: str) -> None:
        text, columns = run.prepare(sql, execution.database)
        kept, target = row_file(self._rows, execution), self._scratch / f"{execution.identifier}.csv"
        names: list[str | None] = [column.name for column in columns]
        kept.append([names])
        with target.open("w", encoding="utf-8", newline="") as file:
            file.write(csv_line(names))
            for batch in run.batches(text, columns, ROWS_PER_FILE):
                rows = list(rows_of(batch))
                kept.append(rows)
                execution.returned += len(rows)
                file.writelines(map(csv_line, rows))
        self._put(execution, target)
        target.unlink()
        execution.columns, execution.header = columns, True


def row_file(folder: Path, execution: Execution) -> RowFile:
    """Return the row file of an execution in `folder`."""
    return RowFile(folder / f"{execution.identifier}.jsonl")
