"""Settings of the server: command line first, then the variables that SageMaker and KServe set."""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# The name under which KServe and its clients know the model.
NAME = "credit-model"
MIB = 1 << 20


@dataclass(frozen=True)
class Settings:
    """What a server process is told.

    Attributes:
        token_file: file of bearer tokens, one of which every request but health and metrics must carry; None for none.
        max_rows: applicants in one online request.
        max_body: bytes in one online request.
        max_table: bytes in one `/invocations` request (SageMaker sends at most 100 MB).
        drain: seconds after SIGTERM in which requests are still taken while readiness is false, for routers to notice.
        grace: seconds that requests in flight have after that.
    """

    model_dir: Path
    http_port: int
    token_file: Path | None = None
    max_rows: int = 1000
    max_body: int = 16 * MIB
    max_table: int = 128 * MIB
    drain: float = 1.0
    grace: int = 20


def read_settings(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings; an unknown argument ends the process with a usage line.

    Args:
        arguments: command line without the program; SageMaker passes `serve`.
        environment: `SAGEMAKER_BASE_DIR`, `SAGEMAKER_BIND_TO_PORT`, `PORT` and `CREDIT_SERVE_TOKEN_FILE` are read.
    """
    port = environment.get("SAGEMAKER_BIND_TO_PORT") or environment.get("PORT") or "8080"
    folder = Path(environment.get("SAGEMAKER_BASE_DIR", "/opt/ml")) / "model"
    parser = argparse.ArgumentParser(prog="python -m images.serve", description=__doc__, allow_abbrev=False)
    parser.add_argument("serve", nargs="?", choices=["serve"], help="what SageMaker passes; changes nothing")
    parser.add_argument("--model_dir", type=Path, default=folder, help="folder of an unpacked bundle")
    parser.add_argument("--http_port", type=int, default=port)
    token_file = environment.get("CREDIT_SERVE_TOKEN_FILE") or None
    parser.add_argument("--token_file", type=Path, default=token_file, help="file of bearer tokens, one a line")
    parser.add_argument("--max_rows", type=int, default=Settings.max_rows, help="applicants in one online request")
    parser.add_argument("--max_body", type=int, default=Settings.max_body, help="bytes in one online request")
    parser.add_argument("--drain", type=float, default=Settings.drain, help="seconds from SIGTERM to the last request")
    given = parser.parse_args(arguments)
    values = {name: value for name, value in vars(given).items() if name != "serve"}
    return Settings(**values)
