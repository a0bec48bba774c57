"""The lives of ECS tasks: all containers started in order, watched, reported and always ended."""

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from moto.ecs.models import Container as ShownContainer
from moto.ecs.models import TaskDefinition

from sandbox.aws.context import Context
from sandbox.aws.ecs.changes import first_state, move
from sandbox.aws.ecs.containers import STOP_TIMEOUT_SECONDS, TaskContainer
from sandbox.aws.ecs.secrets import InitialisationError
from sandbox.aws.errors import JobError

POLL_SECONDS = 0.1


@dataclass
class _Run:
    """One running task; moto's task object is the source of the API answers."""

    task: Any
    containers: list[TaskContainer]
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
        task.containers = [_shown(definition, position) for position in range(len(definition.container_definitions))]
        first_state(task, definition)
        given = task.overrides
        roles = (
            given.get("taskRoleArn") or getattr(definition, "task_role_arn", None),
            given.get("executionRoleArn") or getattr(definition, "execution_role_arn", None),
        )
        run = _Run(
            task,
            [
                TaskContainer(task, shown, defined, roles, self._context)
                for shown, defined in zip(task.containers, definition.container_definitions, strict=True)
            ],
        )
        move(task, "PROVISIONING")
        self._runs[task.id] = run
        run.thread = threading.Thread(target=self._live, args=(run,), name=f"ecs-{task.id}", daemon=True)
        run.thread.start()

    def stop(self, task: Any, reason: str, *, code: str = "UserInitiated") -> None:  # noqa: ANN401 - moto's
        """Ask a task to stop and return at once."""
        run = self._runs.get(task.id)
        if run is None or run.stopping.is_set():
            return
        task.desired_status, task.stopped_reason, task.stop_code = "STOPPED", reason, code
        task.stopping_at = datetime.now(UTC)
        run.stopping.set()

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
        move(task, "PENDING")
        task.pull_started_at = datetime.now(UTC)
        try:
            for container in run.containers:
                container.prepare()
            _start_due(run)
        except (InitialisationError, JobError) as error:
            said = str(error) if isinstance(error, InitialisationError) else f"CannotPullContainerError: {error}"
            task.stopped_reason, task.stop_code = said, "TaskFailedToStart"
            self._end(run)
            return
        task.pull_stopped_at = task.started_at = datetime.now(UTC)
        task.connectivity, task.connectivity_at = "CONNECTED", task.started_at
        move(task, "RUNNING")
        self._watch(run)
        self._end(run)

    def _watch(self, run: _Run) -> None:
        """Return once the task is to end: it was stopped, an essential container has ended, or none is left."""
        while not run.stopping.wait(POLL_SECONDS):
            ended = [container for container in run.containers if container.poll()]
            if len(ended) == len(run.containers) or any(container.essential for container in ended):
                return
            try:
                _start_due(run)
            except JobError as error:
                run.task.stopped_reason, run.task.stop_code = f"CannotPullContainerError: {error}", "TaskFailedToStart"
                return

    def _end(self, run: _Run) -> None:
        task = run.task
        ran = getattr(task, "started_at", None) is not None
        if not task.stopped_reason:
            task.stopped_reason, task.stop_code = "Essential container in task exited", "EssentialContainerExited"
        task.desired_status = "STOPPED"
        task.stopping_at = getattr(task, "stopping_at", None) or datetime.now(UTC)
        for status in ("DEACTIVATING", "STOPPING") if ran else ():
            move(task, status)
        _end_all(run.containers)
        task.execution_stopped_at = datetime.now(UTC)
        move(task, "DEPROVISIONING")
        for attachment in task.attachments:
            attachment["status"] = "DELETED"
        task.stopped_at = datetime.now(UTC)
        move(task, "STOPPED")
        del self._runs[task.id]


def _shown(definition: TaskDefinition, position: int) -> Any:  # noqa: ANN401 - moto's
    """Return moto's container for one container of a definition; moto itself only makes the first."""
    make: Any = ShownContainer  # which its types call abstract
    chosen = make(definition)
    defined = definition.container_definitions[position]
    for name in ("image", "cpu", "memory", "environment", "name", "command"):
        setattr(chosen, name, defined.get(name))
    return chosen


def _start_due(run: _Run) -> None:
    """Start the containers whose dependencies hold, those that depend on them too."""
    by_name = {container.name: container for container in run.containers}
    waiting = [container for container in run.containers if not container.started]
    due = [container for container in waiting if _may_start(container, by_name)]
    for container in due:
        container.start()
    if due and len(due) < len(waiting):
        _start_due(run)


def _may_start(container: TaskContainer, others: dict[str, TaskContainer]) -> bool:
    for needed in container.definition.get("dependsOn") or []:
        other = others[needed["containerName"]]
        holds = {
            "START": other.started,
            "HEALTHY": other.started,  # the sandbox runs no health checks
            "COMPLETE": other.code is not None,
            "SUCCESS": other.code == 0,
        }
        if not holds[needed["condition"]]:
            return False
    return True


def _end_all(containers: list[TaskContainer]) -> None:
    for container in containers:
        if container.code is None:
            container.interrupt()
    for container in containers:
        container.end()
