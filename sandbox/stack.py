"""The whole sandbox: AWS, Kubernetes and Prefect on loopback, with their resources and a worker that runs the flows."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from sandbox import containers, estate
from sandbox.aws.roles import credentials
from sandbox.ports import free_port
from sandbox.services import Service, ServiceError

ROOT = Path(__file__).parent.parent
POOL = "credit-ecs"
WORKER_ROLE = "credit-worker"
FOREIGN = ("AWS_", "PREFECT_", "CREDIT_", "KUBECONFIG")
BUSY, BUSY_ATTEMPTS = 503, 20
# A busy machine takes its time; a server that has ended is noticed by other means.
ANSWER_SECONDS = 60
Say = Callable[[str], None]


class Sandbox:
    """All servers of one sandbox, with its state in one folder; use as a context manager.

    Attributes:
        environment: Variables that clients read: endpoints, keys and `CREDIT_*` settings.
    """

    def __init__(self, state: Path, *, say: Say = print) -> None:
        self.state = state.resolve()
        self.environment: dict[str, str] = {}
        self._services: list[Service] = []
        self._say = say

    def __enter__(self) -> "Sandbox":
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the servers, create the resources, deploy the flows and start their worker."""
        self.state.mkdir(parents=True, exist_ok=True)
        if os.environ.get(containers.ENGINE):
            containers.check()
            self._set({containers.OWNER: str(self.state)})
        self._hide_user_settings()
        self._say("starting Prefect, AWS and Kubernetes")
        prefect = self._start_prefect()
        aws = self._run("aws", [sys.executable, "-m", "sandbox.aws", "--state", str(self.state / "aws")])
        self._set({"AWS_ENDPOINT_URL": aws.announced()["endpoint"]})
        kubernetes = self._run(
            "kubernetes", [sys.executable, "-m", "sandbox.kubernetes", "--state", str(self.state / "kubernetes")]
        )
        self._set({"KUBECONFIG": kubernetes.announced()["kubeconfig"]})
        self._set(estate.build(ROOT, self.environment["PREFECT_API_URL"]))
        prefect.wait_until(lambda: self._answers("/health"))
        self._say("deploying the flows")
        self._deploy()
        for name, address in self.addresses().items():
            self._say(f"  {name:<11} {address}")

    def addresses(self) -> dict[str, str]:
        """Return the addresses that a person may open."""
        return {
            "AWS": self.environment["AWS_ENDPOINT_URL"],
            "Kubernetes": f"KUBECONFIG={self.environment['KUBECONFIG']}",
            "Prefect": self.environment["PREFECT_API_URL"],
            "Prefect UI": self.environment["PREFECT_API_URL"].removesuffix("/api"),
        }

    def check(self) -> None:
        """Raise ServiceError if a server has ended."""
        for service in self._services:
            if service.process.poll() is not None:
                raise service.failure()

    def stop(self) -> None:
        """Stop all processes, the worker first."""
        while self._services:
            self._services.pop().stop()
        containers.remove_all()

    def _hide_user_settings(self) -> None:
        """Remove the user's own AWS, Prefect and cluster settings, so that no client leaves the sandbox."""
        for name in [name for name in os.environ if name.startswith(FOREIGN)]:
            del os.environ[name]
        nowhere = str(self.state / "none")
        self._set(
            {"AWS_DEFAULT_REGION": estate.REGION, "AWS_REGION": estate.REGION, "AWS_EC2_METADATA_DISABLED": "true"}
        )
        self._set({"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"})
        self._set({"AWS_CONFIG_FILE": nowhere, "AWS_SHARED_CREDENTIALS_FILE": nowhere})
        self._set({"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"})

    def _set(self, variables: dict[str, str]) -> None:
        self.environment |= variables
        os.environ.update(variables)

    def _run(self, name: str, command: list[str], more: dict[str, str] | None = None) -> Service:
        service = Service(name, command, state=self.state, env=self.environment | (more or {}), cwd=ROOT)
        self._services.append(service)
        return service

    def _start_prefect(self) -> Service:
        port = str(free_port())
        self._set(
            {
                "PREFECT_HOME": str(self.state / "prefect"),
                "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
                "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
                "PREFECT_SERVER_LOG_RETRYABLE_ERRORS": "true",  # else it answers 503 and says nowhere why
                "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
                "PREFECT_WORKER_QUERY_SECONDS": "1",
                "PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "2",
                "PREFECT_LOGGING_TO_API_BATCH_INTERVAL": "0.5",
                "PREFECT_CLI_COLORS": "false",
            }
        )
        return self._run(
            "prefect",
            [sys.executable, "-m", "sandbox.prefect_server", "server", "start", "--host", "127.0.0.1", "--port", port],
        )

    def _answers(self, path: str) -> bool:
        try:
            self._ask("GET", path)
        except ServiceError:
            return False
        return True

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> bytes:
        """Call Prefect's API; like Prefect's own clients, wait while its database is busy.

        Raises:
            ServiceError: There is no answer, or it is an error.
        """
        url, data = self.environment["PREFECT_API_URL"] + path, json.dumps(body).encode() if body else None
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 - loopback
        for left in reversed(range(BUSY_ATTEMPTS)):
            try:
                with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as reply:  # noqa: S310 - loopback
                    content: bytes = reply.read()
                return content
            except OSError as error:
                if getattr(error, "code", None) != BUSY or not left:
                    raise ServiceError(f"prefect does not answer {method} {url}: {error}") from error
                time.sleep(0.5)
        raise AssertionError("the last attempt returns or raises")

    def _deploy(self) -> None:
        """Create the work pool and its AWS resources, start its worker, and deploy prefect.yaml to it."""
        variables = estate.build_orchestration(self._container_variables())
        for name, value in variables.items():
            self._ask("POST", "/variables/", {"name": name, "value": value})
        template = json.loads((ROOT / "deployments" / "prefect" / "ecs-base-job-template.json").read_text())
        self._ask("POST", "/work_pools/", {"name": POOL, "type": "ecs", "base_job_template": template})
        arguments = ["worker", "start", "--pool", POOL, "--type", "ecs", "--limit", "4"]
        # On AWS the worker's own task definition gives it the key.
        key = {"PREFECT_API_KEY": estate.secret_value(estate.SECRETS["PrefectApiKeySecret"])}
        self._run("worker", [sys.executable, "-m", "prefect", *arguments], credentials(WORKER_ROLE) | key)
        self._prefect("--no-prompt", "deploy", "--all")

    def _container_variables(self) -> dict[str, str]:
        """Return the variables of flow containers; the service and the worker add the addresses of AWS and Prefect."""
        passed = ("CREDIT_", "KUBECONFIG", "PREFECT_LOGGING_", "PREFECT_SERVER_ANALYTICS", "NO_PROXY", "no_proxy")
        return {name: value for name, value in self.environment.items() if name.startswith(passed)}

    def _prefect(self, *arguments: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "prefect", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ServiceError(f"prefect {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
