"""Batch transform jobs that run: the serve container on a free port, SageMaker's requests, `.out` objects."""

import contextlib
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
from botocore.exceptions import ClientError

from sandbox.aws.container import HOST_VARIABLES, Container
from sandbox.aws.errors import JobError
from sandbox.aws.sagemaker.archives import unpack
from sandbox.aws.sagemaker.batches import Batch, cut, decompress, inputs
from sandbox.aws.sagemaker.filters import RecordFilters
from sandbox.aws.sagemaker.hosts import opt_ml
from sandbox.aws.sagemaker.jobs import STOP_GRACE, Job, now
from sandbox.aws.storage import Location, Object
from sandbox.ports import free_port

LOG_GROUP = "/aws/sagemaker/TransformJobs"
_PING_SECONDS = 240.0
_SEE_LOGS = "See job logs for more information"
_RETRIES = 3  # the default of ModelClientConfig.InvocationsMaxRetries
_SETTINGS: dict[str, Any] = {"MaxConcurrentTransforms": 1, "MaxPayloadInMB": 6, "BatchStrategy": "MultiRecord"}
# What DescribeTransformJob answers where the request says nothing.
_DEFAULTS: dict[str, dict[str, str]] = {
    "TransformInput": {"CompressionType": "None", "SplitType": "None"},
    "TransformOutput": {"AssembleWith": "None", "KmsKeyId": ""},
    "DataProcessing": {"InputFilter": "$", "OutputFilter": "$", "JoinSource": "None"},
}
_KEPT = (
    "ModelName", "MaxConcurrentTransforms", "ModelClientConfig", "MaxPayloadInMB", "BatchStrategy", "Environment",
    "TransformInput", "TransformOutput", "TransformResources", "DataProcessing", "DataCaptureConfig",
    "ExperimentConfig",
)  # fmt: skip


