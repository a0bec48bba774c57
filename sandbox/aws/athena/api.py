"""Athena's HTTP actions: moto's for named queries and data catalogs, ours for queries, workgroups and tables."""

import json
from typing import Any, ClassVar

from moto.athena.models import WorkGroup, athena_backends
from moto.athena.responses import AthenaResponse

from sandbox.aws.athena.service import AthenaService, invalid
from sandbox.aws.context import Context
from sandbox.aws.errors import ApiError
from sandbox.aws.roles import caller

_PAGE = 1000
_CATALOG = "AwsDataCatalog"


class AthenaApi(AthenaResponse):
    """Athena's actions; `sandbox.aws.athena.install` sets `context`."""

    context: ClassVar[Context]
    services: ClassVar[dict[str, AthenaService]]

    @property
    def service(self) -> AthenaService:
        """The Athena service of the request's region."""
        if self.region not in self.services:
            self.services[self.region] = AthenaService(self.context, self.region)
        return self.services[self.region]

    @property
    def request(self) -> dict[str, Any]:
        """The JSON body of the request."""
        body: dict[str, Any] = json.loads(self.body or "{}")
        return body

    def start_query_execution(self) -> str:
        """StartQueryExecution."""
        backend = athena_backends[self.current_account][self.region]
        return json.dumps(
            {"QueryExecutionId": self.service.start(self.request, backend, caller(self.headers.get("Authorization")))}
        )

    def get_query_execution(self) -> str:
        """GetQueryExecution."""
        return json.dumps({"QueryExecution": self.service.get(self.request["QueryExecutionId"]).describe()})

    def batch_get_query_execution(self) -> str:
        """BatchGetQueryExecution."""
        found, missing = [], []
        for identifier in self.request["QueryExecutionIds"]:
            try:
                found.append(self.service.get(identifier).describe())
            except ApiError:
                missing.append({"QueryExecutionId": identifier, "ErrorCode": "INTERNAL_FAILURE"})
        return json.dumps({"QueryExecutions": found, "UnprocessedQueryExecutionIds": missing})

    def list_query_executions(self) -> str:
        """ListQueryExecutions: newest first."""
        request = self.request
        self._require_group(request.get("WorkGroup") or "primary")
        identifiers = self.service.identifiers(request.get("WorkGroup") or "primary")
        return json.dumps(_paged("QueryExecutionIds", identifiers, request))

    def stop_query_execution(self) -> str:
        """StopQueryExecution."""
        self.service.stop(self.request["QueryExecutionId"])
        return "{}"

    def get_query_results(self) -> str:
        """GetQueryResults."""
        request = self.request
        start, count = _start(request), int(request.get("MaxResults") or _PAGE)
        if count > _PAGE:
            raise invalid(f"MaxResults is more than maximum allowed length {_PAGE}")
        return json.dumps(self.service.results(request["QueryExecutionId"], start, count))

    def get_query_runtime_statistics(self) -> str:
        """GetQueryRuntimeStatistics."""
        return json.dumps({"QueryRuntimeStatistics": self.service.get(self.request["QueryExecutionId"]).runtime()})

    def create_prepared_statement(self) -> str:
        """CreatePreparedStatement."""
        request = self._of_group()
        name, group = request["StatementName"], request["WorkGroup"]
        self.service.prepared.create(name, group, request["QueryStatement"], request.get("Description", ""))
        return "{}"

    def get_prepared_statement(self) -> str:
        """GetPreparedStatement."""
        request = self._of_group()
        found = self.service.prepared.get(request["StatementName"], request["WorkGroup"])
        return json.dumps({"PreparedStatement": found.describe()})

    def batch_get_prepared_statement(self) -> str:
        """BatchGetPreparedStatement."""
        request = self._of_group()
        found, missing = [], []
        for name in request["PreparedStatementNames"]:
            try:
                found.append(self.service.prepared.get(name, request["WorkGroup"]).describe())
            except ApiError as error:
                missing.append({"StatementName": name, "ErrorCode": "INVALID_INPUT", "ErrorMessage": error.message})
        return json.dumps({"PreparedStatements": found, "UnprocessedPreparedStatementNames": missing})

    def list_prepared_statements(self) -> str:
        """ListPreparedStatements."""
        request = self._of_group()
        found = [
            {"StatementName": item.name, "LastModifiedTime": item.modified}
            for item in self.service.prepared.all(request["WorkGroup"])
        ]
        return json.dumps(_paged("PreparedStatements", found, request))

    def update_prepared_statement(self) -> str:
        """UpdatePreparedStatement."""
        request = self._of_group()
        name, group = request["StatementName"], request["WorkGroup"]
        self.service.prepared.update(name, group, request["QueryStatement"], request.get("Description"))
        return "{}"

    def delete_prepared_statement(self) -> str:
        """DeletePreparedStatement."""
        request = self._of_group()
        self.service.prepared.delete(request["StatementName"], request["WorkGroup"])
        return "{}"

    def get_work_group(self) -> str:
        """GetWorkGroup: unlike moto, refuse an unknown workgroup."""
        self._require_group(self.request["WorkGroup"])
        return str(super().get_work_group())

    def update_work_group(self) -> str:
        """UpdateWorkGroup: description, state and configuration."""
        request = self.request
        group = self._require_group(request["WorkGroup"])
        group.description = request.get("Description", group.description)
        group.state = request.get("State", group.state)
        updates = dict(request.get("ConfigurationUpdates") or {})
        result = updates.pop("ResultConfigurationUpdates", {})
        stored = group.configuration.setdefault("ResultConfiguration", {})
        for name, value in result.items():
            if name.startswith("Remove") and value:
                stored.pop(name.removeprefix("Remove"), None)
            else:
                stored[name] = value
        group.configuration.update(updates)
        return "{}"

    def get_database(self) -> str:
        """GetDatabase: read from Glue."""
        name = self.request["DatabaseName"]
        for item in self.service.catalog.databases():
            if item["Name"] == name.lower():
                return json.dumps({"Database": _database(item)})
        raise ApiError("MetadataException", f"Database {name} not found.")

    def list_databases(self) -> str:
        """ListDatabases: read from Glue."""
        found = [_database(item) for item in self.service.catalog.databases()]
        request = self.request
        return json.dumps(_paged("DatabaseList", found, request))

    def get_table_metadata(self) -> str:
        """GetTableMetadata: read from Glue."""
        request = self.request
        raw = self.service.catalog.raw(request["DatabaseName"].lower(), request["TableName"].lower())
        if raw is None:
            raise ApiError("MetadataException", f"Table {request['TableName']} not found.")
        return json.dumps({"TableMetadata": _metadata(raw)})

    def list_table_metadata(self) -> str:
        """ListTableMetadata: read from Glue."""
        request = self.request
        found = [_metadata(item) for item in self.service.catalog.tables(request["DatabaseName"].lower())]
        return json.dumps(_paged("TableMetadataList", found, request))

    def _of_group(self) -> dict[str, Any]:
        """Return a request that names a workgroup; refuse an unknown one."""
        request = self.request
        self._require_group(request["WorkGroup"])
        return request

    def _require_group(self, name: str) -> WorkGroup:
        groups = athena_backends[self.current_account][self.region].work_groups
        if name not in groups:
            raise invalid(f"WorkGroup {name} is not found.")
        return groups[name]


