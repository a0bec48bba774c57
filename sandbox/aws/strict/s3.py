"""What S3 refuses before it acts: it has a code of its own for nearly every parameter."""

import base64
import hashlib
import re
from collections.abc import Callable
from functools import cache
from urllib.parse import parse_qsl, unquote

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends

from sandbox.aws.strict import models
from sandbox.aws.strict.refusals import Refusal
from sandbox.aws.strict.requests import Environ, read_body
from sandbox.aws.strict.s3_documents import refuse_document

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET = re.compile(r"(?!\d+\.\d+\.\d+\.\d+$)(?!xn--|sthree-)(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_MOST_KEY_BYTES = 1024
_MOST_PARTS = 10_000
_TAGGING = (
    "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name "
    "duplicates."
)
_ACCOUNT = re.compile(r"\d{12}")


def _enum(shape: str) -> frozenset[str]:
    return frozenset(models.service("s3").shape_for(shape).enum)


# Header, allowed values, code and message of the refusal; recorded in localstack's `tests/aws/services/s3`.
@cache
def _headers() -> tuple[tuple[str, frozenset[str], str, str], ...]:
    return (
        ("HTTP_X_AMZ_STORAGE_CLASS", _enum("StorageClass") - {"OUTPOSTS"}, "InvalidStorageClass",
         "The storage class you specified is not valid"),
        ("HTTP_X_AMZ_ACL", _enum("ObjectCannedACL") | _enum("BucketCannedACL") | {"log-delivery-write"},
         "InvalidArgument", ""),
        ("HTTP_X_AMZ_METADATA_DIRECTIVE", _enum("MetadataDirective"), "InvalidArgument", "Unknown metadata directive."),
        ("HTTP_X_AMZ_TAGGING_DIRECTIVE", _enum("TaggingDirective"), "InvalidArgument", "Unknown tagging directive."),
        ("HTTP_X_AMZ_OBJECT_LOCK_MODE", _enum("ObjectLockMode"), "InvalidArgument", "Unknown wormMode directive."),
        ("HTTP_X_AMZ_SERVER_SIDE_ENCRYPTION", _enum("ServerSideEncryption"), "InvalidEncryptionAlgorithmError",
         "The encryption method specified is not supported"),
    )  # fmt: skip


_MD5_BYTES = 16


def refuse_s3(environ: Environ) -> Refusal | None:
    """Return S3's refusal of a request; None if it is acceptable, as far as is known before S3 acts."""
    bucket, _, key = unquote(str(environ.get("PATH_INFO", "/")))[1:].partition("/")
    if bucket and environ["REQUEST_METHOD"] == "PUT" and not key and not _BUCKET.fullmatch(bucket):
        return Refusal("InvalidBucketName", "The specified bucket is not valid.")
    if len(key.encode("utf-8", "surrogateescape")) > _MOST_KEY_BYTES:
        return Refusal("KeyTooLongError", "Your key is too long")
    return _of_headers(environ) or _of_query(environ) or _of_upload(environ, bucket) or refuse_document(environ)


def _of_headers(environ: Environ) -> Refusal | None:
    owner = environ.get("HTTP_X_AMZ_EXPECTED_BUCKET_OWNER")
    if owner is not None and not _ACCOUNT.fullmatch(owner):
        text = f"The value of the expected bucket owner parameter must be an AWS Account ID... [{owner}]"
        return Refusal("InvalidBucketOwnerAWSAccountID", text)
    tags = [name for name, _ in parse_qsl(environ.get("HTTP_X_AMZ_TAGGING", ""), keep_blank_values=True)]
    if len(set(tags)) < len(tags):
        return Refusal("InvalidArgument", _TAGGING)
    for header, allowed, code, message in _headers():
        if environ.get(header, "") not in ("", *allowed):
            return Refusal(code, message)
    wanted = environ.get("HTTP_X_AMZ_OBJECT_ATTRIBUTES", "")
    if wanted and not set(wanted.replace(" ", "").split(",")) <= _enum("ObjectAttributes"):
        return Refusal("InvalidArgument", "Invalid attribute name specified.")
    return _digest(environ)


def _digest(environ: Environ) -> Refusal | None:
    given = environ.get("HTTP_CONTENT_MD5")
    if not given or environ.get("HTTP_TRANSFER_ENCODING"):
        return None
    try:
        wanted = base64.b64decode(given, validate=True)
    except ValueError:
        wanted = b""
    if len(wanted) != _MD5_BYTES:
        return Refusal("InvalidDigest", "The Content-MD5 you specified was invalid.")
    if hashlib.md5(read_body(environ), usedforsecurity=False).digest() != wanted:
        return Refusal("BadDigest", "The Content-MD5 you specified did not match what we received.")
    return None


def _of_upload(environ: Environ, bucket: str) -> Refusal | None:
    wanted = dict(parse_qsl(environ.get("QUERY_STRING", ""))).get("uploadId")
    known = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets.get(bucket)
    if wanted is None or known is None or wanted in known.multiparts or environ["REQUEST_METHOD"] != "PUT":
        return None
    text = (
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or "
        "completed."
    )
    return Refusal("NoSuchUpload", text, 404)


def _of_query(environ: Environ) -> Refusal | None:
    for name, value in parse_qsl(environ.get("QUERY_STRING", "")):
        check = _QUERY.get(name)
        if check is not None and (found := check(value)):
            return Refusal("InvalidArgument", found)
    return None


def _count(name: str) -> Callable[[str], str | None]:
    def check(value: str) -> str | None:
        if not re.fullmatch(r"-?\d+", value):
            return f"Provided {name} not an integer or within integer range"
        if not 0 <= int(value) < 1 << 31:
            return f"Argument {name} must be an integer between 0 and 2147483647"
        return None

    return check


def _part(value: str) -> str | None:
    if value.isdigit() and 1 <= int(value) <= _MOST_PARTS:
        return None
    return f"Part number must be an integer between 1 and {_MOST_PARTS}, inclusive"


_QUERY: dict[str, Callable[[str], str | None]] = {
    "max-keys": _count("max-keys"),
    "max-uploads": _count("max-uploads"),
    "max-parts": _count("max-parts"),
    "partNumber": _part,
    "encoding-type": lambda value: None if value == "url" else "Invalid Encoding Method specified in Request",
}
