"""Command line of the sandbox's Kubernetes: serve until SIGTERM or SIGINT."""

import argparse
import asyncio
import json
import logging
import signal
import sys
from pathlib import Path

import uvloop

from sandbox.kubernetes.server import Cluster


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox.kubernetes", description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="folder for the kubeconfig, logs and models")
    parser.add_argument("--port", type=int, default=0, help="port of the API server (0: any free one)")
    return parser.parse_args()


async def _serve(state: Path, port: int) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    cluster = Cluster(state=state, port=port)
    try:
        await cluster.start()
        print(json.dumps({"server": cluster.server, "kubeconfig": str(cluster.kubeconfig)}), flush=True)
        await stopping.wait()
    finally:
        await cluster.stop()


def main() -> None:
    """Run the server."""
    arguments = _parse()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s %(message)s")
    uvloop.run(_serve(arguments.state.resolve(), arguments.port))


if __name__ == "__main__":
    main()
