"""Models and the registry through sagemaker-core and boto3."""

import json
import uuid

import pytest
from botocore.exceptions import ClientError
from sagemaker.core.resources import Model, ModelPackage, ModelPackageGroup
from sagemaker.core.shapes import ContainerDefinition

ROLE = "arn:aws:iam::123456789012:role/serve"
IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/probe:1"


@pytest.fixture
def group(aws):
    name = f"g-{uuid.uuid4().hex[:8]}"
    return ModelPackageGroup.create(model_package_group_name=name).model_package_group_name


@pytest.fixture
def register(client, group, bucket):
    def create(status="PendingManualApproval", **properties):
        answer = client("sagemaker").create_model_package(
            ModelPackageGroupName=group,
            InferenceSpecification={
                "Containers": [{"Image": IMAGE, "ModelDataUrl": f"s3://{bucket}/model.tar.gz"}],
                "SupportedContentTypes": ["text/csv"],
                "SupportedResponseMIMETypes": ["text/csv"],
            },
            ModelApprovalStatus=status,
            **({"CustomerMetadataProperties": properties} if properties else {}),
        )
        return ModelPackage.get(answer["ModelPackageArn"])

    return create


def test_versions_are_numbered_and_read_back(register, group):
    first, second = register(model_version="v1"), register(model_version="v2")
    assert (first.model_package_version, second.model_package_version) == (1, 2)
    assert second.customer_metadata_properties == {"model_version": "v2"}
    assert second.model_package_group_name == group
    found = list(ModelPackage.get_all(model_package_group_name=group))
    assert {item.model_package_arn for item in found} == {first.model_package_arn, second.model_package_arn}


def test_a_version_number_is_never_reused(register, group, client):
    first, second, third = (register(model_version=name) for name in ("v1", "v2", "v3"))
    for gone in (first, third):
        client("sagemaker").delete_model_package(ModelPackageName=gone.model_package_arn)
    fourth = register(model_version="v4")
    assert fourth.model_package_version == 4
    found = {item.model_package_arn for item in ModelPackage.get_all(model_package_group_name=group)}
    assert found == {second.model_package_arn, fourth.model_package_arn}


def test_an_update_keeps_the_fields_it_does_not_name(register):
    package = register(model_version="v1", gate="passed", old="x")
    package.update(model_approval_status="Approved", approval_description="looks fine")
    package.update(customer_metadata_properties={"released": "yes"}, customer_metadata_properties_to_remove=["old"])
    package.refresh()
    assert package.model_approval_status == "Approved"
    assert package.approval_description == "looks fine"
    assert package.customer_metadata_properties == {"model_version": "v1", "gate": "passed", "released": "yes"}


def test_an_approval_sends_an_event(register, client):
    logs, events, name = client("logs"), client("events"), f"/aws/events/{uuid.uuid4().hex}"
    logs.create_log_group(logGroupName=name)
    package = register()
    pattern = {
        "source": ["aws.sagemaker"],
        "detail-type": ["SageMaker Model Package State Change"],
        "detail": {"ModelApprovalStatus": ["Approved"], "ModelPackageArn": [package.model_package_arn]},
    }
    rule = name.rsplit("/", 1)[1]
    events.put_rule(Name=rule, EventPattern=json.dumps(pattern))
    target = {"Id": "1", "Arn": f"arn:aws:logs:eu-west-1:123456789012:log-group:{name}"}
    events.put_targets(Rule=rule, Targets=[target])
    package.update(model_approval_status="Approved")
    package.update(customer_metadata_properties={"released": "yes"})
    found = [json.loads(one["message"])["detail"] for one in logs.filter_log_events(logGroupName=name)["events"]]
    assert [detail["ModelPackageVersion"] for detail in found] == [1, 1]
    updated = [["ModelApprovalStatus"], ["CustomerMetadataProperties"]]
    assert [detail["UpdatedModelPackageFields"] for detail in found] == updated


def test_tags_of_a_package(register, client):
    package, sagemaker = register(), client("sagemaker")
    sagemaker.add_tags(ResourceArn=package.model_package_arn, Tags=[{"Key": "a", "Value": "1"}])
    sagemaker.add_tags(ResourceArn=package.model_package_arn, Tags=[{"Key": "a", "Value": "2"}])
    assert sagemaker.list_tags(ResourceArn=package.model_package_arn)["Tags"] == [{"Key": "a", "Value": "2"}]
    sagemaker.delete_tags(ResourceArn=package.model_package_arn, TagKeys=["a"])
    assert sagemaker.list_tags(ResourceArn=package.model_package_arn)["Tags"] == []


def test_unknown_packages_are_refused(aws):
    with pytest.raises(ClientError) as caught:
        ModelPackage.get("arn:aws:sagemaker:eu-west-1:123456789012:model-package/none/1")
    assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_a_model_without_vpc_is_read_back_and_its_name_is_unique(client, bucket):
    client("s3").put_object(Bucket=bucket, Key="model.tar.gz", Body=b"x")
    name = f"m-{uuid.uuid4().hex[:8]}"
    container = ContainerDefinition(image=IMAGE, model_data_url=f"s3://{bucket}/model.tar.gz")
    model = Model.create(model_name=name, primary_container=container, execution_role_arn=ROLE)
    assert model.primary_container.image == IMAGE
    with pytest.raises(ClientError, match="already existing model"):
        Model.create(model_name=name, primary_container=container, execution_role_arn=ROLE)
    model.delete()
    with pytest.raises(ClientError, match="Could not find model"):
        Model.get(name)


def test_a_model_needs_its_archive(bucket):
    container = ContainerDefinition(image=IMAGE, model_data_url=f"s3://{bucket}/absent.tar.gz")
    with pytest.raises(ClientError, match="Could not find model data"):
        Model.create(model_name=f"m-{uuid.uuid4().hex[:8]}", primary_container=container, execution_role_arn=ROLE)
