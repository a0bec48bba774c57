"""The servers to compare with, one process each: `python -m benchmarks.serve.peers NAME FOLDER PORT`."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any, TypeAlias

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]
_HEADERS = [(b"content-type", b"application/json")]


def stock(folder: Path, port: int) -> None:
    """Run KServe's LightGBM server as documented: a DataFrame from the request, and `Booster.predict`."""
    import kserve  # noqa: PLC0415 - each server imports only what it needs
    import lightgbm as lgb  # noqa: PLC0415
    from kserve.utils.utils import get_predict_input, get_predict_response  # noqa: PLC0415

    class Model(kserve.Model):  # type: ignore[misc]
        def load(self) -> bool:
            self._booster = lgb.Booster(params={"nthread": 1}, model_file=str(folder / "model.bst"))
            self.ready = True
            return True

        def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:  # noqa: ANN401, ARG002 - KServe's signature
            result = self._booster.predict(get_predict_input(payload))
            return get_predict_response(payload, result, self.name)

    model = Model("credit-model")
    model.load()
    kserve.ModelServer(http_port=port, workers=1, enable_grpc=False).start([model])


def fastapi(folder: Path, port: int) -> None:
    """Run a common FastAPI design: a pydantic model of the columns, a DataFrame with categories, `Booster.predict`."""
    import lightgbm as lgb  # noqa: PLC0415
    import pandas as pd  # noqa: PLC0415
    from fastapi import FastAPI  # noqa: PLC0415
    from pydantic import create_model  # noqa: PLC0415

    from credit_model.bundle.bundle import Bundle  # noqa: PLC0415

    bundle = Bundle.load(folder / "model")
    booster = lgb.Booster(model_str=bundle.model_text)
    encoder, calibration = bundle.document.encoder, bundle.document.calibration
    kinds: dict[str, Any] = {"numeric": float, "integer": int, "boolean": bool}
    fields: dict[str, Any] = {
        c.name: (kinds.get(c.kind, str) | None, None) if c.nullable else (kinds.get(c.kind, str), ...)
        for c in bundle.contract.features
    }
    applicant = create_model("Applicant", application_id=(str | None, None), **fields)
    request = create_model("Request", instances=(list[applicant], ...))  # type: ignore[valid-type]
    levels = {c.name: encoder.codes(c) for c in encoder.columns if c.has_levels}
    app = FastAPI()

    def predict(body: Any) -> dict[str, Any]:  # noqa: ANN401 - the model is made above
        frame = pd.DataFrame([row.model_dump() for row in body.instances])
        ids = frame["application_id"].tolist()
        frame = frame[list(encoder.names)]
        for name, known in levels.items():
            frame[name] = pd.Categorical(frame[name], categories=known).codes
        margins: Any = booster.predict(frame.astype("float64"), raw_score=True, num_threads=1)
        pds = calibration.pds(margins)
        return {"predictions": [{"id": i, "pd": float(p)} for i, p in zip(ids, pds, strict=True)]}

    predict.__annotations__["body"] = request
    app.post("/v1/models/credit-model:predict")(predict)
    _run(app, port)


def floor(folder: Path, port: int) -> None:
    """Run the minimum in bare ASGI: parse, encode without checks, predict, and write the PD."""
    import numpy as np  # noqa: PLC0415
    import orjson  # noqa: PLC0415

    from credit_model.bundle.bundle import Bundle  # noqa: PLC0415
    from credit_model.trees.booster import Booster  # noqa: PLC0415

    bundle = Bundle.load(folder / "model")
    booster, calibration = Booster(bundle.model_text), bundle.document.calibration
    encoder = bundle.document.encoder
    numbers = {
        c.name: {level: float(code) for code, level in enumerate(encoder.codes(c))}
        for c in encoder.columns
        if c.has_levels
    }
    columns = [(name, numbers.get(name)) for name in encoder.names]

    def score(body: bytes) -> bytes:
        rows = orjson.loads(body)["instances"]
        codes = [[row[name] if known is None else known.get(row[name]) for name, known in columns] for row in rows]
        matrix = np.array(codes, dtype=np.float64)
        if len(rows) == 1:
            pds = [calibration.pd(booster.margin(matrix.tobytes()))]
        else:
            pds = calibration.pds(booster.margins(matrix)).tolist()
        found = [{"id": row["application_id"], "pd": pd} for row, pd in zip(rows, pds, strict=True)]
        return orjson.dumps({"predictions": found, "model_version": bundle.version})

    _run(_bare(score), port)


def hello(_folder: Path, port: int) -> None:
    """Run an empty handler, to measure HTTP alone."""
    _run(_bare(lambda _body: b'{"hello":"world"}'), port)


def _bare(answer: Callable[[bytes], bytes]) -> Application:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body, more = b"", scope["method"] == "POST"
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        found = answer(body) if scope["method"] == "POST" else b"{}"
        headers = [*_HEADERS, (b"content-length", b"%d" % len(found))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": found})

    return app


def _run(app: Any, port: int) -> None:  # noqa: ANN401 - any ASGI application
    import uvicorn  # noqa: PLC0415

    options: dict[str, Any] = {"loop": "uvloop", "http": "httptools", "lifespan": "off", "proxy_headers": False}
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False, **options)


PEERS: dict[str, Callable[[Path, int], None]] = {"stock": stock, "fastapi": fastapi, "floor": floor, "hello": hello}

if __name__ == "__main__":
    PEERS[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]))
