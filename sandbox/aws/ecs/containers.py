"""One container of an ECS task: its process, environment and log."""

import contextlib
import os
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from sandbox.aws.container import HOST_VARIABLES, REPOSITORY, Container
from sandbox.aws.context import Context
from sandbox.aws.ecs import secrets
from sandbox.aws.ecs.secrets import InitialisationError
from sandbox.aws.errors import JobError
from sandbox.aws.logs import LogStream
from sandbox.aws.roles import access_key, credentials
from sandbox.containers import Limits, Mount

STOP_TIMEOUT_SECONDS = 30.0
# A container sees its task definition and none of the machine's own settings.
FOREIGN = ("AWS_", *HOST_VARIABLES)
# The contents of /app in the worker image.
PACKAGES = ("credit_model", "flows", "tasks", "images")


class TaskContainer:
    """One container of a task, from its definition to its exit code.

    Args:
        task: Moto's task.
        shown: Moto's container, the source of the API answers.
        definition: The container's definition.
        roles: The task's role and its execution role.
        context: The AWS sandbox.
    """

    def __init__(
        self,
        task: Any,  # noqa: ANN401 - moto's
        shown: Any,  # noqa: ANN401 - moto's
        definition: dict[str, Any],
        roles: tuple[str | None, str | None],
        context: Context,
    ) -> None:
        self.shown, self.definition = shown, definition
        self._task, self._context = task, context
        self._role, self._execution_role = roles
        self._process: Container | None = None
        self._log: LogStream | None = None
        self._secrets: dict[str, str] = {}

    @property
    def name(self) -> str:
        """Name in the task definition."""
        return str(self.definition["name"])

    @property
    def essential(self) -> bool:
        """Whether the task ends with it."""
        return self.definition.get("essential", True) is not False

    @property
    def started(self) -> bool:
        """Whether its process has been started."""
        return self._process is not None

    @property
    def code(self) -> int | None:
        """The exit code; None while it runs, and if it never ran."""
        found: int | None = self.shown.exitCode
        return found

    def prepare(self) -> None:
        """Read the secrets and open the log.

        Raises:
            InitialisationError: A secret or the log group does not exist.
        """
        self._secrets = secrets.read(self.definition, self._executing)
        self._log = self._open_log()

    def start(self) -> None:
        """Start the process.

        Raises:
            JobError: The image does not exist.
        """
        try:
            self._process = Container(
                self.definition["image"],
                self._command(),
                environment=self._environment(),
                folder=self._app(),
                on_line=self._log.line if self._log else lambda _: None,
                foreign=FOREIGN,
                mounts=self._mounts(),
                limits=self._limits(),
            )
        except JobError as error:
            self.shown.reason = f"CannotPullContainerError: {error}"
            raise
        self.shown.runtimeId = f"{self._task.id}-{self._process.pid}"
        self.shown.last_status = "RUNNING"

    def poll(self) -> bool:
        """Return whether it has ended, and keep its exit code."""
        if self._process is None or self._process.poll() is None:
            return False
        if self.code is None:
            self.end()
        return True

    def interrupt(self) -> None:
        """Send SIGTERM and return at once."""
        if self._process is not None:
            self._process.interrupt()

    def end(self) -> None:
        """End it within its stop timeout, and keep its exit code."""
        if self._process is not None and self.code is None:
            grace = float(self.definition.get("stopTimeout") or STOP_TIMEOUT_SECONDS)
            code = self._process.end(grace)
            # A container that signal n ended reports 128 + n, as the shell and the ECS agent do.
            self.shown.exitCode = code if code >= 0 else 128 - code
        self.shown.last_status = "STOPPED"
        if self._log:
            self._log.flush()

    def _executing(self, service: str) -> Any:  # noqa: ANN401 - boto3 clients
        return self._context.client(service, self._task.region_name, access_key(self._execution_role))

    def _command(self) -> list[str]:
        entry = list(self.definition.get("entryPoint") or [])
        return [*entry, *(self._override("command") or self.definition.get("command") or [])]

    def _override(self, name: str) -> Any:  # noqa: ANN401 - JSON of the request
        overrides = (self._task.overrides or {}).get("containerOverrides") or []
        return next((o.get(name) for o in overrides if o.get("name") == self.name), None)

    def _environment(self) -> dict[str, str]:
        region, pairs = self._task.region_name, self.definition.get("environment") or []
        own = {entry["name"]: entry["value"] for entry in pairs}
        given = {entry["name"]: entry["value"] for entry in self._override("environment") or []}
        # What the ECS agent and the region give a container: credentials of the task role, and the AWS endpoint.
        agent = {
            "AWS_ENDPOINT_URL": self._context.endpoint,
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE",
            **credentials(self._role),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }
        return agent | own | self._secrets | given

    def _mounts(self) -> tuple[Mount, ...]:
        """Return the home folder, and the kubeconfig that stands for access to EKS."""
        home = Mount("/home/credit", self._context.folder("ecs", self._task.id), variable="HOME")
        home.source.chmod(0o777)  # the image's user is not this process's
        config = self._environment().get("KUBECONFIG")
        return (home, Mount(config, Path(config), read_only=True)) if config else (home,)

    def _limits(self) -> Limits:
        """Return the limits: cpu in 1/1024 of a core and memory in MiB, of the container or its task."""
        sources = (self.definition, self._task.overrides or {}, {"cpu": self._task.cpu, "memory": self._task.memory})
        cpus, memory = (float(next(filter(None, (at.get(n) for at in sources)), 0)) for n in ("cpu", "memory"))
        return Limits(
            cpus=cpus / 1024 or None,
            memory=int(memory * 2**20) or None,
            read_only_root=bool(self.definition.get("readonlyRootFilesystem")),
        )

    def _app(self) -> Path:
        """Return the images' working directory; it has only our packages, because Prefect copies all of it per run."""
        folder = self._context.folder("ecs", "app")
        for name in PACKAGES:
            with contextlib.suppress(FileExistsError):
                (folder / name).symlink_to(REPOSITORY / name)
        return folder

    def _open_log(self) -> LogStream | None:
        logging = self.definition.get("logConfiguration") or {}
        if logging.get("logDriver") != "awslogs":
            return None
        options = logging.get("options") or {}
        prefix = options.get("awslogs-stream-prefix")
        name = f"{prefix}/{self.name}/{self._task.id}" if prefix else self._task.id
        writer, owner = self._executing("logs"), None
        if options.get("awslogs-create-group") == "true":
            owner = self._context.client("logs", self._task.region_name)
        try:
            return LogStream(writer, owner, group=options["awslogs-group"], name=name)
        except ClientError as error:
            said = error.response["Error"]
            raise InitialisationError(
                "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: "
                f"failed to create Cloudwatch log stream: {said['Code']}: {said['Message']} : exit status 1"
            ) from error
