"""A small image with SageMaker's container contract; hyperparameters and environment variables control it."""

import json
import os
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

BASE = Path(os.environ["SAGEMAKER_BASE_DIR"])


def train():
    settings = json.loads((BASE / "input/config/hyperparameters.json").read_text())
    print("starting", os.environ["TRAINING_JOB_NAME"], flush=True)
    if settings.get("child"):
        child = subprocess.Popen(["sleep", "600"])
        (BASE / "child.pid").write_text(str(child.pid))
    if settings.get("save_on_stop"):
        signal.signal(signal.SIGTERM, lambda *_: (save({"stopped": True}), sys.exit(0)))
    if settings.get("ignore_stop"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if settings.get("sleep"):
        time.sleep(float(settings["sleep"]))
    if settings.get("fail"):
        (BASE / "output/failure").write_text(settings["fail"])
        sys.exit(3)
    rows = sum(len(path.read_text().splitlines()) for path in (BASE / "input/data/train").rglob("*") if path.is_file())
    print(f"holdout roc_auc=0.5\nholdout roc_auc={settings['auc']}", file=sys.stderr, flush=True)
    (BASE / "output/data").mkdir(parents=True, exist_ok=True)
    (BASE / "output/data/report.txt").write_text("report")
    save({"rows": rows, "flag": os.environ.get("FLAG"), "factor": settings.get("factor")})


def save(document):
    (BASE / "model/model.json").write_text(json.dumps(document))


class Handler(BaseHTTPRequestHandler):
    """Doubles the numbers of CSV lines, echoes other bodies reversed, fails on the word `bad`."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        if self.path == "/ping":
            self.answer(200, b"")
        elif self.path == "/execution-parameters" and os.environ.get("OFFER"):
            self.answer(200, os.environ["OFFER"].encode())
        else:
            self.answer(404, b"")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        model = json.loads((BASE / "model/model.json").read_text())
        print("request", len(body), self.headers["Content-Type"], flush=True)
        if os.environ.get("SLOW"):
            time.sleep(float(os.environ["SLOW"]))
        failed = Path(os.environ.get("FAIL_FIRST", "/"))
        if not failed.exists():
            failed.touch()
            self.answer(500, b"for once")
        elif b"bad" in body:
            self.answer(400, b"column 'age' row 1: bad")
        elif "csv" in self.headers["Content-Type"]:
            lines = body.decode().split()
            total = [sum(float(value) for value in line.split(",")) * model["factor"] for line in lines]
            self.answer(200, "\n".join(f"{value:g},{len(lines)}" for value in total).encode())
        elif "jsonlines" in self.headers["Content-Type"]:
            rows = [json.loads(line) for line in body.decode().splitlines()]
            self.answer(200, "\n".join(json.dumps({"pd": row["x"] * model["factor"]}) for row in rows).encode())
        else:
            self.answer(200, body[::-1])

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    if "--broken" in sys.argv:
        sys.exit("cannot start: library missing")
    if sys.argv[-1] == "train":
        train()
    else:
        HTTPServer(("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"])), Handler).serve_forever()
