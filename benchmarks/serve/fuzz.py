"""A long fuzz test of a server: `python -m benchmarks.serve.fuzz [--requests 20000]`; exits with 1 on any failure."""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import orjson

from benchmarks.serve.bodies import prepare
from benchmarks.serve.measure import V1, V2, start_server

Request = tuple[str, bytes, dict[str, str]]
TABLE = "/invocations"
VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 41, 2**53 + 2, 2**63, -(2**64), 10**30, 0.5, -0.0, 1e308, 5e-324, 1e-400),
    *("", " ", "1", "1.0", "NaN", "F", "\u0000", "é", "\U0001f600", "x" * 5000, "' or 1=1", "true"),
    *([], [[]], {}, {"a": 1}, [1, 2], [None]),
]
TEXT = ["NaN", "Infinity", "1e999", "{", "[[[[", '"\\ud800"', "nul", "-", "1.", "\\u00"]


class Fuzzer:
    """Builds requests by corrupting valid ones."""

    def __init__(self, golden: list[dict[str, Any]], datatypes: dict[str, str], *, seed: int) -> None:
        self._rows = [g["row"] for g in golden]
        self._datatypes = datatypes
        self._dice = random.Random(seed)

    def request(self) -> Request:
        """Return the path, body and headers of the next request."""
        path, body, headers = self._dice.choice([self._v1, self._v2, self._v2, self._binary, self._table])()
        if self._dice.random() < 0.25:
            body = self._torn(body)
        if self._dice.random() < 0.05:
            headers["X-Request-Id"] = self._dice.choice(["a", "x" * 200, "sp ace", "ü".encode().decode("latin-1")])
        return path, body, headers

    def _row(self) -> dict[str, Any]:
        row = dict(self._dice.choice(self._rows))
        for _ in range(self._dice.choice([0, 0, 1, 2])):
            name = self._dice.choice([*row, "application_id", "uuid", "id", "zzz", "AGE", " age "])
            if self._dice.random() < 0.3:
                row.pop(name, None)
            else:
                row[name] = self._dice.choice(VALUES)
        return row

    def _v1(self) -> Request:
        rows = [self._row() for _ in range(self._dice.choice([0, 1, 1, 1, 3, 130]))]
        if self._dice.random() < 0.1:
            rows.append(self._dice.choice(VALUES))
        document: dict[str, Any] = {"instances": rows}
        if self._dice.random() < 0.2:
            document["parameters"] = self._dice.choice([{}, {"explain": True}, *VALUES])
        if self._dice.random() < 0.1:
            document[self._dice.choice(["instances", "x", "parameters"])] = self._dice.choice(VALUES)
        return V1, json.dumps(document).encode(), {}

    def _tensors(self) -> list[dict[str, Any]]:
        row, count = self._row(), self._dice.choice([1, 1, 2, 5])
        tensors = [
            {"name": name, "datatype": self._datatypes.get(name, "BYTES"), "shape": [count], "data": [value] * count}
            for name, value in row.items()
        ]
        for _ in range(self._dice.choice([0, 0, 1, 2])):
            tensor = self._dice.choice(tensors)
            key = self._dice.choice(["name", "datatype", "shape", "data"])
            tensor[key] = self._dice.choice(
                [*VALUES, [2], [1, 1], [0], [10**12], [-1], [True], "FP64", "BYTES", "UINT8"]
            )
        return tensors

    def _v2(self) -> Request:
        document: dict[str, Any] = {"inputs": self._tensors()}
        for key in ("id", "outputs", "parameters", "inputs"):
            if self._dice.random() < 0.05:
                more = [{"explain": True}, {"binary_data_output": True}, [{"name": "pd"}], [{"name": "x"}]]
                document[key] = self._dice.choice([*VALUES, *more])
        return V2, json.dumps(document).encode(), {}

    def _binary(self) -> Request:
        tensors, blob = self._tensors(), b""
        for tensor in self._dice.sample(tensors, self._dice.randint(1, len(tensors))):
            tensor.pop("data", None)
            size = self._dice.choice([0, 1, 4, 8, 8, 8, 16, 40])
            blob += self._dice.randbytes(size)
            wrong = self._dice.random() < 0.05
            tensor["parameters"] = {"binary_data_size": self._dice.choice(VALUES) if wrong else size}
        head = json.dumps({"inputs": tensors}).encode()
        length = self._dice.choice([str(len(head))] * 8 + ["", "-1", "9" * 40, "7"])
        return V2, head + blob, {"Inference-Header-Content-Length": length}

    def _table(self) -> Request:
        rows = [self._row() for _ in range(3)]
        kind = self._dice.choice(["text/csv", "application/jsonlines", "application/x-parquet", "x/y", ""])
        names = list(rows[0])
        lines = [",".join(names), *(",".join(str(row.get(name, "")) for name in names) for row in rows)]
        csv_body = "\n".join(lines).encode("utf-8", "surrogatepass")
        json_body = b"\n".join(json.dumps(row).encode() for row in rows)
        body = {"text/csv": csv_body, "application/jsonlines": json_body}.get(kind, b"PAR1" + csv_body[:50] + b"PAR1")
        return TABLE, body, {"Content-Type": kind, "Accept": self._dice.choice(["", "*/*", "text/csv", "a/b"])}

    def _torn(self, body: bytes) -> bytes:
        place = self._dice.randrange(len(body) + 1)
        choice = self._dice.random()
        if choice < 0.3:
            return body[:place]
        if choice < 0.6:
            return body[:place] + self._dice.randbytes(self._dice.randint(1, 4)) + body[place + 1 :]
        return body[:place] + self._dice.choice(TEXT).encode() + body[place:]


def fuzz(client: httpx.Client, fuzzer: Fuzzer, count: int) -> Counter[tuple[str, int]]:
    """Send `count` requests and count the answers: each is JSON or a table, and each refusal gives a reason."""
    found: Counter[tuple[str, int]] = Counter()
    for _ in range(count):
        path, body, headers = fuzzer.request()
        raw = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
        answer = client.post(path, content=body, headers=raw)
        found[path, answer.status_code] += 1
        refused = answer.status_code in (400, 404, 406, 413, 415, 422)
        if answer.status_code != 200 and not (refused and orjson.loads(answer.content)["error"]):
            found["wrong", answer.status_code] += 1
            print(answer.status_code, path, headers, body[:600], answer.content[:300], file=sys.stderr)
    return found


def main() -> int:
    """Start a server and fuzz it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serve.fuzz", description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fuzz-serve-") as name:
        folder = Path(name)
        prepare(folder, rounds=20)
        golden = json.loads((folder / "model" / "golden.json").read_text())
        with start_server("ours", folder, core=0) as server:
            client = httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=20)
            inputs = client.get("/v2/models/credit-model").json()["inputs"]
            fuzzer = Fuzzer(golden, {i["name"]: i["datatype"] for i in inputs}, seed=options.seed)
            found = fuzz(client, fuzzer, options.requests // 2)
            before = server.memory_mib()
            found += fuzz(client, fuzzer, options.requests - options.requests // 2)
            grown = server.memory_mib() / before - 1
            alive = client.get("/v2/health/ready").status_code == 200
    for (path, status), count in sorted(found.items()):
        print(f"{path} {status}: {count}")
    print(f"memory {before:.0f} MiB, {grown:+.1%} over the second half; {'alive' if alive else 'DEAD'} at the end")
    return int(not alive or grown > 0.02 or any(path == "wrong" for path, _ in found))


if __name__ == "__main__":
    sys.exit(main())
