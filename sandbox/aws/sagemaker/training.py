"""Training jobs that run: SageMaker's contract of /opt/ml, one process group per host, real states and artifacts."""

import re
import shutil
import signal
import time
from pathlib import Path
from typing import Any

from sandbox.aws.container import HOST_VARIABLES, Container
from sandbox.aws.errors import JobError
from sandbox.aws.logs import LogStream
from sandbox.aws.sagemaker.archives import pack
from sandbox.aws.sagemaker.checkpoints import Checkpoints
from sandbox.aws.sagemaker.hosts import ContainerGroup, Host, addresses, opt_ml
from sandbox.aws.sagemaker.jobs import Job, now
from sandbox.aws.storage import Location
from sandbox.containers import Limits

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
# Exit codes of a container whose instance was reclaimed: SIGTERM, whether or not its entry point handles it.
_TAKEN_AWAY = {128 + signal.SIGTERM, -signal.SIGTERM}
_MESSAGES = {
    "Starting": "Preparing the instances for training",
    "Downloading": "Downloading the training image",
    "Training": "Training image download completed. Training in progress.",
    "Interrupted": "Instances were reclaimed; the job restarts when instances are available",
    "Stopping": "Stopping the training job",
    "Uploading": "Uploading generated training model",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
}
# What DescribeTrainingJob answers for a channel where the request says nothing.
_CHANNEL = {"CompressionType": "None", "RecordWrapperType": "None"}
_KEPT = (
    "HyperParameters", "AlgorithmSpecification", "RoleArn", "InputDataConfig", "OutputDataConfig", "ResourceConfig",
    "VpcConfig", "StoppingCondition", "CheckpointConfig", "DebugHookConfig", "ExperimentConfig", "ProfilerConfig",
    "TensorBoardOutputConfig", "DebugRuleConfigurations", "Environment", "RetryStrategy", "RemoteDebugConfig",
    "InfraCheckConfig", "SessionChainingConfig",
)  # fmt: skip