def _paged(name: str, items: list[Any], request: dict[str, Any], count: int = 50) -> dict[str, Any]:
    """Return one page of a listing, and the token of the next one."""
    return _page(name, items, _start(request), int(request.get("MaxResults") or count))


def _start(request: dict[str, Any]) -> int:
    token = str(request.get("NextToken") or "0")
    if not token.isdigit():
        raise invalid("Invalid token")
    return int(token)


def _page(name: str, items: list[Any], start: int, count: int) -> dict[str, Any]:
    answer: dict[str, Any] = {name: items[start : start + count]}
    if len(items) > start + count:
        answer["NextToken"] = str(start + count)
    return answer


def _database(item: dict[str, Any]) -> dict[str, Any]:
    kept = {"Name": item["Name"], "Parameters": item.get("Parameters", {})}
    return {**kept, **({"Description": item["Description"]} if item.get("Description") else {})}


def _metadata(raw: dict[str, Any]) -> dict[str, Any]:
    storage = raw.get("StorageDescriptor", {})
    parameters = {
        **raw.get("Parameters", {}),
        "location": storage.get("Location", ""),
        "serde.serialization.lib": storage.get("SerdeInfo", {}).get("SerializationLibrary", ""),
    }
    answer = {
        "Name": raw["Name"],
        "TableType": raw.get("TableType", "EXTERNAL_TABLE"),
        "Columns": [_column(item) for item in storage.get("Columns", [])],
        "PartitionKeys": [_column(item) for item in raw.get("PartitionKeys", [])],
        "Parameters": parameters,
    }
    if raw.get("CreateTime"):
        answer["CreateTime"] = raw["CreateTime"].timestamp()
    return answer


def _column(item: dict[str, Any]) -> dict[str, Any]:
    return {key: item[key] for key in ("Name", "Type", "Comment") if item.get(key)}
