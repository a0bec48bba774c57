"""SageMaker that runs jobs: training and transform jobs are subprocesses of the image's real entry point."""

from collections.abc import Callable

from moto.sagemaker import urls

from sandbox.aws.context import Context
from sandbox.aws.sagemaker.api import Region, SageMakerApi


def install(context: Context) -> Callable[[], None]:
    """Replace moto's SageMaker actions; return a function that ends the processes of all jobs."""
    regions: dict[str, Region] = {}
    bound = type("SageMakerApi", (SageMakerApi,), {"context": context, "regions": regions})
    urls.url_paths["{0}/$"] = getattr(bound, "dispatch")  # noqa: B009 - `type(...)` hides the attribute from mypy

    def stop() -> None:
        for region in regions.values():
            region.training.close()
            region.transform.close()

    return stop