class TrainingJob(Job):
    """One training job."""

    kind = "Training"
    noun = "training-job"

    def __init__(self, request: dict[str, Any], **where: Any) -> None:  # noqa: ANN401 - passed on as they are
        super().__init__(request, **where)
        self.secondary = "Starting"
        self.transitions: list[dict[str, Any]] = []
        self.metrics: dict[str, dict[str, Any]] = {}
        self._enter("Starting")

    @property
    def hosts(self) -> list[Host]:
        """The job's hosts; the first uses the job's own folder."""
        count = int(self.request.get("ResourceConfig", {}).get("InstanceCount") or 1)
        base = self.folder()
        return [Host(f"algo-{n}", base if n == 1 else base / "hosts" / f"algo-{n}") for n in range(1, count + 1)]

    def perform(self) -> None:
        """Download the data, train, and upload the artifacts."""
        base = self.folder()
        self.started = now()
        self._enter("Downloading")
        self._prepare()
        if self.stopping.is_set():
            self._enter("Stopped")
            self.finish("Stopped")
            return
        code, reason = self._train_until_done()
        if reason is None and code != 0:
            text = next(filter(None, (_text(host.base / "output" / "failure") for host in self.hosts)), "")
            shown = code if code >= 0 else 128 - code
            self._upload(base, artifacts=False)
            raise JobError(f"AlgorithmError: {text}, exit code: {shown}"[:1024])
        self._enter("Uploading")
        self._upload(base, artifacts=True)
        last = reason or "Completed"
        self._enter(last)
        self.finish("Completed" if reason is None else "Stopped")

    def _train_until_done(self) -> tuple[int, str | None]:
        """Train; restart a spot job on new instances if SIGTERM ended its container."""
        checkpoints = Checkpoints(self.request.get("CheckpointConfig"), self.storage)
        limit = (self.request.get("StoppingCondition") or {}).get("MaxRuntimeInSeconds")
        deadline = time.monotonic() + limit if limit else None
        while True:
            for host in self.hosts:
                checkpoints.fetch(host.base)
            code, reason = self._train(deadline)
            for host in reversed(self.hosts):
                checkpoints.keep(host.base)
            if reason or code not in _TAKEN_AWAY or not self.request.get("EnableManagedSpotTraining"):
                return code, reason
            self._enter("Interrupted")
            for host in self.hosts:
                for name in ("model", "output", "checkpoints"):
                    shutil.rmtree(host.base / name, ignore_errors=True)
            self._enter("Starting")
            self._prepare()

    def finish(self, status: str, reason: str | None = None) -> None:
        """Enter a final state and record it as a transition."""
        if status == "Failed":
            self._enter("Failed", reason)
        if self.transitions:
            self.transitions[-1]["EndTime"] = now()
        super().finish(status, reason)

    def describe(self) -> dict[str, Any]:
        """DescribeTrainingJob."""
        answer: dict[str, Any] = {name: self.request[name] for name in _KEPT if self.request.get(name)}
        answer |= {
            "TrainingJobName": self.name,
            "TrainingJobArn": self.arn,
            "TrainingJobStatus": self.status,
            "SecondaryStatus": self.secondary,
            "SecondaryStatusTransitions": [dict(item) for item in self.transitions],
            "CreationTime": self.created,
            "LastModifiedTime": self.modified,
            "FinalMetricDataList": list(self.metrics.values()),
            "ModelArtifacts": {"S3ModelArtifacts": str(self._target("model.tar.gz"))},
            "StoppingCondition": self.request.get("StoppingCondition") or {"MaxRuntimeInSeconds": 86400},
            "InputDataConfig": [{**_CHANNEL, **channel} for channel in self.request.get("InputDataConfig") or []],
            "OutputDataConfig": {"KmsKeyId": "", "CompressionType": "GZIP", **self.request["OutputDataConfig"]},
        }
        if not answer["InputDataConfig"]:
            del answer["InputDataConfig"]
        for flag in (
            "EnableNetworkIsolation",
            "EnableInterContainerTrafficEncryption",
            "EnableManagedSpotTraining",
        ):
            answer[flag] = bool(self.request.get(flag))
        if self.failure:
            answer["FailureReason"] = self.failure
        if self.started:
            answer["TrainingStartTime"] = self.started
        if self.ended and self.started:
            seconds = max(1, round((self.ended - self.started).total_seconds()))
            answer |= {
                "TrainingEndTime": self.ended,
                "TrainingTimeInSeconds": seconds,
                "BillableTimeInSeconds": seconds,
            }
        return answer

    def summary(self) -> dict[str, Any]:
        """Return the entry in ListTrainingJobs."""
        return {**super().summary(), "SecondaryStatus": self.secondary}

    def _enter(self, secondary: str, message: str | None = None) -> None:
        moment = now()
        if self.transitions:
            self.transitions[-1].setdefault("EndTime", moment)
        self.transitions.append(
            {"Status": secondary, "StartTime": moment, "StatusMessage": message or _MESSAGES[secondary]}
        )
        self.secondary, self.modified = secondary, moment

    def _target(self, name: str) -> Location:
        return Location.parse(self.request["OutputDataConfig"]["S3OutputPath"]) / f"{self.name}/output/{name}"

    def _prepare(self) -> None:
        """Write the containers' inputs: configuration files and the channels' data."""
        names = [host.name for host in self.hosts]
        for position, host in enumerate(self.hosts):
            host.lay_out(self.request, names)
            for channel in self.request.get("InputDataConfig") or []:
                self._download(channel, host.base / "input" / "data" / channel["ChannelName"], position, len(names))

    def _download(self, channel: dict[str, Any], folder: Path, position: int, hosts: int) -> None:
        """Copy a host's objects of a channel; keys keep their path relative to the prefix's last slash."""
        source = channel["DataSource"].get("S3DataSource")
        if source is None or source.get("S3DataType", "S3Prefix") != "S3Prefix":
            raise JobError(f"ClientError: channel {channel['ChannelName']}: the sandbox reads S3Prefix sources only")
        prefix = Location.parse(source["S3Uri"])
        start = prefix.key.rfind("/") + 1
        folder.mkdir(parents=True, exist_ok=True)
        items = [item for item in self.storage.objects(prefix) if not item.place.key.endswith("/")]
        sharded = source.get("S3DataDistributionType") == "ShardedByS3Key"
        for item in items[position::hosts] if sharded else items:
            self.storage.download(item.place, folder / item.place.key[start:])
        if not items:
            raise JobError(
                f"ClientError: Data download failed:Failed to download data. No S3 objects found under S3 URL "
                f'"{prefix}" given in input data source. Please ensure that the bucket exists in the selected region, '
                "that objects exist under that S3 prefix, and that the role has access to it."
            )

    def _train(self, deadline: float | None) -> tuple[int, str | None]:
        """Run the containers; return the exit code, and Stopped or MaxRuntimeExceeded if they were ended early."""
        group, logs, hosts = ContainerGroup(), [], self.hosts
        self.container = group
        epoch = int(time.time() * 1000)
        places = addresses([host.name for host in hosts]) if len(hosts) > 1 else ""
        self._enter("Training")
        for host in hosts:
            stream = f"{self.name}/{host.name}-{epoch}"
            logs.append(self.log(LOG_GROUP, stream))
            group.add(self._start(host, logs[-1], {"CREDIT_TRAIN_ADDRESSES": places} if places else {}))
        code = group.wait(self.stopping, deadline)
        reason = None
        if code is None:
            reason = "Stopped" if self.stopping.is_set() else "MaxRuntimeExceeded"
            self._enter("Stopping")
        ended = group.end(self.grace)
        for log in logs:
            log.flush()
        return (ended if code is None else code), reason

    def _start(self, host: Host, log: LogStream, network: dict[str, str]) -> Container:
        algorithm = self.request["AlgorithmSpecification"]
        patterns = [(item["Name"], re.compile(item["Regex"])) for item in algorithm.get("MetricDefinitions") or []]

        def on_line(line: str) -> None:
            log.line(line)
            self._measure(patterns, line)

        environment = {
            **self.environment(),
            **network,
            "TRAINING_JOB_NAME": self.name,
            "TRAINING_JOB_ARN": self.arn,
            **(self.request.get("Environment") or {}),
        }
        image = algorithm.get("TrainingImage", "")
        return Container(
            image,
            ["train"],
            environment=environment,
            folder=host.base,
            on_line=on_line,
            foreign=HOST_VARIABLES,
            mounts=(opt_ml(host.base),),
            limits=Limits(cpus=1) if len(self.hosts) > 1 else None,  # LightGBM's threads spin while they wait
        )

    def _measure(self, patterns: list[tuple[str, re.Pattern[str]]], line: str) -> None:
        for name, pattern in patterns:
            found = pattern.search(line)
            if found:
                try:
                    value = float(found[1] if pattern.groups else found[0])
                except ValueError:
                    continue
                self.metrics[name] = {"MetricName": name, "Value": value, "Timestamp": now()}

    def _upload(self, base: Path, *, artifacts: bool) -> None:
        packed = {"model": base / "model"} if artifacts else {}
        for name, folder in {**packed, "output": base / "output" / "data"}.items():
            archive = base / f"{name}.tar.gz"
            if pack(folder, archive):
                self.storage.write(self._target(f"{name}.tar.gz"), archive, content_type="application/gzip")


def _text(path: Path) -> str:
    return path.read_text(errors="replace").strip() if path.exists() else ""
