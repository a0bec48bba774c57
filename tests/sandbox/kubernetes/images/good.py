"""A test image with the serving contract: it answers with its revision and model, and can be slow or exit."""

import json
import os
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

MODEL = Path(sys.argv[1]) / "version.txt" if len(sys.argv) > 1 else None
if os.environ.get("SPAWN"):
    subprocess.Popen(["sleep", "987654"])
if MODEL and MODEL.read_text().strip() == "broken":
    sys.exit("model is broken: cannot load")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet per answer, because delayed acknowledgements would cost 40 ms

    def do_GET(self) -> None:
        self.reply({"path": self.path})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/slow":
            time.sleep(1.0)
        if self.path == "/die":
            os._exit(3)
        self.reply({"revision": os.environ["K_REVISION"], "length": len(body), "model": MODEL and MODEL.read_text()})

    def reply(self, answer: dict) -> None:
        data = json.dumps({**answer, "pid": os.getpid(), "env": os.environ.get("COLOUR")}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("X-Echo", self.headers.get("X-Echo", ""))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 128


Server(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
