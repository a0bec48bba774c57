"""The sandbox's AWS with a CloudFormation that takes our templates: moto's, mended where it differs from the service.

`python tests/deployments/aws_process.py STATE_FOLDER` prints one JSON line with the endpoint when it is ready.
"""

import json
import logging
import signal
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

from moto.cloudformation import models, parsing
from moto.cloudformation.responses import CloudFormationResponse
from moto.core.common_models import CloudFormationModel
from moto.ec2.models import EC2Backend, ec2_backends
from moto.ecr.models import ECRBackend

from sandbox.aws.server import AwsServer


class Placeholder(CloudFormationModel):
    """A resource of a type that moto's CloudFormation does not know: a name, and attributes that look like ARNs."""

    __module__ = "moto.cloudformation.placeholder"  # moto reads the service from it

    def __init__(self, name: str, properties: dict[str, Any]) -> None:
        self.name = properties.get("Name") or properties.get("DatabaseInput", {}).get("Name") or name
        self.type = "placeholder"

    @property
    def physical_resource_id(self) -> str:
        return self.name

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return True

    def get_cfn_attribute(self, attribute: str) -> str:
        if attribute == "ClusterSecurityGroupId":  # rules are put into it
            return str(ec2_backends["123456789012"]["eu-west-1"].describe_security_groups()[0].id)
        if attribute.endswith("Url"):
            return f"https://{self.name}.example.com/{attribute}"
        return f"arn:aws:placeholder:eu-west-1:123456789012:{self.name}/{attribute}"

    @classmethod
    def create_from_cloudformation_json(cls, resource_name, cloudformation_json, account_id, region_name, **kwargs):
        return cls(resource_name, cloudformation_json["Properties"])

    @classmethod
    def update_from_cloudformation_json(
        cls, original_resource, new_resource_name, cloudformation_json, account_id, region_name
    ):
        return cls(original_resource.name, cloudformation_json["Properties"])

    @classmethod
    def delete_from_cloudformation_json(cls, resource_name, cloudformation_json, account_id, region_name):
        pass

    @property
    def is_created(self) -> bool:
        return True


def mend() -> None:
    """Known types as they are, unknown ones as placeholders; change sets that keep parameters, outputs and policies."""
    known = parsing.resource_class_from_type
    parsing.resource_class_from_type = lambda kind: known(kind) if kind in parsing.get_model_map() else Placeholder
    create, execute = models.CloudFormationBackend.create_change_set, models.CloudFormationBackend.execute_change_set

    def create_change_set(self, stack_name, change_set_name, template, parameters, **more):
        retained = template.replace("RetainExceptOnCreate", "Retain")
        return create(self, stack_name, change_set_name, retained, parameters, **more)

    def execute_change_set(self, change_set_name, stack_name=None):
        execute(self, change_set_name, stack_name)
        done = self.change_sets[change_set_name]
        done.stack._parse_template()
        done.stack.parameters = done.parameters
        done.stack.output_map = done.stack._create_output_map()

    answer = CloudFormationResponse.execute_change_set

    def execute_with_token(self):
        """Events bear the token of the operation that they belong to."""
        done = answer(self)
        stack = self.cloudformation_backend.change_sets[self._get_param("ChangeSetName")].stack
        for event in stack.events:
            event.client_request_token = event.client_request_token or self._get_param("ClientRequestToken")
        return done

    CloudFormationResponse.execute_change_set = execute_with_token
    remove = ECRBackend.delete_repository

    def delete_repository(self, repository_name, registry_id=None, force=False):
        """Our repositories say EmptyOnDelete, which moto does not read."""
        return remove(self, repository_name, registry_id, True)

    remove_network = EC2Backend.delete_vpc

    def delete_vpc(self, vpc_id):
        """Stacks take their route tables with them, which moto's leave behind."""
        for table in self.describe_route_tables(filters={"vpc-id": vpc_id})[1:]:
            del self.route_tables[table.id]
        return remove_network(self, vpc_id)

    EC2Backend.delete_vpc = delete_vpc
    ECRBackend.delete_repository = delete_repository
    models.CloudFormationBackend.create_change_set = create_change_set
    models.CloudFormationBackend.execute_change_set = execute_change_set


def main(state: Path) -> None:
    """Serve until SIGTERM."""
    warnings.simplefilter("ignore")
    logging.getLogger("moto").setLevel(logging.ERROR)
    mend()
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    server = AwsServer(state=state)
    server.start()
    print(json.dumps({"endpoint": server.endpoint}), flush=True)
    over.wait()
    server.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
