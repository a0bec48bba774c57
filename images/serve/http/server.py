"""KServe's server with our front before it: uvloop, nothing between socket and front, and an end that loses nothing."""

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
from images.serve.settings import Settings

# Seconds from the last connection taken to the end: for its first request to arrive.
LINGER = 0.3


class Server(ModelServer):  # type: ignore[misc]
    """Serves one model until SIGTERM."""

    def __init__(self, model: CreditModel, engine: Engine, settings: Settings) -> None:
        super().__init__(
            http_port=settings.http_port,
            workers=1,
            enable_grpc=False,
            enable_latency_logging=False,
            grace_period=settings.grace,
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
        # KServe runs asyncio's own loop whatever its setting says, unless another one is the default.
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
        # What is loaded by now stays: the collector need not walk through it again and again.
        gc.collect()
        gc.freeze()
        self.start([self._model])

    def setup_event_loop(self) -> None:
        """Leave the loop alone: KServe would set up another one than `asyncio.run` then makes."""

    async def _serve(self) -> None:
        config = self._rest_server.config
        # KServe adds its own layers to its application, behind the front; uvicorn is to call the front itself.
        config.app = self._app
        config.proxy_headers = False
        config.server_header = False
        await self._front.warm()
        self._end_softly()
        try:
            await super()._serve()
        finally:
            await self._engine.close()

    def _end_softly(self) -> None:
        """On SIGTERM say unready and close connections after their next answer; stop when `drain` is over.

        uvicorn alone would close connections on which the next request may already be on its way.
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
            # Nobody can connect any more; who has just done so is answered.
            for listener in server.servers:
                listener.close()
            loop.call_later(LINGER, stop, number, frame)

        server.handle_exit = drain
