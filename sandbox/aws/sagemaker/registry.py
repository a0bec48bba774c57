"""Models and the model registry: moto's metadata with SageMaker's own answers and refusals."""

import contextlib
import json
from collections.abc import Iterator
from typing import Any, cast

from moto.core.exceptions import InvalidToken
from moto.core.responses import ActionResult
from moto.sagemaker.responses import SageMakerResponse

from sandbox.aws.errors import ApiError, SandboxAwsError
from sandbox.aws.events.bus import publish
from sandbox.aws.events.sources import event
from sandbox.aws.storage import Location

# The fields that an update's event can list as changed, from the service's documentation.
ANNOUNCED_UPDATES = (
    "ModelApprovalStatus",
    "ApprovalDescription",
    "CustomerMetadataProperties",
    "InferenceSpecification",
)


def _named(request: dict[str, Any], field: str) -> bool:
    return field in request or f"{field}ToRemove" in request


@contextlib.contextmanager
def _known_token() -> Iterator[None]:
    """Refuse a page token that was not given out as SageMaker does; moto has another code for it."""
    try:
        yield
    except InvalidToken as error:
        raise ApiError("ValidationException", "The provided NextToken is invalid.") from error


class RegistryActions(SageMakerResponse):
    """Actions on models, model packages and groups; moto handles the rest."""

    @property
    def request(self) -> dict[str, Any]:
        """The JSON body of the request."""
        body: dict[str, Any] = json.loads(self.body or "{}")
        return body

    def create_model(self) -> ActionResult:
        """CreateModel: the name must be new and the model's archive must exist."""
        request = self.request
        if request["ModelName"] in self.sagemaker_backend._models:
            raise ApiError("ValidationException", f'Cannot create already existing model "{self._arn("model")}".')
        containers = [request.get("PrimaryContainer"), *(request.get("Containers") or [])]
        for container in filter(None, containers):
            self._require_data(container.get("ModelDataUrl"))
        return super().create_model()

    def describe_model(self) -> ActionResult:
        """DescribeModel: leave out the fields that were not given."""
        answer = self.sagemaker_backend.describe_model(self.request["ModelName"]).response_object
        return ActionResult({name: value for name, value in answer.items() if value not in ({}, [], None)})

    def create_model_package_group(self) -> ActionResult:
        """CreateModelPackageGroup: the name must be new."""
        name = self.request["ModelPackageGroupName"]
        if name in self.sagemaker_backend.model_package_groups:
            raise ApiError("ValidationException", f"Model Package Group already exists: {name}")
        return super().create_model_package_group()

    def describe_model_package_group(self) -> ActionResult:
        """DescribeModelPackageGroup: with the creator, who is unknown here."""
        found = cast("dict[str, Any]", super().describe_model_package_group().result)
        return ActionResult({**found, "CreatedBy": {}})

    def create_model_package(self) -> ActionResult:
        """CreateModelPackage: publish an event; refuse tags on a version, because only its group takes them."""
        if self.request.get("ModelPackageGroupName") and self.request.get("Tags"):
            raise ApiError("ValidationException", "Tags can not be provided when creating a model package version.")
        backend, name = self.sagemaker_backend, self.request.get("ModelPackageName")
        if name and any(item.model_package_name == name for item in backend.model_packages.values()):
            raise ApiError("ValidationException", f"Model Package already exists: {name}")
        others = dict(backend.model_packages)
        arn = cast("dict[str, str]", super().create_model_package().result)["ModelPackageArn"]
        package = self._number(arn, others)
        self._announce(package)
        return ActionResult({"ModelPackageArn": package.arn})

    def _number(self, arn: str, others: dict[str, Any]) -> Any:  # noqa: ANN401 - moto's untyped model
        """Give a new version a number that its group has never used.

        moto counts the existing versions, so after a deletion the next one would reuse a number.
        """
        backend = self.sagemaker_backend
        package = backend.model_packages.pop(arn)
        backend.model_packages.update(others)
        if package.model_package_group_name:
            package.model_approval_status = package.model_approval_status or "PendingManualApproval"
            group: Any = backend.model_package_groups[package.model_package_group_name]
            group.last_version = package.model_package_version = getattr(group, "last_version", 0) + 1
            package.arn = f"{arn.rpartition('/')[0]}/{group.last_version}"
        backend.model_packages[package.arn] = package
        backend.model_package_name_mapping[package.arn] = package.arn
        return package

    def list_model_packages(self) -> ActionResult:
        """ListModelPackages: the group must exist."""
        group = self.request.get("ModelPackageGroupName")
        if group and group.rsplit("/", 1)[-1] not in self.sagemaker_backend.model_package_groups:
            raise ApiError("ValidationException", f"ModelPackageGroup {group} does not exist.")
        with _known_token():
            return super().list_model_packages()

    def list_model_package_groups(self) -> ActionResult:
        """ListModelPackageGroups."""
        with _known_token():
            return super().list_model_package_groups()

    def list_models(self) -> ActionResult:
        """ListModels."""
        with _known_token():
            return super().list_models()

    def describe_model_package(self) -> ActionResult:
        """DescribeModelPackage: as in SageMaker, a versioned package has no `ModelPackageName`."""
        return ActionResult(self._package(self._find_package(self.request["ModelPackageName"])))

    def update_model_package(self) -> ActionResult:
        """UpdateModelPackage: keep the fields that the request does not name (moto drops them)."""
        request = self.request
        package = self._find_package(request["ModelPackageArn"])
        if request.get("ModelApprovalStatus"):
            package.set_model_approval_status(request["ModelApprovalStatus"])
        if "ApprovalDescription" in request:
            package.approval_description = request["ApprovalDescription"]
        kept = {**(package.customer_metadata_properties or {}), **(request.get("CustomerMetadataProperties") or {})}
        for name in request.get("CustomerMetadataPropertiesToRemove") or []:
            kept.pop(name, None)
        package.customer_metadata_properties = kept
        package.add_additional_inference_specifications(request.get("AdditionalInferenceSpecificationsToAdd"))
        package.modifications_done()
        self._announce(package, updated=[name for name in ANNOUNCED_UPDATES if _named(request, name)])
        return ActionResult({"ModelPackageArn": package.arn})

    def delete_model_package(self) -> ActionResult:
        """DeleteModelPackage."""
        package = self._find_package(self.request["ModelPackageName"])
        del self.sagemaker_backend.model_packages[package.arn]
        return ActionResult({})

    def delete_model_package_group(self) -> ActionResult:
        """DeleteModelPackageGroup: refuse it while the group has packages."""
        backend, name = self.sagemaker_backend, self.request["ModelPackageGroupName"]
        if name not in backend.model_package_groups:
            raise ApiError("ValidationException", f"ModelPackageGroup {name} does not exist.")
        if any(item.model_package_group_name == name for item in backend.model_packages.values()):
            raise ApiError("ConflictException", f"Model Package Group {name} cannot be deleted: it holds versions.")
        del backend.model_package_groups[name]
        return ActionResult({})

    def _find_package(self, name: str) -> Any:  # noqa: ANN401 - moto's untyped model
        packages = self.sagemaker_backend.model_packages
        for package in packages.values():
            versioned = f"{package.model_package_name}/{package.model_package_version}"
            if name in (package.arn, versioned) or (
                not package.model_package_version and name == package.model_package_name
            ):
                return package
        raise ApiError("ValidationException", f"ModelPackage {name} does not exist.")

    def _announce(self, package: Any, updated: list[str] | None = None) -> None:  # noqa: ANN401 - moto's untyped model
        wanted = (
            "ModelPackageName", "ModelPackageGroupName", "ModelPackageVersion", "ModelPackageArn", "ModelPackageStatus",
            "ModelPackageDescription", "ModelApprovalStatus", "CustomerMetadataProperties", "ApprovalDescription",
        )  # fmt: skip
        described = self._package(package)
        detail = {name: described[name] for name in wanted if described.get(name) is not None}
        publish(
            event(
                kind="SageMaker Model Package State Change",
                source="aws.sagemaker",
                account=self.current_account,
                region=self.region,
                resources=[package.arn],
                detail=detail if updated is None else {**detail, "UpdatedModelPackageFields": updated},
            )
        )

    def _package(self, package: Any) -> dict[str, Any]:  # noqa: ANN401 - moto's untyped model
        answer: dict[str, Any] = package.gen_response_object()
        return answer

    def _arn(self, noun: str) -> str:
        return f"arn:aws:sagemaker:{self.region}:{self.current_account}:{noun}/{self.request['ModelName']}"

    def _require_data(self, url: str | None) -> None:
        if not url:
            return
        try:
            place = Location.parse(url)
            self._head(place)
        except SandboxAwsError as error:
            raise ApiError("ValidationException", f"Could not find model data at {url}. ({error})") from error

    def _head(self, place: Location) -> None:
        raise NotImplementedError
