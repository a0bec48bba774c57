"""Command line of the AWS sandbox: `python -m sandbox.aws --state DIR [--port 0]`."""

import argparse
import json
import signal
import sys
import threading
from pathlib import Path

from sandbox.aws.server import AwsServer


def main(argv: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; when ready, print the endpoint as one JSON line."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.aws", description="AWS on loopback")
    parser.add_argument("--state", type=Path, required=True, help="folder for all of the sandbox's files")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (0: any free one)")
    arguments = parser.parse_args(argv)
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    server = AwsServer(state=arguments.state, port=arguments.port)
    server.start()
    print(json.dumps({"endpoint": server.endpoint}), flush=True)
    over.wait()
    server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
