"""The process that stands for AWS: moto's threaded server with working Athena, SageMaker, ECS and EventBridge."""

import logging
import os
from pathlib import Path

from moto.moto_server.threaded_moto_server import ThreadedMotoServer
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from sandbox.aws import athena, calls, dynamodb, ecs, events, sagemaker
from sandbox.aws.context import Context
from sandbox.aws.errors import ServerError
from sandbox.aws.strict.answers import Answers
from sandbox.aws.strict.front import Front

# If set, answers are held against the service models, and deviations go to `answers.jsonl` in the state folder.
CHECK_ANSWERS = "SANDBOX_CHECK_ANSWERS"


class AwsServer:
    """AWS on 127.0.0.1.

    Moto keeps its state in the process, so start one server per process; the state is lost when the process ends.

    Example::

        server = AwsServer(state=Path("/tmp/aws"), port=0)
        server.start()
        boto3.client("s3", endpoint_url=server.endpoint)
    """

    def __init__(self, *, state: Path, port: int = 0) -> None:
        self._context = Context(state=Path(state).resolve())
        answers = Answers(self._context.state / "answers.jsonl") if os.environ.get(CHECK_ANSWERS) else None
        self._server = _Server(port, answers)
        self._stops: list[athena.Stop] = []

    @property
    def state(self) -> Path:
        """Folder of all files of the sandbox."""
        return self._context.state

    @property
    def endpoint(self) -> str:
        """Base URL of all services.

        Raises:
            ServerError: The server has not been started.
        """
        if not self._context.endpoint:
            raise ServerError("the AWS sandbox is not listening yet: call start() first")
        return self._context.endpoint

    def start(self) -> None:
        """Extend moto, listen, and return once the port answers."""
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._context.folder()
        self._stops = [
            install(self._context)
            for install in (module.install for module in (calls, athena, dynamodb, sagemaker, ecs, events))
        ]
        self._server.start()
        host, port = self._server.get_host_and_port()
        self._context.endpoint = f"http://{host}:{port}"

    def stop(self) -> None:
        """Stop all running jobs and queries, then stop listening; no process is left behind."""
        for stop in self._stops:
            stop()
        self._stops = []
        self._server.stop()


class _Server(ThreadedMotoServer):
    """Moto's server with the front before it."""

    def __init__(self, port: int, answers: Answers | None) -> None:
        super().__init__(ip_address="127.0.0.1", port=port, verbose=False)
        self._answers = answers

    def _server_entry(self) -> None:
        application = Front(DomainDispatcherApplication(create_backend_app), self._answers)
        self._server = make_server(
            self._ip_address, self._port, application, threaded=True, request_handler=MotoRequestHandler
        )
        self._server_ready_event.set()
        self._server.serve_forever()