class TransformJob(Job):
    """One batch transform job; `request` also has the model's `_Container` and `_Role`."""

    kind = "Transform"
    noun = "transform-job"

    @property
    def role(self) -> str | None:
        """The model's."""
        found: str | None = self.request["_Role"]
        return found

    def perform(self) -> None:
        """Serve the model, send it all input objects, and stop the server."""
        base = self.folder()
        self.started = now()
        source = self.request["TransformInput"]["DataSource"]["S3DataSource"]
        found = inputs(self.storage, source["S3DataType"], source["S3Uri"])
        instance = f"i-{uuid.uuid4().hex[:17]}"
        self._log = self.log(LOG_GROUP, f"{self.name}/{instance}")
        self._data_log = self.log(LOG_GROUP, f"{self.name}/{instance}/data-log")
        try:
            self._unpack_model(base)
            with self._serve(base) as server:
                self._transform_all(server, found)
        except JobError:
            if not self.stopping.is_set():  # a request that the stop interrupted is not a failure
                raise
        finally:
            if self.container is not None:
                # the container's work is done, so it needs no long grace period
                self.container.end(min(self.grace, 10.0) if self.stopping.is_set() else 10.0)
            self._log.flush()
            self._data_log.flush()
        self.finish("Stopped" if self.stopping.is_set() else "Completed")

    def _transform_all(self, server: httpx.Client, found: list[tuple[Object, str]]) -> None:
        """Transform all objects; one that fails fails the job, but the others are processed all the same."""
        settings, failures = self._settings(server), list[JobError]()
        for item, key in found:
            if self.stopping.is_set():
                break
            try:
                self._transform(server, settings, item, key)
            except JobError as error:
                failures.append(error)
                if self.container is None or self.container.poll() is not None:
                    break
        if failures:
            raise failures[0]

    def describe(self) -> dict[str, Any]:
        """DescribeTransformJob."""
        answer: dict[str, Any] = {name: self.request[name] for name in _KEPT if self.request.get(name) is not None}
        answer |= {name: {**defaults, **answer.get(name, {})} for name, defaults in _DEFAULTS.items()}
        answer |= {
            "TransformJobName": self.name,
            "TransformJobArn": self.arn,
            "TransformJobStatus": self.status,
            "CreationTime": self.created,
        }
        optional = {
            "FailureReason": self.failure,
            "TransformStartTime": self.started,
            "TransformEndTime": self.ended,
        }
        return answer | {name: value for name, value in optional.items() if value is not None}

    def _unpack_model(self, base: Path) -> None:
        url = self.request["_Container"].get("ModelDataUrl")
        if url:
            archive = base / "model.tar.gz"
            try:
                self.storage.download(Location.parse(url), archive)
            except ClientError as error:
                raise JobError(f"ClientError: Failed to download model data from {url}: {error}") from error
            unpack(archive, base / "model")

    @contextlib.contextmanager
    def _serve(self, base: Path) -> Iterator[httpx.Client]:
        port = free_port()
        container = self.request["_Container"]
        environment = {
            **self.environment(),
            **(container.get("Environment") or {}),
            "SAGEMAKER_BIND_TO_PORT": str(port),
            "SAGEMAKER_BATCH": "true",
            "SAGEMAKER_MAX_PAYLOAD_IN_MB": str(self.request.get("MaxPayloadInMB", 6)),
            "SAGEMAKER_BATCH_STRATEGY": self.request.get("BatchStrategy", "MultiRecord"),
            "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": str(self.request.get("MaxConcurrentTransforms") or 1),
            **(self.request.get("Environment") or {}),
        }
        self.container = Container(
            container.get("Image", ""),
            ["serve"],
            environment=environment,
            folder=base,
            on_line=self._log.line,
            foreign=HOST_VARIABLES,
            mounts=(opt_ml(base),),
        )
        seconds = (self.request.get("ModelClientConfig") or {}).get("InvocationsTimeoutInSeconds", 600)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=seconds, trust_env=False) as server:
            self._wait_until_healthy(server)
            yield server

    def _wait_until_healthy(self, server: httpx.Client) -> None:
        deadline = time.monotonic() + _PING_SECONDS
        while time.monotonic() < deadline and not self.stopping.is_set():
            if self.container is None or self.container.poll() is not None:
                raise JobError(f"AlgorithmError: {_SEE_LOGS}")
            with contextlib.suppress(httpx.TransportError):
                if server.get("/ping", timeout=2).status_code == 200:
                    return
            time.sleep(0.05)
        if not self.stopping.is_set():
            raise JobError(f"AlgorithmError: the model server did not answer /ping within {_PING_SECONDS:g} seconds")

    def _settings(self, server: httpx.Client) -> dict[str, Any]:
        """Return the request's own settings on top of what the container offers at /execution-parameters."""
        offered: dict[str, Any] = {}
        with contextlib.suppress(httpx.TransportError, ValueError):
            answer = server.get("/execution-parameters", timeout=10)
            body = answer.json() if answer.status_code == 200 else None
            offered = body if isinstance(body, dict) else {}
        given = {name: value for name, value in self.request.items() if value is not None}
        settings = {name: given.get(name, offered.get(name, default)) for name, default in _SETTINGS.items()}
        # 0 leaves the number of requests to the service.
        return {**settings, "MaxConcurrentTransforms": int(settings["MaxConcurrentTransforms"]) or 1}

    def _transform(self, server: httpx.Client, settings: dict[str, Any], item: Object, key: str) -> None:
        given, wanted = self.request["TransformInput"], self.request["TransformOutput"]
        processing = RecordFilters(self.request.get("DataProcessing") or {}, given.get("ContentType", ""))
        name, most = str(item.place), int(float(settings["MaxPayloadInMB"]) * 2**20)
        batches = cut(
            decompress(self.storage.read(item.place), given.get("CompressionType", "None"), name),
            split=given.get("SplitType", "None"),
            strategy=settings["BatchStrategy"],
            limit=most or None,
            name=name,
        )
        with ThreadPoolExecutor(int(settings["MaxConcurrentTransforms"])) as pool:
            answers = list(pool.map(lambda batch: self._answer(server, processing, batch, item), batches))
        if self.stopping.is_set():
            return
        if wanted.get("AssembleWith", "None") == "Line":
            body = b"".join(answer.removesuffix(b"\n") + b"\n" for answer in answers)
        else:
            body = b"".join(answers)
        target = Location.parse(wanted["S3OutputPath"]) / f"{key}.out"
        self.storage.write(target, body, content_type=wanted.get("Accept") or "application/octet-stream")

    def _answer(self, server: httpx.Client, processing: RecordFilters, batch: Batch, item: Object) -> bytes:
        if self.stopping.is_set():
            return b""
        given, wanted = self.request["TransformInput"], self.request["TransformOutput"]
        body = processing.before(batch.lines, batch.body)
        headers = {
            "Content-Type": given.get("ContentType") or "application/octet-stream",
            "Accept": wanted.get("Accept") or "*/*",
        }
        answer = self._invoke(server, body, headers, item)
        return processing.after(batch.lines, batch.body, answer)

    def _invoke(self, server: httpx.Client, body: bytes, headers: dict[str, str], item: Object) -> bytes:
        retries = (self.request.get("ModelClientConfig") or {}).get("InvocationsMaxRetries", _RETRIES)
        for attempt in range(retries + 1):
            try:
                answer = server.post("/invocations", content=body, headers=headers)
            except httpx.HTTPError as error:
                self._data_log.line(f"{item.place}: Unable to invoke: {error!r}")
                if attempt == retries or self.stopping.is_set():
                    raise JobError(f"AlgorithmError: {_SEE_LOGS}") from error
                continue
            if answer.status_code < 300:
                return answer.content
            self._data_log.line(f"{item.place}: Bad HTTP status returned from invoke: {answer.status_code}")
            self._data_log.line(f"{item.place}: Message: {answer.text[:2000]}")
            if attempt == retries or answer.status_code < 500:
                raise JobError(f"{'ClientError' if answer.status_code < 500 else 'AlgorithmError'}: {_SEE_LOGS}")
        raise JobError(f"AlgorithmError: {_SEE_LOGS}")

    def stop(self, grace: float = STOP_GRACE) -> None:
        """Ask the job to stop; ending the server interrupts a running request."""
        super().stop(grace)
        if self.container is not None:
            self.container.interrupt()
