"""The platform's settings, read from `CREDIT_*` variables; AWS clients find endpoints and credentials themselves."""

from functools import lru_cache

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from tasks.errors import SettingsError


class Settings(BaseSettings):
    """The settings of one stage in one AWS account.

    Example:
        >>> here = Settings(bucket="lake", database="credit", sagemaker_role="r", train_image="t", serve_image="s")
        >>> here.uri("lake", "scores")
        's3://lake/lake/scores'
    """

    model_config = SettingsConfigDict(env_prefix="CREDIT_", frozen=True)

    bucket: str = Field(min_length=3, description="S3 bucket of landing, lake, snapshots, models and batch output")
    database: str = Field(min_length=1, description="Glue database of the lake tables")
    data_key: str = Field(
        "", description="ARN of the KMS key of jobs' disks and output, and of new online tables; empty: AWS's own keys"
    )
    workgroup: str = Field("credit", description="Athena workgroup, whose result location receives query results")
    sagemaker_role: str = Field(description="ARN of the role that SageMaker jobs assume")
    train_image: str = Field(description="URI of the train image, by digest")
    serve_image: str = Field(description="URI of the serve image, by digest")
    train_instance_type: str = Field("ml.m5.xlarge", description="instance type of training jobs")
    transform_instance_type: str = Field("ml.m5.xlarge", description="instance type of batch transform jobs")
    train_instance_count: int = Field(1, ge=1, le=20, description="hosts that share a training; pays off above 1M rows")
    train_max_seconds: int = Field(3600, gt=0, description="longest a training job may run")
    train_spot: bool = Field(
        False, description="train on spot instances with checkpoints; the wait is at most twice the longest run"
    )
    namespace: str = Field("ml", description="Kubernetes namespace of the InferenceServices")
    service_account: str = Field("credit-serve", description="Kubernetes service account of the model servers (IRSA)")
    serve_min_replicas: int = Field(1, ge=1, description="fewest model servers of a portfolio")
    serve_max_replicas: int = Field(4, ge=1, description="most model servers of a portfolio")
    serve_concurrency: int = Field(16, ge=1, description="concurrent requests that one model server should handle")
    serve_cpu: str = Field(
        "1", pattern=r"^[1-9][0-9]*m?$", description="CPU of a model server, as Kubernetes writes it"
    )
    serve_memory: str = Field("1Gi", pattern=r"^[1-9][0-9]*[MG]i$", description="memory of a model server")
    serve_node_group: str = Field(
        "credit-serve",
        pattern=r"^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$",
        description="value of the label and taint credit/node-group on the nodes of model servers",
    )
    serve_token_secret: str = Field(
        "",
        pattern=r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$",
        description="Kubernetes secret whose key `token` every caller must present; empty: no token",
    )
    serve_token: SecretStr = Field(
        SecretStr(""), description="bearer token that a release sends to model servers; empty: no token"
    )
    ca_bundle: str = Field(
        "",
        description="PEM certificates of the authorities of the model servers' HTTPS, or a file with them; empty: the "
        "usual ones",
    )
    online_tables: str = Field(
        "",
        max_length=100,
        pattern=r"^[A-Za-z0-9_.-]*$",
        description="prefix of the DynamoDB tables PREFIX-portfolio; empty: no tables",
    )
    online_timeout_ms: float = Field(5.0, gt=0, le=60_000, description="longest wait of a model server for a look-up")
    prediction_log: str = Field(
        "",
        pattern=r"^(s3://[^/]+.*)?$",
        description="s3:// address under which model servers log predictions; empty: no log",
    )
    retrain_outcomes: int = Field(
        100,
        ge=1,
        description="new outcomes that make ingest ask for a training; at the shipped portfolios' rates about 20 "
        "defaults, the number that monitoring needs in a month before it judges it",
    )
    poll_seconds: float = Field(5.0, gt=0, description="pause between two polls of a job, a query or a rollout")
    ready_timeout_seconds: float = Field(600.0, gt=0, description="longest wait for a new revision to become ready")
    release_dwell_seconds: float = Field(
        300.0, ge=0, description="how long a release watches each step of traffic before the next"
    )
    prices: dict[str, float] = Field(
        {},
        description='US dollars in place of the list prices: {"athena-tb": 5, "ml.m5.xlarge": 0.25}',
    )
    git_commit: str = Field("unknown", description="commit of the running code, for lineage")

    @model_validator(mode="after")
    def _replicas_fit(self) -> "Settings":
        if self.serve_max_replicas < self.serve_min_replicas:
            raise ValueError(
                f"CREDIT_SERVE_MAX_REPLICAS {self.serve_max_replicas} is below CREDIT_SERVE_MIN_REPLICAS "
                f"{self.serve_min_replicas}"
            )
        return self

    def serve_headers(self) -> dict[str, str]:
        """Return the headers that a request to a model server needs: the bearer token, if there is one."""
        token = self.serve_token.get_secret_value()
        return {"Authorization": f"Bearer {token}"} if token else {}

    def uri(self, *parts: str) -> str:
        """Return `s3://bucket/part/part`."""
        return "/".join([f"s3://{self.bucket}", *parts])


@lru_cache(maxsize=1)
def settings() -> Settings:
    """Return the settings of this process.

    Raises:
        SettingsError: a variable is missing or malformed; the message names each one.
    """
    try:
        return Settings()  # type: ignore[call-arg]  # the values come from the environment
    except ValidationError as error:
        faults = "; ".join(f"{_variable(e['loc'])}: {e['msg']}" for e in error.errors())
        raise SettingsError(f"environment variables are missing or malformed: {faults}") from None


def _variable(place: tuple[int | str, ...]) -> str:
    """Return the variable behind a fault; a fault between two settings has no location, but its message names them."""
    return f"CREDIT_{str(place[0]).upper()}" if place else "CREDIT_SERVE_*"
