"""Moto's ECS backend with RunTask and StopTask that start and end processes."""

import copy
from typing import Any, ClassVar

from moto.ecs.exceptions import InvalidParameterException
from moto.ecs.models import EC2ContainerServiceBackend, Task, TaskDefinition

from sandbox.aws.ecs.tasks import RunningTasks
from sandbox.aws.strict.rules.ecs import size


class EcsBackend(EC2ContainerServiceBackend):
    """ECS of one account and region."""

    running: ClassVar[RunningTasks]

    @staticmethod
    def _calculate_task_resource_requirements(task_definition: TaskDefinition) -> dict[str, Any]:
        """Return the resources that a task needs; on Fargate a container may leave out its share."""
        sized = copy.copy(task_definition)
        sized.container_definitions = [{"cpu": 0, "memory": 0, **c} for c in task_definition.container_definitions]
        found: dict[str, Any] = EC2ContainerServiceBackend._calculate_task_resource_requirements(sized)
        return found

    def register_task_definition(self, *arguments: Any, **named: Any) -> TaskDefinition:  # noqa: ANN401 - moto's signature
        """RegisterTaskDefinition: sizes such as `.25 vCPU` and `1 GB` become CPU units and MiB."""
        made: TaskDefinition = super().register_task_definition(*arguments, **named)
        for name in ("cpu", "memory"):
            given = getattr(made, name, None)
            if given:
                setattr(made, name, str(size(str(given))))
        return made

    def run_task(self, *arguments: Any, **named: Any) -> list[Task]:  # noqa: ANN401 - moto's signature
        """RunTask: return the tasks in state PROVISIONING; they advance in the background."""
        cluster, wanted, *rest = arguments
        wanted = self._active(wanted)
        for given in (item for item in (*rest, *named.values()) if isinstance(item, dict)):
            given.get("awsvpcConfiguration", {}).setdefault("securityGroups", [])  # moto reads it without asking
        tasks: list[Task] = super().run_task(cluster, wanted, *rest, **named)
        return [self._launch(task) for task in tasks]

    def _launch(self, task: Task) -> Task:
        """Start a task; return it as it was when it was made, because it goes on while the answer is written."""
        self.running.launch(task, self.describe_task_definition(task.task_definition_arn))
        made = copy.copy(task)
        made.containers = [copy.copy(container) for container in task.containers]
        made.last_status = "PROVISIONING"
        for container in made.containers:
            container.last_status = "PENDING"
        return made

    def _active(self, wanted: str) -> str:
        """Return a task definition's name with its revision: a family alone is its latest active one."""
        name = wanted.rsplit("/", 1)[-1]
        revisions = self.task_definitions.get(name, {})
        active = [number for number, item in revisions.items() if item.status == "ACTIVE"]
        return f"{name}:{max(active)}" if active and ":" not in name else wanted

    def stop_task(self, cluster_str: str, task_str: str, reason: str) -> Task:
        """StopTask: send SIGTERM, and SIGKILL after the container's stop timeout, without waiting.

        Raises:
            InvalidParameterException: The task does not exist.
        """
        cluster = self._get_cluster(cluster_str)
        wanted = task_str.rsplit("/", 1)[-1]
        for task in self.tasks.get(cluster.name, {}).values():
            if task.id == wanted:
                self.running.stop(task, reason or "Task stopped by user")
                return task
        raise InvalidParameterException("The referenced task was not found.")
