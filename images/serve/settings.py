"""Settings of the server: the command line first, then environment variables, then defaults."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

# The name under which KServe and its clients know the model.
NAME = "credit-model"
MIB = 1 << 20
# Bytes in one `/invocations` request; SageMaker sends at most 100 MB.
MAX_TABLE = 128 * MIB
# Seconds that requests in flight have once the server no longer accepts others.
GRACE = 20


class SettingsError(Exception):
    """An environment variable has a value that the server cannot use."""


class Settings(BaseSettings):
    """How one server process runs.

    Every field names the flags and variables that set it, the first one that is given counts.

    Attributes:
        base_dir: folder that SageMaker mounts; the model is in `model/` there unless `model_dir` says otherwise.
        model_dir: folder of an unpacked bundle.
        http_port: SageMaker and Knative each have a variable for it.
        token_file: file of bearer tokens; every request except health and metrics must carry one. None: no tokens.
        max_rows: applicants in one online request.
        max_body: bytes in one online request.
        drain: seconds after SIGTERM during which requests are still accepted while readiness is false, so that routers
            notice.
        online_table: DynamoDB table for look-ups by id; empty: no look-ups.
        online_timeout_ms: longest a look-up may take.
        prediction_log: `s3://bucket/prefix` for logged predictions; empty: no log.
        prediction_log_rows: a file is written as soon as this many predictions wait; a fraction is cut off.
        prediction_log_seconds: longest a prediction waits while S3 answers.
    """

    model_config = SettingsConfigDict(
        case_sensitive=True, env_ignore_empty=True, protected_namespaces=(), frozen=True, allow_inf_nan=False
    )

    base_dir: Path = Field(Path("/opt/ml"), validation_alias="SAGEMAKER_BASE_DIR")
    model_dir: Path = Field(default_factory=lambda known: known["base_dir"] / "model", validation_alias="--model_dir")
    http_port: int = Field(8080, validation_alias=AliasChoices("--http_port", "SAGEMAKER_BIND_TO_PORT", "PORT"))
    token_file: Path | None = Field(None, validation_alias=AliasChoices("--token_file", "CREDIT_SERVE_TOKEN_FILE"))
    max_rows: int = Field(1000, validation_alias="--max_rows")
    max_body: int = Field(16 * MIB, validation_alias="--max_body")
    drain: float = Field(1.0, validation_alias="--drain")
    online_table: str = Field("", validation_alias="CREDIT_ONLINE_TABLE")
    online_timeout_ms: float = Field(5.0, gt=0, le=60_000, validation_alias="CREDIT_ONLINE_TIMEOUT_MS")
    prediction_log: str = Field("", pattern=r"^(s3://[^/]+.*)?$", validation_alias="CREDIT_PREDICTION_LOG")
    prediction_log_rows: float = Field(10_000, ge=1, validation_alias="CREDIT_PREDICTION_LOG_ROWS")
    prediction_log_seconds: float = Field(60.0, ge=1, le=86_400_000, validation_alias="CREDIT_PREDICTION_LOG_SECONDS")

    @model_validator(mode="before")
    @classmethod
    def _without_unused(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Leave out the settings of a look-up or a log that is switched off: a wrong one does no harm."""
        unused = [name for switch, names in _SWITCHED.items() if not given.get(switch) for name in names]
        return {name: value for name, value in given.items() if name not in unused}


_SWITCHED = {
    "CREDIT_ONLINE_TABLE": ("CREDIT_ONLINE_TIMEOUT_MS",),
    "CREDIT_PREDICTION_LOG": ("CREDIT_PREDICTION_LOG_ROWS", "CREDIT_PREDICTION_LOG_SECONDS"),
}


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
    flags = vars(_parser().parse_args(arguments))
    given = {f"--{name}": value for name, value in flags.items() if name != "serve"}
    try:
        return Settings(**given)
    except ValidationError as error:
        raise SettingsError("; ".join(_fault(fault, given) for fault in error.errors())) from None


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


def _fault(fault: Any, flags: dict[str, Any]) -> str:  # noqa: ANN401 - one of pydantic's error documents
    field = next(field for field in Settings.model_fields.values() if fault["loc"][0] in _names(field))
    # pydantic names the first name of a field, whichever was given.
    source = next(name for name in _names(field) if name in flags or os.environ.get(name))
    shape = ", an address such as s3://bucket/predictions" if fault["type"] == "string_pattern_mismatch" else ""
    return f"{source}={fault['input']!r}: {fault['msg']}{shape}"


def _names(field: FieldInfo) -> list[str]:
    """Return the flags and variables that set a field, the first to count first."""
    alias = field.validation_alias
    return [str(name) for name in alias.choices] if isinstance(alias, AliasChoices) else [str(alias)]
