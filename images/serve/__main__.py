"""Entry point of the serve image: `python -m images.serve [serve] [--model_dir D] [--http_port P]`."""

import logging
import sys
import time

from credit_model.bundle import Bundle
from credit_model.errors import CreditModelError
from images.serve import logs
from images.serve.settings import Settings, read_settings

log = logging.getLogger("images.serve")


def main() -> int:
    """Serve until SIGTERM; return the exit code."""
    started = time.perf_counter()
    settings = read_settings(sys.argv[1:])
    logs.configure()
    try:
        bundle = Bundle.load(settings.model_dir)
    except CreditModelError as error:
        log.error("the model cannot be served: %s", error)
        return 1
    _serve(bundle, settings, started)
    return 0


def _serve(bundle: Bundle, settings: Settings, started: float) -> None:
    """Import KServe only now: a broken bundle is told in milliseconds, and KServe reads the command line."""
    from kserve import ModelServer  # noqa: PLC0415
    from kserve.model_server import app  # noqa: PLC0415

    from images.serve.front import Front  # noqa: PLC0415
    from images.serve.model import CreditModel  # noqa: PLC0415

    model = CreditModel(bundle)
    model.load()
    app.add_middleware(Front, scorer=model.scorer, settings=settings)
    facts = {"model_version": bundle.version, "seconds": round(time.perf_counter() - started, 2)}
    log.info("model loaded", extra={"facts": {**facts, "port": settings.http_port}})
    ModelServer(
        http_port=settings.http_port,
        workers=1,
        enable_grpc=False,
        enable_latency_logging=False,
        grace_period=settings.grace,
    ).start([model])


if __name__ == "__main__":
    sys.exit(main())
