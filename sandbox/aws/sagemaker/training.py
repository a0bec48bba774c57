"""Training jobs that run: the container contract of /opt/ml, one process group, real states, real artifacts."""

import json
import re
import time
from pathlib import Path
from typing import Any

from sandbox.aws.errors import JobError
from sandbox.aws.sagemaker.archives import pack
from sandbox.aws.sagemaker.container import Container
from sandbox.aws.sagemaker.jobs import Job, now
from sandbox.aws.sagemaker.logs import LogStream
from sandbox.aws.storage import Location

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
_HOST = "algo-1"
_MESSAGES = {
    "Starting": "Preparing the instances for training",
    "Downloading": "Downloading the training image",
    "Training": "Training image download completed. Training in progress.",
    "Stopping": "Stopping the training job",
    "Uploading": "Uploading generated training model",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
}
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

    def perform(self) -> None:
        """Download, train, upload."""
        base = self.folder()
        self.started = now()
        self._enter("Downloading")
        self._prepare(base)
        if self.stopping.is_set():
            self._enter("Stopped")
            self.finish("Stopped")
            return
        code, reason = self._train(base)
        if reason is None and code != 0:
            text = _text(base / "output" / "failure")
            shown = code if code >= 0 else 128 - code
            self._upload(base, artifacts=False)
            raise JobError(f"AlgorithmError: {text}, exit code: {shown}"[:1024])
        self._enter("Uploading")
        self._upload(base, artifacts=True)
        last = reason or "Completed"
        self._enter(last)
        self.finish("Completed" if reason is None else "Stopped")

    def finish(self, status: str, reason: str | None = None) -> None:
        """Enter a final state, in the transitions as well."""
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
        }
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
        """The ListTrainingJobs entry."""
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

    def _prepare(self, base: Path) -> None:
        """Write what the container reads: configuration files and the channels' data."""
        for folder in ("input/config", "input/data", "model", "output/data", "checkpoints"):
            (base / folder).mkdir(parents=True, exist_ok=True)
        channels = self.request.get("InputDataConfig") or []
        files = {
            "hyperparameters": {key: str(value) for key, value in (self.request.get("HyperParameters") or {}).items()},
            "inputdataconfig": {channel["ChannelName"]: _channel_config(channel) for channel in channels},
            "resourceconfig": {
                "current_host": _HOST,
                "current_instance_type": self.request.get("ResourceConfig", {}).get("InstanceType", "ml.m5.large"),
                "current_group_name": "homogeneousCluster",
                "hosts": [_HOST],
                "instance_groups": [
                    {
                        "instance_group_name": "homogeneousCluster",
                        "instance_type": self.request.get("ResourceConfig", {}).get("InstanceType", "ml.m5.large"),
                        "hosts": [_HOST],
                    }
                ],
                "network_interface_name": "eth0",
            },
        }
        for name, content in files.items():
            (base / "input" / "config" / f"{name}.json").write_text(json.dumps(content))
        for channel in channels:
            self._download(channel, base / "input" / "data" / channel["ChannelName"])

    def _download(self, channel: dict[str, Any], folder: Path) -> None:
        """Copy a channel's objects; keys below the last slash of the prefix keep their relative path."""
        source = channel["DataSource"].get("S3DataSource")
        if source is None or source.get("S3DataType", "S3Prefix") != "S3Prefix":
            raise JobError(f"ClientError: channel {channel['ChannelName']}: the sandbox reads S3Prefix sources only")
        prefix = Location.parse(source["S3Uri"])
        start = prefix.key.rfind("/") + 1
        folder.mkdir(parents=True, exist_ok=True)
        found = False
        for item in self.storage.objects(prefix):
            if not item.place.key.endswith("/"):
                self.storage.download(item.place, folder / item.place.key[start:])
                found = True
        if not found:
            raise JobError(
                f"ClientError: Data download failed:Failed to download data. No S3 objects found under S3 URL "
                f'"{prefix}" given in input data source. Please ensure that the bucket exists in the selected region, '
                "that objects exist under that S3 prefix, and that the role has access to it."
            )

    def _train(self, base: Path) -> tuple[int, str | None]:
        """Run the container; return its exit code, and Stopped or MaxRuntimeExceeded when it was ended early."""
        image = self.request["AlgorithmSpecification"].get("TrainingImage", "")
        epoch = int(time.time() * 1000)
        log = LogStream(self.context.client("logs", self.region), LOG_GROUP, f"{self.name}/{_HOST}-{epoch}")
        patterns = [
            (item["Name"], re.compile(item["Regex"]))
            for item in self.request["AlgorithmSpecification"].get("MetricDefinitions") or []
        ]

        def on_line(line: str) -> None:
            log.line(line)
            self._measure(patterns, line)

        environment = {
            **self.environment(),
            "SAGEMAKER_BASE_DIR": str(base),
            "TRAINING_JOB_NAME": self.name,
            "TRAINING_JOB_ARN": self.arn,
            **(self.request.get("Environment") or {}),
        }
        limit = (self.request.get("StoppingCondition") or {}).get("MaxRuntimeInSeconds")
        self._enter("Training")
        self.container = Container(image, ["train"], environment=environment, folder=base, on_line=on_line)
        code = self.container.wait(self.stopping, time.monotonic() + limit if limit else None)
        reason = None
        if code is None:
            reason = "Stopped" if self.stopping.is_set() else "MaxRuntimeExceeded"
            self._enter("Stopping")
        ended = self.container.end(self.grace)
        log.flush()
        return (ended if code is None else code), reason

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


def _channel_config(channel: dict[str, Any]) -> dict[str, str]:
    config = {
        "TrainingInputMode": channel.get("InputMode", "File"),
        "S3DistributionType": channel["DataSource"]
        .get("S3DataSource", {})
        .get("S3DataDistributionType", "FullyReplicated"),
        "RecordWrapperType": channel.get("RecordWrapperType", "None"),
    }
    return {**config, **({"ContentType": channel["ContentType"]} if channel.get("ContentType") else {})}


def _text(path: Path) -> str:
    return path.read_text(errors="replace").strip() if path.exists() else ""
