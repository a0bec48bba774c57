"""Model servers are reached through gateways that hiccup, with tokens that expire, private authorities and proxies."""

import datetime
import ipaddress
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tasks.errors import ReleaseError
from tasks.release import kserve, retries
from tasks.release.endpoint import Endpoint, version_at
from tasks.settings import settings

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("release_settings")]


class Script:
    """A server that answers what a test says, then 200 for ever; it notes the paths that it is asked for."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.asked: list[str] = []


@contextmanager
def serving(script: Script, context: ssl.SSLContext | None = None) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            script.asked.append(self.path)
            status = script.statuses.pop(0) if script.statuses else 200
            body = json.dumps({"versions": ["v7"], "predictions": [{"pd": 0.1}], "model_version": "v7"}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"{'https' if context else 'http'}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def _hurried(monkeypatch) -> None:
    monkeypatch.setattr(retries, "_BACKOFF", lambda _: 0.01)


def test_a_gateway_error_is_counted_and_asked_again():
    with serving(Script(503, 200, 502, 504, 200)) as url, Endpoint(url) as server:
        assert server.ask([{}]).status == 200
        assert server.ask([{}]).version == "v7"
        assert (server.requests, server.hiccups) == (2, 3)
        with pytest.raises(ReleaseError, match="3 of 2 requests met a gateway's error"):
            server.check_hiccups(0.01)


def test_one_gateway_error_is_free_and_a_share_of_many_is_tolerated():
    with serving(Script(503)) as url, Endpoint(url) as server:
        for _ in range(3):
            server.ask([{}])
        server.check_hiccups(0.0)
        server.hiccups, server.requests = 2, 220
        server.check_hiccups(0.01)
        with pytest.raises(ReleaseError):
            server.check_hiccups(0.005)


def test_a_server_error_is_the_models_and_not_asked_again():
    script = Script(500)
    with serving(script) as url, Endpoint(url) as server:
        assert server.ask([{}]).status == 500
        assert (len(script.asked), server.hiccups) == (1, 0)


def test_lasting_gateway_errors_end_with_the_last_answer():
    with serving(Script(*[503] * 9)) as url, Endpoint(url) as server:
        assert server.ask([{}]).status == 503
        assert server.hiccups == 4


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_is_not_taken_is_not_the_models_fault(status):
    refused = pytest.raises(ReleaseError, match=r"CREDIT_SERVE_TOKEN.*Nothing was found against the model")
    with serving(Script(status)) as url, Endpoint(url) as server, refused:
        server.ask([{}])


def test_nobody_there_is_no_answer_and_no_version():
    with serving(Script()) as url:
        pass
    assert version_at(url) is None


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Path:
    """Return a folder with a certificate for 127.0.0.1 that only its own authority knows."""
    folder = tmp_path_factory.mktemp("authority")
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a private authority")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "ca.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    secret = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(secret)
    return folder


@pytest.mark.parametrize("given", ["file", "text"])
def test_a_private_authority_is_trusted_if_the_setting_names_it(authority, monkeypatch, given):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "ca.pem", authority / "key.pem")
    with serving(Script(), context) as url:
        assert version_at(url) is None
        bundle = authority / "ca.pem"
        monkeypatch.setenv("CREDIT_CA_BUNDLE", str(bundle) if given == "file" else bundle.read_text())
        settings.cache_clear()
        assert version_at(url) == "v7"


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_an_authority_that_cannot_be_read_is_named(tmp_path, monkeypatch, content):
    path = tmp_path / "ca.pem"
    if content:
        path.write_text(content)
    monkeypatch.setenv("CREDIT_CA_BUNDLE", str(path))
    settings.cache_clear()
    with pytest.raises(ReleaseError, match=r"CREDIT_CA_BUNDLE .*ca\.pem cannot be read as PEM"):
        Endpoint("https://127.0.0.1:1")


def test_requests_go_through_the_proxy_of_the_environment_unless_it_is_excluded(monkeypatch):
    proxy, server = Script(), Script()
    with serving(proxy) as gate, serving(server) as url:
        monkeypatch.setenv("HTTP_PROXY", gate)
        assert version_at("http://model.example") == "v7"
        assert proxy.asked == ["http://model.example/v2/models/credit-model"]
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        assert version_at(url) == "v7"
        assert len(proxy.asked) == 1


def test_the_cluster_is_reached_through_the_proxy_of_the_environment(monkeypatch, tmp_path):
    proxy = Script()
    cluster = {"name": "c", "cluster": {"server": "http://cluster.example"}}
    context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
    users = [{"name": "u", "user": {}}]
    document = {"apiVersion": "v1", "clusters": [cluster], "contexts": [context], "users": users}
    (tmp_path / "config").write_text(json.dumps(document | {"current-context": "c"}))
    with serving(proxy) as gate:
        monkeypatch.setenv("HTTP_PROXY", gate)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.setattr(kserve.config.kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "config"))
        kserve.api.cache_clear()
        try:
            assert kserve.read("credit-model-case") is not None
        finally:
            kserve.api.cache_clear()
    path = "/apis/serving.kserve.io/v1beta1/namespaces/ml/inferenceservices/credit-model-case"
    assert proxy.asked == [f"http://cluster.example{path}"]


def test_a_cluster_that_accepts_and_never_answers_does_not_hang_a_release(monkeypatch, tmp_path):
    silent = socket.create_server(("127.0.0.1", 0))
    cluster = {"name": "c", "cluster": {"server": f"http://127.0.0.1:{silent.getsockname()[1]}"}}
    context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
    document = {"clusters": [cluster], "contexts": [context], "users": [{"name": "u", "user": {}}]}
    (tmp_path / "config").write_text(json.dumps(document | {"current-context": "c"}))
    monkeypatch.setattr(kserve.config.kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "config"))
    monkeypatch.setattr(kserve, "TIMEOUT", (0.2, 0.2))
    kserve.api.cache_clear()
    try:
        with pytest.raises(ReleaseError, match=r"the cluster cannot be reached.*timed out"):
            kserve.read("credit-model-case")
        with pytest.raises(ReleaseError, match="the cluster cannot be reached"):
            kserve.create({"metadata": {"name": "m"}, "spec": {"predictor": {}}})
        with pytest.raises(ReleaseError, match="the cluster cannot be reached"):
            kserve.delete("m")
    finally:
        kserve.api.cache_clear()
        silent.close()
