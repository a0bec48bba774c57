"""Applicants that are looked up by id, metrics, the OpenAPI document, and the end of a server under load."""

import asyncio
import json
import signal
import threading
import time

import httpx
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from images.serve.engine import Engine
from images.serve.errors import ApplicantError, RequestError
from images.serve.metrics import Histogram, Metrics
from images.serve.online.lookup import LookupFault
from images.serve.protocols import v1, v2
from tests.images.serve.serve_process import Server, free_port

V1 = "/v1/models/credit-model:predict"
V2 = "/v2/models/credit-model/infer"


class Memory:
    """A look-up in a dictionary."""

    def __init__(self, rows):
        self._rows = rows

    async def rows(self, ids):
        return [self._rows.get(name) or LookupFault(name, f"{name} is not in the table", missing=True) for name in ids]

    async def close(self):
        self._rows = {}


@pytest.fixture
def by_id(scorer, golden):
    table = {g["application_id"]: g["row"] for g in golden} | {"broken": golden[0]["row"] | {"age": 4}}
    metrics = Metrics(scorer.features, version=scorer.version, unknown=scorer.reader.unknown)
    return Engine(scorer, metrics, lookup=Memory(table))


def test_ids_and_columns_in_one_request(by_id, golden):
    first, second, third = golden[:3]
    names = {"application_id": "mine"}
    rows = [
        {"id": first["application_id"]},
        {"id": "nobody"},
        second["row"] | names,
        {"application_id": "broken"},
        {"id": third["application_id"]},
        {"id": first["application_id"]},
    ]
    request = v1.read({"instances": rows, "parameters": {"explain": True}}, max_rows=10)
    answer = v1.write(asyncio.run(by_id.score(request.rows, explain=True)), "v")
    one, missing, two, broken, three, again = answer["predictions"]
    assert [p["pd"] for p in (one, two, three)] == pytest.approx([g["pd"] for g in golden[:3]], abs=1e-12)
    assert again == one
    assert [p["id"] for p in (one, two, three)] == [first["application_id"], "mine", third["application_id"]]
    assert missing == {"id": "nobody", "error": "nobody is not in the table"}
    assert (broken["id"], "column 'age'" in broken["error"]) == ("broken", True)


def test_a_column_that_breaks_the_contract_still_fails_the_request(by_id, golden):
    rows = [{"id": "nobody"}, {"id": golden[0]["application_id"]}, golden[1]["row"] | {"age": 4}]
    with pytest.raises(Exception, match="column 'age' row 2"):
        asyncio.run(by_id.score(rows))


def test_ids_in_a_tensor(by_id, golden, scorer):
    names = [golden[0]["application_id"], "nobody", "broken"]
    tensor = {"name": "id", "shape": [3], "datatype": "BYTES", "data": names}
    request = v2.read({"inputs": [tensor]}, scorer.contract, max_rows=3)
    answered = asyncio.run(by_id.score_columns(request.columns, request.count))
    body, _ = v2.write(answered, request, name="m", version="v")
    outputs = {output["name"]: output["data"] for output in json.loads(body)["outputs"]}
    assert outputs["pd"] == [pytest.approx(golden[0]["pd"], abs=1e-12), None, None]
    assert outputs["id"] == names
    assert (outputs["error"][0], outputs["error"][1]) == (None, "nobody is not in the table")
    request = v2.read({"inputs": [tensor], "parameters": {"binary_data_output": True}}, scorer.contract, max_rows=3)
    with pytest.raises(ApplicantError, match="row 1"):
        v2.write(answered, request, name="m", version="v")


@pytest.mark.parametrize("name", [None, True, "", 1.5, [], {}])
def test_what_is_no_id(by_id, name):
    with pytest.raises(RequestError, match="application id"):
        asyncio.run(by_id.score([{"id": name}]))


def test_a_histogram_counts_as_numpy_does():
    values = np.random.default_rng(1).random(5000)
    histogram = Histogram((0.25, 0.5))
    for value in values:
        histogram.add([value])
    counts, total = histogram.read()
    assert counts == [("0.25", (values <= 0.25).sum()), ("0.5", (values <= 0.5).sum()), ("+Inf", 5000)]
    assert total == pytest.approx(values.sum())


def samples(http):
    families = text_string_to_metric_families(http.get("/metrics").text)
    return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


def test_metrics_count_rows_missing_values_and_unknown_levels(http, golden, scorer):
    nullable = next(
        column.name for column in scorer.contract.features if column.nullable and column.name in scorer.features
    )
    level = next(c.name for c in scorer.contract.features if c.kind == "categorical")
    row = golden[0]["row"] | {nullable: None, level: "level of tomorrow"}
    before = samples(http)
    assert http.post(V1, json={"instances": [row] * 3}).status_code == 200
    assert http.post(V1, json={"instances": [row | {"age": 1}]}).status_code == 422
    after = samples(http)

    def grown(*key):
        return after[key] - before.get(key, 0)

    assert grown("credit_serve_rows_total") == 3
    assert grown("credit_serve_pd_count") == 3
    assert grown("credit_serve_missing_values_total", nullable) == 3
    assert grown("credit_serve_unknown_levels_total", level) == 3
    assert grown("credit_serve_requests_total", "predict", "422") == 1
    assert after["credit_serve_seconds_count", "predict"] >= 2
    assert after["credit_serve_model", scorer.version] == 1


def test_the_openapi_documents_examples_are_answered_as_it_says(http):
    paths = http.get("/openapi.json").json()["paths"]
    for path in (V1, V2):
        operation = paths[path]["post"]
        example = operation["requestBody"]["content"]["application/json"]["example"]
        answer = http.post(path, json=example)
        assert answer.json() == operation["responses"]["200"]["content"]["application/json"]["example"]


def test_a_compressed_body_is_refused_in_words(http):
    answer = http.post(V1, content=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
    assert (answer.status_code, "compressed" in answer.json()["error"]) == (415, True)


@pytest.mark.integration
def test_sigterm_under_load_loses_no_request(tmp_path, bundle_folder, golden):
    """Clients go on until a connection is refused; whatever was sent before is answered."""
    port = free_port()
    # Longer than the clients go on below, also on a busy machine: what comes after it may be refused or reset.
    server = Server("--model_dir", str(bundle_folder), "--http_port", str(port), "--drain", "4", log=tmp_path / "log")
    server.connect(port).close()
    body = {"instances": [golden[0]["row"]]}
    outcomes, lost, stop = [], [], threading.Event()

    def load() -> None:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            while not stop.is_set():
                try:
                    outcomes.append(client.post(V1, json=body).status_code)
                except httpx.ConnectError:
                    return
                except httpx.TransportError as error:
                    lost.append(repr(error))
                    return

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    server.process.send_signal(signal.SIGTERM)
    time.sleep(0.4)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        for path in ("/v2/health/ready", "/ping", "/v1/models/credit-model", "/v2/models/credit-model/ready"):
            assert client.get(path).status_code == 503
        assert client.get("/v2/health/live").status_code == 200
        during = len(outcomes)
    time.sleep(0.3)
    assert len(outcomes) > during
    stop.set()
    for thread in threads:
        thread.join(20)
    assert server.process.wait(20) == 0
    assert not lost
    assert set(outcomes) == {200}
