"""Entry point of the serve image: `python -m images.serve [serve] [--model_dir D] [--http_port P]`."""

import logging
import sys
import time

from credit_model.bundle.bundle import Bundle
from credit_model.errors import CreditModelError
from images.serve import logs
from images.serve.http.auth import TokenFileError
from images.serve.online.connect import lookup_from_environment
from images.serve.online.lookup import LookupSetupError
from images.serve.prediction_log import PredictionLogSetupError, log_from_environment
from images.serve.settings import Settings, read_settings

log = logging.getLogger("images.serve")


def main() -> int:
    """Serve until SIGTERM; return the exit code."""
    started = time.perf_counter()
    settings = read_settings(sys.argv[1:])
    logs.configure()
    try:
        _serve(Bundle.load(settings.model_dir), settings, started)
    except (CreditModelError, LookupSetupError, PredictionLogSetupError, TokenFileError) as error:
        log.error("the model cannot be served: %s", error)
        return 1
    return 0


def _serve(bundle: Bundle, settings: Settings, started: float) -> None:
    """Import KServe only now: a broken bundle is told in milliseconds, and KServe reads the command line."""
    from prometheus_client import REGISTRY  # noqa: PLC0415

    from images.serve.engine import Engine  # noqa: PLC0415
    from images.serve.http.kserve_model import CreditModel  # noqa: PLC0415
    from images.serve.http.server import Server  # noqa: PLC0415
    from images.serve.metrics import Metrics  # noqa: PLC0415

    model = CreditModel(bundle)
    model.load()
    scorer = model.scorer
    metrics = Metrics(scorer.features, version=scorer.version, unknown=scorer.reader.unknown)
    REGISTRY.register(metrics)
    lookup = lookup_from_environment()
    predictions = log_from_environment(scorer.version, scorer.contract.name)
    engine = Engine(scorer, metrics, lookup=lookup, predictions=predictions)
    facts = {"model_version": bundle.version, "seconds": round(time.perf_counter() - started, 2)}
    log.info("model loaded", extra={"facts": {**facts, "port": settings.http_port}})
    Server(model, engine, settings).run()


if __name__ == "__main__":
    sys.exit(main())
