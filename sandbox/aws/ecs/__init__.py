"""ECS that runs tasks: a task is the process of its image's command, from RunTask to STOPPED with an exit code."""

from collections.abc import Callable

from moto.ecs.models import ecs_backends

from sandbox.aws.context import Context
from sandbox.aws.ecs.backend import EcsBackend
from sandbox.aws.ecs.tasks import RunningTasks


def install(context: Context) -> Callable[[], None]:
    """Replace moto's ECS backend; return a function that ends the processes of all tasks."""
    running = RunningTasks(context)
    # Moto finds a backend's routes by the name of its module.
    bound = type("EcsBackend", (EcsBackend,), {"running": running, "__module__": ecs_backends.backend.__module__})
    ecs_backends.backend = bound
    return running.close
