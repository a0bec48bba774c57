"""`python -m benchmarks.dashboard`: draw Grafana's panels from a running server's metrics; a minute stands for hours.

Needs Prometheus on the path (Debian's package prometheus). Writes an SVG.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from benchmarks.processes import ROOT, ServerProcess, model_server, run_server
from benchmarks.serve.bodies import prepare
from sandbox.ports import free_port

GRAFANA = ROOT / "deployments" / "grafana" / "endpoint.json"
URL = "/v1/models/credit-model:predict"
# How long each window of an expression is here, where an hour takes twenty seconds.
WINDOWS = {"[5m]": "[10s]", "[1h]": "[20s]", "[1d]": "[40s]", "[7d]": "[90s]"}
COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f")
WIDTH, HEIGHT, MARGIN = 400, 240, 44
Series = tuple[str, list[tuple[float, float]]]


def main() -> int:
    """Run server, traffic and Prometheus, and write the picture; name the panels without numbers."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dashboard", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--to", type=Path, default=Path("dashboard.svg"))
    asked = parser.parse_args()
    if not shutil.which("prometheus"):
        print("Prometheus is needed: apt-get install prometheus", file=sys.stderr)
        return 2
    panels = json.loads(GRAFANA.read_text())["panels"]
    with tempfile.TemporaryDirectory(prefix="dashboard-") as name:
        folder = Path(name)
        prepare(folder, rounds=50)
        rows = json.loads((folder / "names-100").read_text())["instances"]
        with run_server(model_server(folder / "model")) as server, _prometheus(folder, server) as prometheus:
            _send(server, rows, asked.seconds)
            drawn = [(panel["title"], _panel(prometheus, panel, asked.seconds)) for panel in panels]
    asked.to.write_text(_picture(drawn))
    empty = [title for title, series in drawn if not any(points for _, points in series)]
    print(f"{asked.to}: {len(drawn)} panels; without numbers: {', '.join(empty) or 'none'}")
    return 0


@contextmanager
def _prometheus(folder: Path, server: ServerProcess) -> Iterator[str]:
    """Run Prometheus on loopback; it reads the server each second, as the collector labels it."""
    target = {"targets": [f"127.0.0.1:{server.port}"], "labels": {"service": "credit-model-case"}}
    job = {"job_name": "model-servers", "static_configs": [target]}
    config = {"global": {"scrape_interval": "1s"}, "scrape_configs": [job]}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = free_port()
    storage = [f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}"]
    process = subprocess.Popen(
        ["prometheus", *storage, f"--web.listen-address=127.0.0.1:{port}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _send(server: ServerProcess, rows: list[dict[str, Any]], seconds: int) -> None:
    """Send applicants, some of them incomplete or wrong, and after half the time only the riskier half."""
    random.seed(1)
    began = time.monotonic()
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}") as client:
        answers = client.post(URL, json={"instances": rows}).json()["predictions"]
        riskier = [row for _, row in sorted(zip((one["pd"] for one in answers), rows, strict=True), key=_first)][50:]
        while (passed := time.monotonic() - began) < seconds:
            row = dict(random.choice(rows if passed < seconds / 2 else riskier))
            if random.random() < 0.3:
                row[random.choice([name for name in row if name != "application_id"])] = None
            client.post(URL, json={"instances": [row]})
            time.sleep(0.01)


def _first(pair: tuple[float, Any]) -> float:
    return pair[0]


def _panel(prometheus: str, panel: dict[str, Any], seconds: int) -> list[Series]:
    return [series for target in panel["targets"] for series in _asked(prometheus, target, seconds)]


def _asked(prometheus: str, target: dict[str, Any], seconds: int) -> list[Series]:
    """Return what Prometheus answers to a panel's expression, with each window shortened."""
    expression = target["expr"].replace("$service", ".*")
    for window, shorter in WINDOWS.items():
        expression = expression.replace(window, shorter)
    now = time.time()
    query = urllib.parse.urlencode({"query": expression, "start": now - seconds, "end": now, "step": 1})
    with urllib.request.urlopen(f"{prometheus}/api/v1/query_range?{query}") as answer:
        found = json.load(answer)["data"]["result"]
    return [(_legend(target["legendFormat"], one["metric"]), _points(one["values"])) for one in found]


def _legend(template: str, labels: dict[str, str]) -> str:
    return re.sub(r"{{(\w+)}}", lambda found: labels.get(found[1], ""), template)[:34]


def _points(values: list[tuple[float, str]]) -> list[tuple[float, float]]:
    return [(at, float(value)) for at, value in values if value != "NaN"]


def _picture(drawn: list[tuple[str, list[Series]]]) -> str:
    """Return all panels as one SVG, three in a row."""
    height = -(-len(drawn) // 3) * HEIGHT
    parts = [
        _chart(title, series, place % 3 * WIDTH, place // 3 * HEIGHT) for place, (title, series) in enumerate(drawn)
    ]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{3 * WIDTH}" height="{height}" font-family="sans-serif">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *parts, "</svg>", ""])


def _chart(title: str, series: list[Series], left: int, top: int) -> str:
    points = [point for _, line in series for point in line]
    times, values = [at for at, _ in points] or [0.0], [value for _, value in points] or [0.0]
    first, last, highest = min(times), max(*times, min(times) + 1), max(*values, 1e-9)
    across, down = (WIDTH - 2 * MARGIN) / (last - first), (HEIGHT - 2 * MARGIN) / highest
    parts = [f'<g transform="translate({left},{top})"><text x="{MARGIN}" y="22" font-size="14">{title}</text>']
    parts += [f'<text x="4" y="{MARGIN + 4}" font-size="10">{highest:.3g}</text>']
    parts += [f'<path d="M{MARGIN},{MARGIN}V{HEIGHT - MARGIN}H{WIDTH - MARGIN}" fill="none" stroke="#999"/>']
    for place, (name, line) in enumerate(series[: len(COLOURS)]):
        colour = COLOURS[place]
        path = " ".join(f"{MARGIN + (at - first) * across:.1f},{HEIGHT - MARGIN - y * down:.1f}" for at, y in line)
        parts += [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>']
        x, y = MARGIN + place % 2 * 170, HEIGHT - MARGIN + 12 + place // 2 * 10
        parts += [f'<text x="{x}" y="{y}" font-size="9" fill="{colour}">{name}</text>']
    return "".join([*parts, "</g>"])


if __name__ == "__main__":
    sys.exit(main())
