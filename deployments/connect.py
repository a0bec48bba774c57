"""Connects Prefect to a stage: sets the variables that prefect.yaml and the work pool use, and the work pool."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from deployments.errors import EstateError

TEMPLATE = Path(__file__).parent / "prefect" / "ecs-base-job-template.json"
POOL = "credit-ecs"


def variables(stage: str, values: Mapping[str, str], outputs: Mapping[str, str]) -> dict[str, object]:
    """Return the Prefect variables of a stage by name.

    Raises:
        EstateError: the stacks that provide them do not exist yet.
    """
    missing = [name for name in ("EcsCluster", "Vpc", "Subnets", "TaskSecurityGroup") if name not in outputs]
    if missing:
        raise EstateError(f"stage {stage} has no {', '.join(missing)} yet: run make deploy STAGE={stage} first")
    network = {
        "subnets": outputs["Subnets"].split(","),
        "securityGroups": [outputs["TaskSecurityGroup"]],
        "assignPublicIp": "DISABLED",
    }
    return {
        "credit_stage": stage,
        "credit_ecs_cluster": outputs["EcsCluster"],
        "credit_vpc": outputs["Vpc"],
        "credit_ecs_network": network,
        "credit_api_key_secret": values.get("PrefectApiKeySecret", ""),
    }


def connect(stage: str, values: Mapping[str, str], outputs: Mapping[str, str]) -> None:
    """Set the variables and create or update the work pool on the server that the stage's file names.

    Raises:
        EstateError: the stage names no server, or Prefect refuses; the message has its output.
    """
    if "PrefectApiUrl" not in values:
        raise EstateError(f"stage {stage} names no Prefect server: add a line PrefectApiUrl=… to its file")
    where, wanted = values["PrefectApiUrl"], variables(stage, values, outputs)
    for name, value in wanted.items():
        text = value if isinstance(value, str) else json.dumps(value)
        _prefect(where, "variable", "set", name, text, "--overwrite")
    _prefect(where, "work-pool", "create", POOL, "--type", "ecs", "--base-job-template", str(TEMPLATE), "--overwrite")
    print(f"{where}: work pool {POOL}, variables {', '.join(wanted)}")


def _prefect(where: str, *arguments: str) -> None:
    """Call Prefect's command line for the stage's server, ignoring the shell's profile."""
    command = [sys.executable, "-m", "prefect", "--no-prompt", *arguments]
    environment = os.environ | {"PREFECT_API_URL": where}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise EstateError(f"prefect {' '.join(arguments[:3])} failed:\n{done.stdout}{done.stderr}")
