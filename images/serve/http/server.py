"""KServe's server with our application in front: uvloop, no layers in between, and a shutdown that loses no request."""

import asyncio
import gc
from types import FrameType

import uvloop
from kserve import ModelServer
from kserve.model_server import app

from images.serve.engine import Engine
from images.serve.http.app import Front
from images.serve.http.auth import Application, Guard, Tokens
from images.serve.http.kserve_model import CreditModel
from images.serve.settings import GRACE, Settings

# Seconds between closing the listener and the end, for the first requests of the last connections.
LINGER = 0.3


class Server(ModelServer):  # type: ignore[misc]
    """Serves one model until SIGTERM."""

    def __init__(self, model: CreditModel, engine: Engine, settings: Settings) -> None:
        super().__init__(
            http_port=settings.http_port,
            workers=1,
            enable_grpc=False,
            enable_latency_logging=False,
            grace_period=GRACE,
        )
        self._model = model
        self._engine = engine
        self._drain = settings.drain
        self._front = Front(app, engine=engine, settings=settings, example=model.example)
        self._app: Application = self._front
        if settings.token_file:
            self._app = Guard(self._front, Tokens(settings.token_file), engine.metrics)

    def run(self) -> None:
        """Serve; return when the last request is answered."""
        # KServe ignores its own setting and runs asyncio's loop, unless another one is the default.
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
        # Everything loaded so far stays, so the garbage collector need not scan it again.
        gc.collect()
        gc.freeze()
        self.start([self._model])

    def setup_event_loop(self) -> None:
        """Leave the loop alone: KServe would set up a different one from the one that `asyncio.run` creates."""

    async def _serve(self) -> None:
        config = self._rest_server.config
        # KServe adds layers to its own application, behind ours; uvicorn must call ours directly.
        config.app = self._app
        config.proxy_headers = False
        config.server_header = False
        await self._front.warm()
        self._drain_on_sigterm()
        try:
            await super()._serve()
        finally:
            await self._engine.close()

    def _drain_on_sigterm(self) -> None:
        """On SIGTERM report unready and close each connection after its next answer; stop after `drain` seconds.

        uvicorn alone would close connections whose next request may already be on its way.
        """
        server = self._rest_server._server
        stop, loop = server.handle_exit, asyncio.get_running_loop()

        def drain(number: int, frame: FrameType | None) -> None:
            if self._front.closing:
                stop(number, frame)
                return
            self._front.closing = True
            self._model.ready = False
            loop.call_soon_threadsafe(loop.call_later, self._drain, end, number, frame)

        def end(number: int, frame: FrameType | None) -> None:
            # No new connections; those accepted just now are still answered.
            for listener in server.servers:
                listener.close()
            loop.call_later(LINGER, stop, number, frame)

        server.handle_exit = drain
