"""Entry point of the serve image: `python -m images.serve [serve] [--model_dir D] [--http_port P]`."""

import logging
import os
import signal
import sys
import time

if __name__ == "__main__":
    # A container's first process ignores SIGTERM until it has a handler; the server sets its own once it runs.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(128 + signal.SIGTERM))

from credit_model.bundle.bundle import Bundle
from credit_model.errors import CreditModelError
from images.serve import logs
from images.serve.http.auth import TokenFileError
from images.serve.online.lookup import Lookup, LookupSetupError
from images.serve.prediction_log import CAPACITY, LogSettings, PredictionLog
from images.serve.settings import Settings, SettingsError, read_settings

log = logging.getLogger("images.serve")


def main() -> int:
    """Serve until SIGTERM; return the exit code."""
    started = time.perf_counter()
    logs.configure()
    try:
        settings = read_settings(sys.argv[1:])
        _serve(Bundle.load(settings.model_dir), settings, started)
    except (CreditModelError, LookupSetupError, SettingsError, TokenFileError) as error:
        log.error("the model cannot be served: %s", error)
        return 1
    return 0


def _serve(bundle: Bundle, settings: Settings, started: float) -> None:
    """Serve a bundle.

    KServe is imported only here: without it a broken bundle is reported in milliseconds, and importing it reads the
    command line.
    """
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
    predictions = _prediction_log(settings, version=scorer.version, portfolio=scorer.contract.name)
    engine = Engine(scorer, metrics, lookup=_lookup(settings), predictions=predictions)
    facts = {"model_version": bundle.version, "seconds": round(time.perf_counter() - started, 2)}
    log.info("model loaded", extra={"facts": {**facts, "port": settings.http_port}})
    Server(model, engine, settings).run()


def _lookup(settings: Settings) -> Lookup | None:
    if not settings.online_table:
        return None
    # aiohttp and botocore load only where a table is named.
    from images.serve.online.dynamodb import DynamoLookup  # noqa: PLC0415

    return DynamoLookup.connect(settings.online_table, timeout=settings.online_timeout_ms / 1000)


def _prediction_log(settings: Settings, *, version: str, portfolio: str) -> PredictionLog | None:
    if not settings.prediction_log:
        return None
    rows = min(int(settings.prediction_log_rows), CAPACITY)
    place = LogSettings(settings.prediction_log, rows=rows, seconds=settings.prediction_log_seconds)
    return PredictionLog(place, version=version, portfolio=portfolio)


if __name__ == "__main__":
    sys.exit(main())
