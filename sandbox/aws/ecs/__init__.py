"""ECS that runs: a task is the process of its container's image, from RunTask to STOPPED with its exit code."""

from collections.abc import Callable

from moto.ecs.models import ecs_backends

from sandbox.aws.context import Context
from sandbox.aws.ecs.backend import EcsBackend
from sandbox.aws.ecs.running import RunningTasks


def install(context: Context) -> Callable[[], None]:
    """Put our backend in place of moto's; return what ends every task's process."""
    running = RunningTasks(context)
    # Moto finds a backend's routes by the name of the module it is defined in.
    bound = type("EcsBackend", (EcsBackend,), {"running": running, "__module__": ecs_backends.backend.__module__})
    ecs_backends.backend = bound
    return running.close
