"""The process: where it takes port and model from, what it refuses to start with, and how it ends."""

import io
import json
import re
import shutil
import signal
import threading
import time

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.images.serve.serve_process import Server, free_port

pytestmark = pytest.mark.integration


def ended(server):
    return server.process.wait(20), server.log.read_text().strip().splitlines()


def test_a_missing_bundle_ends_with_one_clear_line(tmp_path):
    code, lines = ended(Server("--model_dir", str(tmp_path / "none"), log=tmp_path / "log"))
    assert code == 1
    assert len(lines) == 1
    assert "manifest.json is missing" in json.loads(lines[0])["message"]


def test_a_changed_bundle_ends_with_one_clear_line(tmp_path, bundle_folder):
    folder = shutil.copytree(bundle_folder, tmp_path / "model")
    with (folder / "model.txt").open("a") as model:
        model.write("\n")
    code, lines = ended(Server("--model_dir", str(folder), log=tmp_path / "log"))
    assert code == 1
    assert len(lines) == 1
    assert "model.txt was changed" in json.loads(lines[0])["message"]


def test_an_unknown_argument_is_refused(tmp_path):
    code, lines = ended(Server("--workers=2", log=tmp_path / "log"))
    assert code == 2
    assert "unrecognized arguments" in lines[-1]


@pytest.mark.parametrize("variable", ["SAGEMAKER_BIND_TO_PORT", "PORT"])
def test_sagemaker_starts_it_by_its_variables(tmp_path, bundle_folder, variable):
    shutil.copytree(bundle_folder, tmp_path / "model")
    port = free_port()
    server = Server("serve", log=tmp_path / "log", **{variable: str(port), "SAGEMAKER_BASE_DIR": str(tmp_path)})
    assert server.connect(port).get("/ping").status_code == 200
    assert server.stop() == 0


def test_requests_in_flight_finish_after_sigterm(tmp_path, bundle_folder, applications):
    port = free_port()
    server = Server("--model_dir", str(bundle_folder), "--http_port", str(port), log=tmp_path / "log")
    server.connect(port)
    sink = io.BytesIO()
    pq.write_table(pa.concat_tables([applications] * 400), sink)
    answers = []

    def send() -> None:
        headers = {"Content-Type": "application/x-parquet"}
        url = f"http://127.0.0.1:{port}/invocations"
        answers.append(httpx.post(url, content=sink.getvalue(), headers=headers, timeout=60))

    thread = threading.Thread(target=send)
    thread.start()
    time.sleep(0.15)
    server.process.send_signal(signal.SIGTERM)
    thread.join(60)
    assert server.process.wait(30) == 0
    assert pq.read_table(io.BytesIO(answers[0].content)).num_rows == 400 * applications.num_rows


def test_logs_are_json_and_hold_no_data(server, http, golden):
    before = len(server.log.read_text().splitlines())
    secret = "Zyxwvut-4711"
    bad = golden[0]["row"] | {"age": secret}
    for _ in range(5):
        assert http.post("/v1/models/credit-model:predict", json={"instances": [golden[0]["row"]]}).status_code == 200
    assert http.post("/v1/models/credit-model:predict", json={"instances": [bad]}).status_code == 422
    time.sleep(0.2)
    lines = server.log.read_text().splitlines()[before:]
    assert [json.loads(line)["status"] for line in lines if "status" in json.loads(line)] == [422]
    assert len(lines) <= 6
    assert not re.search(secret, "\n".join(lines))
    assert golden[0]["application_id"] not in "\n".join(lines)
