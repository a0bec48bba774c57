"""The processes of ECS tasks: started from the task definition, logged, watched, reported and always ended."""

import contextlib
import os
import threading
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from moto.ecs.models import TaskDefinition

from sandbox.aws.container import HOST_VARIABLES, REPOSITORY, Container
from sandbox.aws.context import Context
from sandbox.aws.errors import JobError
from sandbox.aws.events.bus import publish
from sandbox.aws.events.sources import event
from sandbox.aws.logs import LogStream
from sandbox.aws.roles import access_key, credentials
from sandbox.containers import Limits, Mount

STOP_TIMEOUT_SECONDS = 30.0
POLL_SECONDS = 0.1
# A container sees its task definition and none of the machine's own settings.
FOREIGN = ("AWS_", *HOST_VARIABLES)
# The contents of /app in the worker image.
PACKAGES = ("credit_model", "flows", "tasks", "images")


@dataclass
class _Run:
    """One running task; moto's task object is the source of the API answers."""

    task: Any
    definition: dict[str, Any]
    task_role: str | None
    execution_role: str | None
    size: dict[str, Any]
    stopping: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None


class RunningTasks:
    """All tasks of the sandbox's ECS.

    Args:
        context: The AWS sandbox.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._runs: dict[str, _Run] = {}

    def launch(self, task: Any, definition: TaskDefinition) -> None:  # noqa: ANN401 - moto's
        """Start a task and return at once."""
        task.advance = lambda: None  # the task advances in the background, not with each Describe call
        task.created_at = datetime.now(UTC)
        task.containers = task.containers[:1]
        task.containers[0].exitCode = None
        task.containers[0].task_arn = task.task_arn
        task.containers[0].container_arn = f"{task.task_arn.replace(':task/', ':container/')}/{uuid.uuid4()}"
        run = _Run(
            task,
            definition.container_definitions[0],
            task_role=getattr(definition, "task_role_arn", None),
            execution_role=getattr(definition, "execution_role_arn", None),
            size={name: getattr(definition, name, None) for name in ("cpu", "memory")},
        )
        _move(task, "PROVISIONING")
        self._runs[task.id] = run
        run.thread = threading.Thread(target=self._live, args=(run,), name=f"ecs-{task.id}", daemon=True)
        run.thread.start()

    def stop(self, task: Any, reason: str, *, code: str = "UserInitiated") -> None:  # noqa: ANN401 - moto's
        """Ask a task to stop and return at once."""
        if task.last_status == "STOPPED" or self._runs[task.id].stopping.is_set():
            return
        task.desired_status, task.stopped_reason, task.stop_code = "STOPPED", reason, code
        self._runs[task.id].stopping.set()

    def close(self) -> None:
        """Stop all tasks and wait for their processes."""
        runs = list(self._runs.values())
        for run in runs:
            self.stop(run.task, "The sandbox is stopping", code="ServiceSchedulerInitiated")
        for run in runs:
            if run.thread is not None:
                run.thread.join(STOP_TIMEOUT_SECONDS + 10)

    def _live(self, run: _Run) -> None:
        task = run.task
        log = self._log(run)
        _move(task, "PENDING")
        try:
            container = Container(
                run.definition["image"],
                _override(run, "command") or run.definition.get("command") or [],
                environment=self._environment(run),
                folder=self._app(),
                on_line=log.line if log else lambda _: None,
                foreign=FOREIGN,
                mounts=self._mounts(run),
                limits=_limits(run),
            )
        except JobError as error:
            task.stopped_reason = f"CannotPullContainerError: {error}"
            task.stop_code = "TaskFailedToStart"
            self._stopped(run, None)
            return
        task.containers[0].runtimeId = f"{task.id}-{container.pid}"
        task.started_at = datetime.now(UTC)
        _move(task, "RUNNING")
        while container.poll() is None and not run.stopping.wait(POLL_SECONDS):
            pass
        code = container.end(float(run.definition.get("stopTimeout") or STOP_TIMEOUT_SECONDS))
        if log:
            log.flush()
        # A container that signal n ended reports 128 + n, as the shell and the ECS agent do.
        self._stopped(run, code if code >= 0 else 128 - code)

    def _stopped(self, run: _Run, code: int | None) -> None:
        task = run.task
        task.containers[0].exitCode = code
        if not task.stopped_reason:
            task.stopped_reason, task.stop_code = "Essential container in task exited", "EssentialContainerExited"
        task.desired_status, task.stopped_at = "STOPPED", datetime.now(UTC)
        _move(task, "STOPPED")
        del self._runs[task.id]

    def _app(self) -> Path:
        """Return the images' working directory; it has only our packages, because Prefect copies all of it per run."""
        folder = self._context.folder("ecs", "app")
        for name in PACKAGES:
            with contextlib.suppress(FileExistsError):
                (folder / name).symlink_to(REPOSITORY / name)
        return folder

    def _environment(self, run: _Run) -> dict[str, str]:
        region = run.task.region_name
        own = {entry["name"]: entry["value"] for entry in run.definition.get("environment") or []}
        given = {entry["name"]: entry["value"] for entry in _override(run, "environment") or []}
        # What the ECS agent and the region give a container: credentials of the task role, and the AWS endpoint.
        agent = {
            "AWS_ENDPOINT_URL": self._context.endpoint,
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            **credentials(run.task_role),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }
        return agent | own | given

    def _mounts(self, run: _Run) -> tuple[Mount, ...]:
        """Return the home folder, and the kubeconfig that stands for access to EKS."""
        home = Mount("/home/credit", self._context.folder("ecs", run.task.id), variable="HOME")
        home.source.chmod(0o777)  # the image's user is not this process's
        config = self._environment(run).get("KUBECONFIG")
        return (home, Mount(config, Path(config), read_only=True)) if config else (home,)

    def _log(self, run: _Run) -> LogStream | None:
        logging = run.definition.get("logConfiguration") or {}
        if logging.get("logDriver") != "awslogs":
            return None
        options = logging["options"]
        name = f"{options['awslogs-stream-prefix']}/{run.definition['name']}/{run.task.id}"
        region = run.task.region_name
        writer = self._context.client("logs", region, access_key(run.execution_role))
        return LogStream(writer, self._context.client("logs", region), group=options["awslogs-group"], name=name)


