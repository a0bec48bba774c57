"""SageMaker's HTTP actions for jobs and tags; each region has its own jobs."""

from dataclasses import dataclass
from typing import Any, ClassVar

from botocore.exceptions import ClientError
from moto.core.responses import ActionResult, EmptyResult

from sandbox.aws.context import Context
from sandbox.aws.errors import ApiError, SandboxAwsError
from sandbox.aws.sagemaker import tokens
from sandbox.aws.sagemaker.batches import missing
from sandbox.aws.sagemaker.jobs import Job, Jobs
from sandbox.aws.sagemaker.registry import RegistryActions
from sandbox.aws.sagemaker.training import TrainingJob
from sandbox.aws.sagemaker.transform import TransformJob
from sandbox.aws.storage import Location
from sandbox.images import UnknownImageError, command, repository

MOST_TAGS = 50


@dataclass(frozen=True)
class Region:
    """The jobs of one region."""

    training: Jobs
    transform: Jobs


class SageMakerApi(RegistryActions):
    """SageMaker's actions; `sandbox.aws.sagemaker.install` sets `context` and `regions`."""

    context: ClassVar[Context]
    regions: ClassVar[dict[str, Region]]

    @property
    def jobs(self) -> Region:
        """The jobs of the request's region."""
        if self.region not in self.regions:
            where: dict[str, Any] = {"account": self.current_account, "region": self.region, "context": self.context}
            self.regions[self.region] = Region(
                training=Jobs(lambda request: TrainingJob(request, **where)),
                transform=Jobs(lambda request: TransformJob(request, **where)),
            )
        return self.regions[self.region]

    def create_training_job(self) -> ActionResult:
        """CreateTrainingJob."""
        image = self.request["AlgorithmSpecification"].get("TrainingImage", "")
        try:
            command(image)
        except UnknownImageError as error:
            raise ApiError("ValidationException", _no_image(image, self.request["RoleArn"])) from error
        return ActionResult({"TrainingJobArn": self.jobs.training.create(self.request).arn})

    def describe_training_job(self) -> ActionResult:
        """DescribeTrainingJob."""
        return ActionResult(self.jobs.training.get(self.request["TrainingJobName"]).describe())

    def list_training_jobs(self) -> ActionResult:
        """ListTrainingJobs."""
        return _listing("TrainingJobSummaries", *self.jobs.training.list(self.request))

    def stop_training_job(self) -> ActionResult:
        """StopTrainingJob."""
        self.jobs.training.stop(self.request["TrainingJobName"])
        return EmptyResult()

    def create_transform_job(self) -> ActionResult:
        """CreateTransformJob; the model must exist."""
        request = self.request
        if request["ModelName"] not in self.sagemaker_backend._models:
            raise ApiError("ValidationException", f'Could not find model "{self._arn("model")}".')
        model = self.sagemaker_backend.describe_model(request["ModelName"]).response_object
        container = model.get("PrimaryContainer") or (model.get("Containers") or [{}])[0]
        given = {**request, "_Container": container, "_Role": model.get("ExecutionRoleArn")}
        self._require_input(request["TransformInput"]["DataSource"]["S3DataSource"], given["_Role"])
        return ActionResult({"TransformJobArn": self.jobs.transform.create(given).arn})

    def describe_transform_job(self) -> ActionResult:
        """DescribeTransformJob."""
        return ActionResult(self.jobs.transform.get(self.request["TransformJobName"]).describe())

    def list_transform_jobs(self) -> ActionResult:
        """ListTransformJobs."""
        return _listing("TransformJobSummaries", *self.jobs.transform.list(self.request))

    def stop_transform_job(self) -> ActionResult:
        """StopTransformJob."""
        self.jobs.transform.stop(self.request["TransformJobName"])
        return EmptyResult()

    def add_tags(self) -> ActionResult:
        """AddTags: a key that already exists takes the new value."""
        request = self.request
        holder = self._tagged(request["ResourceArn"])
        merged = {tag["Key"]: tag for tag in [*(holder.tags or []), *request["Tags"]]}
        if len(merged) > MOST_TAGS:
            raise ApiError("ValidationException", f"A resource can have at most {MOST_TAGS} tags: {len(merged)}.")
        holder.tags = list(merged.values())
        return ActionResult({"Tags": holder.tags})

    def list_tags(self) -> ActionResult:
        """ListTags."""
        tags, start = self._tagged(self.request["ResourceArn"]).tags or [], tokens.read(self.request.get("NextToken"))
        end = start + int(self.request.get("MaxResults") or MOST_TAGS)
        return _listing("Tags", tags[start:end], tokens.write(end) if len(tags) > end else None)

    def delete_tags(self) -> ActionResult:
        """DeleteTags."""
        request = self.request
        holder = self._tagged(request["ResourceArn"])
        holder.tags = [tag for tag in holder.tags or [] if tag["Key"] not in request["TagKeys"]]
        return EmptyResult()

    def _tagged(self, arn: str) -> Any:  # noqa: ANN401 - a job of ours or any of moto's resources
        backend = self.sagemaker_backend
        ours: Job | None = self.jobs.training.by_arn(arn) or self.jobs.transform.by_arn(arn)
        found = ours or backend.model_packages.get(arn)
        if found is None and arn.count("/") == 1:
            found = backend._get_resource_from_arn(arn)
        if found is None:
            raise ApiError("ValidationException", f"Could not find resource {arn}.")
        return found

    def _require_input(self, source: dict[str, str], role: str | None) -> None:
        """Refuse a prefix without objects, as the service does before it starts the job."""
        if source["S3DataType"] != "S3Prefix":
            return
        uri, s3 = source["S3Uri"], self.context.client("s3", self.region)
        place = Location.parse(uri)
        try:
            found = s3.list_objects_v2(Bucket=place.bucket, Prefix=place.key, MaxKeys=1).get("KeyCount")
        except ClientError:
            found = 0
        if not found:
            raise ApiError("ValidationException", missing(uri, self.region, role))

    def _head(self, place: Location) -> None:
        try:
            self.context.client("s3", self.region).head_object(Bucket=place.bucket, Key=place.key)
        except ClientError as error:
            raise SandboxAwsError(f"no object at {place}") from error


def _no_image(image: str, role: str) -> str:
    registry = image.partition(".")[0]
    return (
        f"Cannot find repository: {repository(image)} in registry ID: {registry}. Please check if your ECR repository "
        f"exists and role {role} has proper pull permissions for SageMaker: ecr:BatchCheckLayerAvailability, "
        "ecr:BatchGetImage, ecr:GetDownloadUrlForLayer"
    )


def _listing(name: str, items: list[dict[str, Any]], token: str | None) -> ActionResult:
    return ActionResult({name: items, **({"NextToken": token} if token else {})})
