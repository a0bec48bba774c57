"""One training job: reads hyperparameters and channels, writes the bundle, and on failure one readable line."""

import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from credit_model.bundle import Bundle, Lineage
from credit_model.contract import load_contract
from credit_model.errors import CreditModelError
from credit_model.settings import TrainSettings
from credit_model.training import train


class ChannelError(CreditModelError):
    """A channel of the job is missing or empty."""


def main() -> int:
    """Run the job in `SAGEMAKER_BASE_DIR` (default `/opt/ml`); return the exit code."""
    base = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
    try:
        bundle = run(base, say=lambda line: print(line, flush=True))
        for name, value in bundle.holdout_metrics.items():
            print(f"holdout {name}={value:.6f}", flush=True)
    except CreditModelError as error:
        return _fail(base, str(error))
    except Exception as error:
        traceback.print_exc()
        return _fail(base, f"{type(error).__name__}: {error}")
    print(f"model version {bundle.version}", flush=True)
    return 0


def run(base: Path, *, say: Callable[[str], None]) -> Bundle:
    """Train on the channels `train`, `holdout` and `contract`; leave the bundle in `model/` and return it.

    Raises:
        CreditModelError: settings, channels or data do not fit.
    """
    settings = TrainSettings.from_hyperparameters(_hyperparameters(base))
    channels = base / "input" / "data"
    contract = load_contract(_only_file(channels / "contract"))
    rows, holdout = (_table(channels / name) for name in ("train", "holdout"))
    say(f"{rows.num_rows:,} rows to train, {holdout.num_rows:,} held out, {len(contract.features)} features")
    progress = lambda stage, fraction, message: say(f"[{fraction:4.0%}] {stage}: {message}")  # noqa: E731 - one line
    bundle = train(rows, contract, settings, holdout=holdout, lineage=_lineage(), progress=progress)
    bundle.save(base / "model")
    return bundle


def _lineage() -> Lineage:
    """What the flow says of the run in the job's environment."""
    return Lineage(
        snapshot_id=os.environ.get("CREDIT_SNAPSHOT_ID"),
        git_commit=os.environ.get("CREDIT_GIT_COMMIT"),
        image_digest=os.environ.get("CREDIT_IMAGE", "").partition("@")[2] or None,
        extra={"split": os.environ.get("CREDIT_SPLIT", "given")},
    )


def _hyperparameters(base: Path) -> dict[str, str]:
    path = base / "input" / "config" / "hyperparameters.json"
    found: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    return found


def _only_file(folder: Path) -> Path:
    files = [path for path in folder.glob("*") if path.is_file()]
    if len(files) != 1:
        raise ChannelError(f"channel '{folder.name}' holds {len(files)} files, not one; check the job's S3 prefix")
    return files[0]


def _table(folder: Path) -> pa.Table:
    if not any(path.is_file() for path in folder.rglob("*")):
        raise ChannelError(f"channel '{folder.name}' is empty; check the job's S3 prefix")
    return pq.read_table(folder)


def _fail(base: Path, message: str) -> int:
    line = " ".join(message.split())[:1024]
    (base / "output").mkdir(parents=True, exist_ok=True)
    (base / "output" / "failure").write_text(line)
    print(line, file=sys.stderr, flush=True)
    return 1