def _override(run: _Run, name: str) -> Any:  # noqa: ANN401 - JSON of the request
    overrides = (run.task.overrides or {}).get("containerOverrides") or []
    return next((o.get(name) for o in overrides if o.get("name") == run.definition["name"]), None)


def _limits(run: _Run) -> Limits:
    """Return the container's limits: cpu in 1/1024 of a core and memory in MiB, of the container or its task."""
    sources = (run.definition, run.task.overrides or {}, run.size)
    cpus, memory = (float(next(filter(None, (at.get(n) for at in sources)), 0)) for n in ("cpu", "memory"))
    return Limits(
        cpus=cpus / 1024 or None,
        memory=int(memory * 2**20) or None,
        read_only_root=bool(run.definition.get("readonlyRootFilesystem")),
    )


def _move(task: Any, status: str) -> None:  # noqa: ANN401 - moto's
    """Set the status and publish it on the event bus."""
    task.last_status = status
    task.containers[0].last_status = "PENDING" if status == "PROVISIONING" else status
    publish(
        event(
            kind="ECS Task State Change",
            source="aws.ecs",
            account=task._account_id,
            region=task.region_name,
            resources=[task.task_arn],
            detail=_detail(task),
        )
    )


def _detail(task: Any) -> dict[str, Any]:  # noqa: ANN401 - moto's
    container = task.containers[0]
    shown = {
        "containerArn": container.container_arn,
        "lastStatus": container.last_status,
        "name": container.name,
        "image": container.image,
        "taskArn": task.task_arn,
        "exitCode": container.exitCode,
    }
    detail = {
        "clusterArn": task.cluster_arn,
        "taskArn": task.task_arn,
        "taskDefinitionArn": task.task_definition_arn,
        "lastStatus": task.last_status,
        "desiredStatus": task.desired_status,
        "launchType": task.launch_type or None,
        "group": task.group,
        "startedBy": task.started_by or None,
        "containers": [{name: value for name, value in shown.items() if value is not None}],
        "createdAt": task.created_at.isoformat(),
        "stoppedReason": task.stopped_reason or None,
        "stopCode": getattr(task, "stop_code", None),
        "version": 1,
        "eventVersion": str(uuid.uuid4()),
    }
    return {name: value for name, value in detail.items() if value is not None}
