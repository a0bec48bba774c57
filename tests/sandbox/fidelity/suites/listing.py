"""The suites that are run: whose they are, which files they have, and which of their tests do not count and why."""

from dataclasses import dataclass, field
from fnmatch import fnmatch


@dataclass(frozen=True)
class Suite:
    """One row of the result.

    Attributes:
        name: Its name on the command line.
        project: The folder of the project's sources below the given folder.
        files: Patterns of its test files, relative to the project.
        plugin: The pytest plugin that gives the suite its environment.
        selected: A pytest `-m` expression.
        uncounted: Pattern of a test's id → why it does not count.
        installed: Whether the tests import the installed package instead of the project's sources.
    """

    name: str
    project: str
    files: tuple[str, ...]
    plugin: str
    selected: str = ""
    uncounted: dict[str, str] = field(default_factory=dict)
    installed: bool = False

    def reason(self, test: str) -> str | None:
        """Return why a test does not count, or None if it does."""
        return next((why for pattern, why in self.uncounted.items() if fnmatch(test, pattern)), None)


_WRANGLER = "aws-sdk-pandas"
_MOTO = "moto"
_PREFECT = "prefect/src/integrations/prefect-aws"
# Services of moto's suites that the sandbox has.
_SERVICES = "athena dynamodb events iam logs s3 sqs ecr ecs glue sagemaker sts ssm secretsmanager"


def _wrangler(name: str, *files: str, **uncounted: str) -> Suite:
    paths = tuple(f"tests/unit/test_athena{file}.py" for file in files)
    return Suite(
        name,
        _WRANGLER,
        paths,
        "wrangler_plugin",
        uncounted={f"*{test}*": why.replace("_", " ") for test, why in uncounted.items()},
    )


SUITES = (
    _wrangler("athena", "", "_cache"),
    _wrangler("parquet", "_parquet"),
    _wrangler("csv", "_csv"),
    _wrangler("prepared", "_prepared"),
    _wrangler("projection", "_projection"),
    _wrangler("iceberg", "_iceberg"),
    Suite("moto", _MOTO, tuple(f"tests/test_{name}" for name in _SERVICES.split()), "moto_plugin", "aws_verified"),
    Suite("prefect-aws", _PREFECT, ("tests",), "prefect_plugin", installed=True),
)
