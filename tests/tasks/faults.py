"""An HTTP server in front of the AWS sandbox that answers chosen calls with faults, and passes the others on."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

HOP = ("connection", "transfer-encoding")


@dataclass(frozen=True)
class Fault:
    """What is answered in place of the service.

    Attributes:
        status: HTTP status; 0 drops the connection without an answer.
        code: The service's error code.
        message: Its message.
        late: Whether the service does the work before the answer is lost or spoilt.
    """

    status: int
    code: str = ""
    message: str = ""
    late: bool = False


@dataclass
class Front:
    """The server's address, the faults still to be given by call, and the calls seen.

    Attributes:
        faults: By JSON action (`CreateTrainingJob`), or by `METHOD /path` of S3.
    """

    endpoint: str = ""
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def next_fault(self, call: str) -> Fault | None:
        """Return the fault that a call meets now."""
        self.calls.append(call)
        waiting = self.faults.get(call)
        return waiting.pop(0) if waiting else None


@contextmanager
def front_of(upstream: str) -> Iterator[Front]:
    """Serve on a free port for as long as the block lasts."""
    front = Front()
    where = urlsplit(upstream)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            target = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
            fault = front.next_fault(target or f"{self.command} {urlsplit(self.path).path}")
            if fault is None or fault.late:
                answer = self._pass_on(body)
            if fault is None:
                self._answer(*answer)
            elif fault.status == 0:
                self.close_connection = True
            else:
                text = f'{{"__type": "{fault.code}", "message": "{fault.message}"}}'
                xml = f"<Error><Code>{fault.code}</Code><Message>{fault.message}</Message></Error>"
                self._answer(fault.status, {}, (text if target else xml).encode())

        def _pass_on(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
            connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)
            headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
            connection.request(self.command, self.path, body, headers)
            reply = connection.getresponse()
            content = reply.read()
            connection.close()
            kept = {name: value for name, value in reply.getheaders() if name.lower() not in HOP}
            return reply.status, kept, content

        def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if "content-length" not in {name.lower() for name in headers}:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _serve  # noqa: N815 - names of the standard library

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    front.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield front
    finally:
        server.shutdown()
        server.server_close()
