"""Bearer tokens: asked for everything but health and metrics, rotated while the server runs, never off by accident."""

import os
import time

import pytest

from images.serve.http.auth import TokenFileError, Tokens
from tests.images.serve.serve_process import Server, free_port

pytestmark = pytest.mark.integration

PREDICT = "/v1/models/credit-model:predict"


def swap(folder, number, text):
    """Put a new secret in place as the kubelet does: a new folder, and the link turned to it."""
    (folder / f"..{number}").mkdir()
    (folder / f"..{number}" / "token").write_text(text)
    (folder / "..new").symlink_to(f"..{number}")
    os.replace(folder / "..new", folder / "..data")
    if not (folder / "token").is_symlink():
        (folder / "token").symlink_to("..data/token")


@pytest.fixture(scope="module")
def secret(tmp_path_factory):
    folder = tmp_path_factory.mktemp("secret")
    swap(folder, 1, "first\n")
    return folder


@pytest.fixture(scope="module")
def guarded(bundle_folder, secret, tmp_path_factory):
    port, log = free_port(), tmp_path_factory.mktemp("guarded") / "log"
    arguments = ["--model_dir", str(bundle_folder), "--http_port", str(port), "--drain", "0"]
    running = Server(*arguments, log=log, CREDIT_SERVE_TOKEN_FILE=str(secret / "token"))
    running.client = running.connect(port)
    yield running
    assert running.stop() == 0


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("path", ["/ping", "/metrics", "/v2/health/live", "/v2/health/ready"])
def test_health_and_metrics_are_open(guarded, path):
    assert guarded.client.get(path).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", PREDICT),
        ("POST", "/v2/models/credit-model/infer"),
        ("POST", "/invocations"),
        ("GET", "/v2/models/credit-model"),
        ("GET", "/v1/models"),
        ("GET", "/openapi.json"),
        ("POST", "/v2/repository/models/credit-model/unload"),
        ("GET", "/v2/health/ready/"),
        ("GET", "//metrics"),
    ],
)
def test_everything_else_is_not(guarded, method, path):
    answer = guarded.client.request(method, path, content=b"{}" if method == "POST" else None)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "Authorization: Bearer" in answer.json()["error"]


@pytest.mark.parametrize("given", ["Bearer", "Bearer firs", "Bearer firstt", "Basic first", "first"])
def test_what_is_no_token_is_refused(guarded, given):
    assert guarded.client.post(PREDICT, headers={"Authorization": given}, json={}).status_code == 401


@pytest.mark.parametrize("given", ["Bearer first", "bearer first", "Bearer  first"])
def test_a_token_opens(guarded, golden, given):
    answer = guarded.client.post(PREDICT, headers={"Authorization": given}, json={"instances": [golden[0]["row"]]})
    assert answer.status_code == 200
    assert answer.json()["predictions"][0]["pd"] == pytest.approx(golden[0]["pd"], abs=1e-9)


def test_a_refused_body_of_any_size_leaves_the_connection_in_order(guarded):
    assert guarded.client.post(PREDICT, content=b" " * 3_000_000).status_code == 401
    assert guarded.client.get("/v2/models/credit-model", headers=bearer("first")).status_code == 200


def test_refusals_are_counted(guarded):
    guarded.client.post(PREDICT, json={})
    assert 'credit_serve_requests_total{route="unauthorized",status="401"}' in guarded.client.get("/metrics").text


def test_a_rotated_secret_is_taken_up_and_a_broken_one_is_not(guarded, secret):
    def answers(token):
        return guarded.client.get("/v2/models/credit-model", headers=bearer(token)).status_code

    swap(secret, 2, "first\nsecond\n")
    deadline = time.monotonic() + 10
    while answers("second") != 200 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert (answers("first"), answers("second")) == (200, 200)
    swap(secret, 3, "second\n")
    while answers("first") != 401 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert (answers("first"), answers("second")) == (401, 200)
    swap(secret, 4, "\n")
    time.sleep(1.2)
    assert (answers("second"), answers("x")) == (200, 401)
    assert "tokens not reloaded" in guarded.log.read_text()
    swap(secret, 5, "first\n")
    while answers("first") != 200 and time.monotonic() < deadline:
        time.sleep(0.1)


def test_a_server_that_was_to_ask_for_tokens_does_not_start_without(bundle_folder, tmp_path):
    missing, log = tmp_path / "none", tmp_path / "log"
    server = Server("--model_dir", str(bundle_folder), "--token_file", str(missing), log=log)
    assert server.process.wait(30) == 1
    assert f"token file {missing}: No such file or directory; mount the secret there" in log.read_text()


def test_a_file_without_a_token_is_refused(tmp_path):
    (tmp_path / "token").write_text(" \n\n")
    with pytest.raises(TokenFileError, match="holds no token; write one per line"):
        Tokens(tmp_path / "token")
