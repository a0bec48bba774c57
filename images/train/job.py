"""One training job: reads hyperparameters and channels, writes the bundle, and on failure one readable line.

With several hosts, every host reads all rows (`FullyReplicated`, SageMaker's default), so all derive the same levels,
bins and folds without communication. LightGBM's data-parallel learner then divides the rows of each fold and of the
final fit. A channel sharded by key is refused, because each host would derive different levels and folds. The first
host writes the bundle; the others end with an empty model folder.
"""

import json
import os
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from credit_model.bundle.bundle import Bundle
from credit_model.bundle.document import Lineage
from credit_model.contract.contract import load_contract
from credit_model.errors import CreditModelError
from credit_model.settings import TrainSettings
from credit_model.training.checkpoints import Checkpoint, FolderCheckpoint
from credit_model.training.train import train
from images.train import interruption
from images.train.cluster import Cluster, Team, TeamCheckpoint

# The instances of a job may start minutes apart.
_GATHER_SECONDS = 900.0


class ChannelError(CreditModelError):
    """A channel of the job is missing or empty."""


class ModelFolderError(CreditModelError):
    """The folder for the bundle is not empty."""


def main(base: Path) -> int:
    """Run the job in SageMaker's `/opt/ml`, which is `base`; return the exit code.

    SIGTERM ends it with 143 and without `output/failure`; finished stages stay in `checkpoints/`.
    """
    team: Team | None = None
    try:
        cluster = Cluster.read(base)
        team = Team(cluster, partial(_left_alone, base))
        interruption.before_leaving(partial(team.close, interrupted=True))
        bundle = run(base, cluster, team, say=_say)
        if cluster.leads:
            for name, value in bundle.holdout_metrics.items():
                _say(f"holdout {name}={value:.6f}")
    except CreditModelError as error:
        return _fail(base, team, str(error))
    except Exception as error:
        traceback.print_exc()
        return _fail(base, team, f"{type(error).__name__}: {error}")
    team.close()
    _say(f"model version {bundle.version}")
    return 0


def run(base: Path, cluster: Cluster, team: Team, *, say: Callable[[str], None]) -> Bundle:
    """Train on the channels `train`, `holdout` and `contract`; write the bundle to the first host's `model/`.

    Raises:
        CreditModelError: settings, channels, hosts or data are unusable.
    """
    _check_empty(base / "model")
    settings = TrainSettings.from_hyperparameters(_config(base, "hyperparameters"))
    channels = base / "input" / "data"
    if not cluster.share.alone:
        _check_replicated(_config(base, "inputdataconfig"))
    contract = load_contract(_only_file(channels / "contract"))
    rows, holdout = (_table(channels / name) for name in ("train", "holdout"))
    say(f"{rows.num_rows:,} rows to train, {holdout.num_rows:,} held out, {len(contract.features)} features")
    if not cluster.share.alone:
        say(f"host {cluster.current}: dividing the work among {', '.join(cluster.names)}")
    team.gather(_GATHER_SECONDS)
    checkpoint: Checkpoint = FolderCheckpoint(base / "checkpoints", say=say)
    if not cluster.share.alone:
        checkpoint = TeamCheckpoint(team, leads=cluster.leads, checkpoint=checkpoint)
    bundle = train(
        rows,
        contract,
        settings,
        holdout=holdout,
        lineage=_lineage(),
        progress=lambda stage, fraction, message: say(f"[{fraction:4.0%}] {stage}: {message}"),
        checkpoint=checkpoint,
        share=cluster.share,
    )
    if cluster.leads:
        with interruption.UNINTERRUPTED:
            bundle.save(base / "model")
    return bundle


def _say(line: str) -> None:
    print(line, flush=True)


def _lineage() -> Lineage:
    """Return the lineage that the flow has put into the job's environment."""
    return Lineage(
        snapshot_id=os.environ.get("CREDIT_SNAPSHOT_ID"),
        git_commit=os.environ.get("CREDIT_GIT_COMMIT"),
        image_digest=os.environ.get("CREDIT_IMAGE", "").partition("@")[2] or None,
        extra={"split": os.environ.get("CREDIT_SPLIT", "given")},
    )


def _config(base: Path, name: str) -> dict[str, Any]:
    path = base / "input" / "config" / f"{name}.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def _check_empty(folder: Path) -> None:
    """Refuse a used model folder now, because the bundle could not be saved there in the end."""
    found = sorted(path.name for path in folder.glob("*"))
    if found:
        raise ModelFolderError(f"{folder} holds {', '.join(found[:3])} before the training; start with an empty folder")


def _check_replicated(channels: dict[str, Any]) -> None:
    for name, channel in channels.items():
        kind = channel.get("S3DistributionType", "FullyReplicated")
        if kind != "FullyReplicated":
            raise ChannelError(f"channel '{name}' is {kind}: every host needs all rows; set it to FullyReplicated")


def _only_file(folder: Path) -> Path:
    files = [path for path in folder.glob("*") if path.is_file()]
    if len(files) != 1:
        raise ChannelError(
            f"channel '{folder.name}' holds {len(files)} files instead of one; check the job's S3 prefix"
        )
    return files[0]


def _table(folder: Path) -> pa.Table:
    if not any(path.is_file() for path in folder.rglob("*")):
        raise ChannelError(f"channel '{folder.name}' is empty; check the job's S3 prefix")
    return pq.read_table(folder)


def _fail(base: Path, team: Team | None, message: str) -> int:
    line = _write_failure(base, message)
    if team is not None:
        team.close(failure=line)
    print(line, file=sys.stderr, flush=True)
    return 1


def _left_alone(base: Path, message: str, interrupted: bool) -> None:
    """End this host because another one has ended."""
    if interrupted:
        interruption.leave(f"{message}: this host ends too and resumes from the checkpoints when restarted")
    interruption.leave(_write_failure(base, message), code=1)


def _write_failure(base: Path, message: str) -> str:
    """Write `output/failure`, which becomes the job's FailureReason; return its text."""
    line = " ".join(message.split())[:1024]
    try:
        (base / "output").mkdir(parents=True, exist_ok=True)
        (base / "output" / "failure").write_text(line)
    except OSError as error:
        print(f"output/failure cannot be written: {error}", file=sys.stderr, flush=True)
    return line
