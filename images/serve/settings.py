"""Settings of the server: the command line first, then environment variables, then defaults."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

# The name under which KServe and its clients know the model.
NAME = "credit-model"
MIB = 1 << 20


class SettingsError(Exception):
    """An environment variable has a value that the server cannot use."""


class Settings(BaseSettings):
    """How one server process runs.

    A field without an alias is read from `CREDIT_SERVE_` and its name in capitals.

    Attributes:
        base_dir: folder that SageMaker mounts; the model is in `model/` there unless `model_dir` says otherwise.
        model_dir: folder of an unpacked bundle.
        http_port: SageMaker and Knative each have a variable for it.
        token_file: file of bearer tokens; every request except health and metrics must carry one. None: no tokens.
        max_rows: applicants in one online request.
        max_body: bytes in one online request.
        max_table: bytes in one `/invocations` request (SageMaker sends at most 100 MB).
        drain: seconds after SIGTERM during which requests are still accepted while readiness is false, so that routers
            notice.
        grace: seconds that requests in flight have after that.
        online_table: DynamoDB table for look-ups by id; empty: no look-ups.
        online_timeout_ms: longest a look-up may take.
        prediction_log: `s3://bucket/prefix` for logged predictions; empty: no log.
        prediction_log_rows: a file is written as soon as this many predictions wait.
        prediction_log_seconds: longest a prediction waits while S3 answers.
    """

    model_config = SettingsConfigDict(
        env_prefix="CREDIT_SERVE_",
        env_ignore_empty=True,
        populate_by_name=True,
        protected_namespaces=(),
        frozen=True,
        allow_inf_nan=False,
    )

    base_dir: Path = Field(Path("/opt/ml"), validation_alias="SAGEMAKER_BASE_DIR")
    model_dir: Path = Field(default_factory=lambda known: known["base_dir"] / "model")
    http_port: int = Field(8080, validation_alias=AliasChoices("SAGEMAKER_BIND_TO_PORT", "PORT"))
    token_file: Path | None = None
    max_rows: int = 1000
    max_body: int = 16 * MIB
    max_table: int = 128 * MIB
    drain: float = 1.0
    grace: int = 20
    online_table: str = Field("", validation_alias="CREDIT_ONLINE_TABLE")
    online_timeout_ms: float = Field(5.0, gt=0, le=60_000, validation_alias="CREDIT_ONLINE_TIMEOUT_MS")
    prediction_log: str = Field("", pattern=r"^(s3://[^/]+.*)?$", validation_alias="CREDIT_PREDICTION_LOG")
    prediction_log_rows: int = Field(10_000, ge=1, validation_alias="CREDIT_PREDICTION_LOG_ROWS")
    prediction_log_seconds: float = Field(60.0, ge=1, le=86_400_000, validation_alias="CREDIT_PREDICTION_LOG_SECONDS")


def read_settings(arguments: Sequence[str]) -> Settings:
    """Read the settings from the command line and the environment; an unknown argument ends the process with usage.

    Args:
        arguments: command line without the program; SageMaker passes `serve`.

    Raises:
        SettingsError: a variable has an unusable value; the message names each.

    Example:
        >>> read_settings(["serve", "--http_port", "9000"]).http_port
        9000
    """
    given = {name: value for name, value in vars(_parser().parse_args(arguments)).items() if name != "serve"}
    try:
        return Settings(**given)
    except ValidationError as error:
        raise SettingsError("; ".join(_fault(fault) for fault in error.errors())) from None


def _parser() -> argparse.ArgumentParser:
    """Return the parser of the command line.

    Not pydantic-settings' own: it would make a flag of every variable, and raise on a wrong value instead of showing
    the usage.
    """
    parser = argparse.ArgumentParser(
        prog="python -m images.serve",
        description=__doc__,
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument(
        "serve", nargs="?", choices=["serve"], default=None, help="what SageMaker passes; changes nothing"
    )
    parser.add_argument("--model_dir", type=Path, help="folder of an unpacked bundle")
    parser.add_argument("--http_port", type=int)
    parser.add_argument("--token_file", type=Path, help="file of bearer tokens, one a line")
    parser.add_argument("--max_rows", type=int, help="applicants in one online request")
    parser.add_argument("--max_body", type=int, help="bytes in one online request")
    parser.add_argument("--drain", type=float, help="seconds from SIGTERM to the last request")
    return parser


def _fault(fault: Any) -> str:  # noqa: ANN401 - one of pydantic's error documents
    name = str(fault["loc"][0])
    variable = name if name.isupper() else f"CREDIT_SERVE_{name.upper()}"
    if variable == "SAGEMAKER_BIND_TO_PORT":  # pydantic names the first of the two, whichever was set
        variable = "SAGEMAKER_BIND_TO_PORT or PORT"
    shape = ", an address such as s3://bucket/predictions" if fault["type"] == "string_pattern_mismatch" else ""
    return f"{variable}={fault['input']!r}: {fault['msg']}{shape}"
