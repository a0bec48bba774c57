"""Holds the calls that the sandbox has noted against the roles of deployments/aws: nothing lacking, nothing idle."""

from collections.abc import Iterable
from dataclasses import dataclass

from tests.deployments.policies import Grant

# Operations that are allowed by an action of another name:
# https://docs.aws.amazon.com/service-authorization/latest/reference/reference.html and, of S3,
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations.html.
ACTIONS = {
    "s3:CompleteMultipartUpload": "s3:PutObject",
    "s3:CreateMultipartUpload": "s3:PutObject",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:HeadObject": "s3:GetObject",
    "s3:HeadObjectVersion": "s3:GetObjectVersion",
    "s3:ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:ListParts": "s3:ListMultipartUploadParts",
    "s3:UploadPart": "s3:PutObject",
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
}
# Anybody may ask who they are.
FREE = {"sts:GetCallerIdentity"}
# The bucket is encrypted with a key of ours: S3 asks for it on the caller's behalf. Parts are read back to be joined.
KEYS_OF_S3 = {
    "s3:GetObject": {"kms:Decrypt"},
    "s3:GetObjectVersion": {"kms:Decrypt"},
    "s3:PutObject": {"kms:GenerateDataKey"},
    "s3:CreateMultipartUpload": {"kms:GenerateDataKey", "kms:Decrypt"},
}


@dataclass(frozen=True)
class Call:
    """One action that a role has needed, on one resource (None: the request did not say which)."""

    action: str
    resource: str | None


@dataclass(frozen=True)
class Exempt:
    """Something that is granted and never used here, and why that is right.

    Attributes:
        sid: The statement that grants it.
        why: For people.
        action: The action; all of the statement where empty.
        resource: Of the statement's resources those that hold this text; all where empty.
    """

    sid: str
    why: str
    action: str = ""
    resource: str = ""

    def covers(self, grant: Grant) -> bool:
        """Whether a grant may lie idle."""
        return grant.sid == self.sid and self.action in ("", grant.action) and self.resource in grant.resource


def needed(noted: Iterable[tuple[str, str | None]], key: str) -> set[Call]:
    """Return the actions that a role's noted operations have needed.

    Args:
        noted: Operations with their resources.
        key: ARN of the key that the bucket is encrypted with.
    """
    found = set()
    for operation, resource in noted:
        if operation not in FREE:
            found.add(Call(ACTIONS.get(operation, operation), resource))
            found |= {Call(action, key) for action in KEYS_OF_S3.get(operation, ())}
    return found


def lacking(calls: Iterable[Call], grants: Iterable[Grant]) -> list[Call]:
    """Return the calls that no grant allows."""
    held = list(grants)
    refused = {call for call in calls if not any(grant.allows(call.action, call.resource) for grant in held)}
    return sorted(refused, key=str)


def idle(calls: Iterable[Call], grants: Iterable[Grant], exempt: Iterable[Exempt] = ()) -> list[str]:
    """Return what is granted and never used, and exemptions of what is not granted any more.

    An action counts as used where any resource that its statement names was asked for, a resource where any action of
    its statement was used on it: a statement is a rectangle, and nobody needs each of its corners.
    """
    known, held, exempted = list(calls), list(grants), list(exempt)
    used = {grant for grant in held if any(grant.allows(call.action, call.resource) for call in known)}
    actions = {(grant.sid, grant.action) for grant in used}
    resources = {(grant.sid, grant.resource) for grant in used}
    unused = {
        grant
        for grant in held
        if (grant.sid, grant.action) not in actions or (grant.sid, grant.resource) not in resources
    }
    said = {
        f"{grant.sid}: {_word(grant, actions)}" for grant in unused if not any(one.covers(grant) for one in exempted)
    }
    stale = {f"{one.sid}: an exemption of what is not granted" for one in exempted if not any(map(one.covers, held))}
    return sorted(said | stale)


def _word(grant: Grant, actions: set[tuple[str, str]]) -> str:
    if (grant.sid, grant.action) not in actions:
        return f"{grant.action} is granted and never used"
    return f"nothing is ever done to {grant.resource}"
