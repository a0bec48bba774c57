"""Events from an S3 object to an HTTP receiver: format, pattern, transformer, authorization, retries."""

import json
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

pytestmark = pytest.mark.integration


@pytest.fixture
def receiver():
    """Yield an HTTP server that stores its requests; it answers with `statuses` first, then with 204."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            server.got.append((self.path, dict(self.headers), body))
            self.send_response(server.statuses.pop(0) if server.statuses else 204)
            self.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.got, server.statuses = [], []
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def wait_for(receiver, count):
    for _ in range(200):
        if len(receiver.got) >= count:
            return receiver.got
        time.sleep(0.05)
    raise AssertionError(f"{len(receiver.got)} of {count} requests arrived")


@pytest.fixture
def wire(client, bucket, receiver):
    """Return a function that sends the events of new objects under landing/ to the receiver."""

    def connect(target=None, auth=None, pattern=None):
        events, tag = client("events"), uuid.uuid4().hex[:8]
        client("s3").put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
        key = {"ApiKeyAuthParameters": {"ApiKeyName": "X-Key", "ApiKeyValue": "secret"}}
        connection = events.create_connection(
            Name=f"c-{tag}",
            AuthorizationType="BASIC" if auth else "API_KEY",
            AuthParameters=auth or key,
        )
        destination = events.create_api_destination(
            Name=f"d-{tag}",
            ConnectionArn=connection["ConnectionArn"],
            InvocationEndpoint=f"{receiver.url}/api/events",
            HttpMethod="POST",
        )
        default = {
            "source": ["aws.s3"],
            "detail-type": ["Object Created"],
            "detail": {"bucket": {"name": [bucket]}, "object": {"key": [{"prefix": "landing/"}]}},
        }
        events.put_rule(Name=f"r-{tag}", EventPattern=json.dumps(pattern or default))
        events.put_targets(
            Rule=f"r-{tag}",
            Targets=[
                {
                    "Id": "1",
                    "Arn": destination["ApiDestinationArn"],
                    "RoleArn": "arn:aws:iam::1:role/e",
                    **(target or {}),
                }
            ],
        )
        return f"r-{tag}"

    return connect


def test_a_landing_object_sends_an_event_like_eventbridges(wire, client, bucket, receiver):
    wire()
    s3 = client("s3")
    s3.put_object(Bucket=bucket, Key="elsewhere/x.csv", Body=b"no")
    etag = s3.put_object(Bucket=bucket, Key="landing/a b.csv", Body=b"yes")["ETag"].strip('"')
    path, headers, body = wait_for(receiver, 1)[0]
    event = json.loads(body)
    assert path == "/api/events"
    assert headers["X-Key"] == "secret"
    assert (event["source"], event["detail-type"], event["region"]) == ("aws.s3", "Object Created", "eu-west-1")
    assert event["time"].endswith("Z")
    assert event["resources"] == [f"arn:aws:s3:::{bucket}"]
    found = event["detail"]["object"]
    assert (found["key"], found["size"], found["etag"]) == ("landing/a b.csv", 3, etag)
    assert "version-id" not in found
    assert event["detail"]["reason"] == "PutObject"
    time.sleep(0.3)
    assert len(receiver.got) == 1


def test_copies_multipart_uploads_and_versions(wire, client, bucket, receiver):
    wire()
    s3 = client("s3")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=bucket, Key="raw/a", Body=b"a")
    version = s3.copy_object(Bucket=bucket, Key="landing/copy", CopySource=f"{bucket}/raw/a")["VersionId"]
    event = json.loads(wait_for(receiver, 1)[0][2])
    assert event["detail"]["reason"] == "CopyObject"
    assert event["detail"]["object"]["version-id"] == version
    upload = s3.create_multipart_upload(Bucket=bucket, Key="landing/big")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="landing/big", UploadId=upload, PartNumber=1, Body=b"x" * 10)
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(Bucket=bucket, Key="landing/big", UploadId=upload, MultipartUpload=parts)
    event = json.loads(wait_for(receiver, 2)[1][2])
    assert event["detail"]["reason"] == "CompleteMultipartUpload"
    assert event["detail"]["object"]["size"] == 10


def test_a_transformer_renders_the_body_that_prefect_expects(wire, client, bucket, receiver):
    template = (
        '[{"id": <id>, "occurred": <time>, "event": "s3.object.created", "resource": '
        '{"prefect.resource.id": "s3://<bucket>/<key>", "size": <size>}, "payload": <aws.events.event.json>, '
        '"note": "by <aws.events.rule-name> for \\"<key>\\"", "gone": "<nothing>"}]'
    )
    paths = {
        "id": "$.id",
        "time": "$.time",
        "bucket": "$.detail.bucket.name",
        "key": "$.detail.object.key",
        "size": "$.detail.object.size",
        "nothing": "$.detail.absent",
    }
    rule = wire({"InputTransformer": {"InputPathsMap": paths, "InputTemplate": template}})
    client("s3").put_object(Bucket=bucket, Key='landing/say "hi"\\.csv', Body=b"12345")
    (item,) = json.loads(wait_for(receiver, 1)[0][2])
    assert item["resource"] == {"prefect.resource.id": f's3://{bucket}/landing/say "hi"\\.csv', "size": 5}
    assert item["payload"]["detail"]["object"]["key"] == 'landing/say "hi"\\.csv'
    assert (item["id"], item["occurred"]) == (item["payload"]["id"], item["payload"]["time"])
    assert item["note"] == f'by {rule} for "landing/say "hi"\\.csv"'
    assert item["gone"] == ""


def test_a_failed_delivery_is_retried(wire, client, bucket, receiver):
    receiver.statuses += [503, 429]
    wire(auth={"BasicAuthParameters": {"Username": "u", "Password": "p"}})
    client("s3").put_object(Bucket=bucket, Key="landing/x", Body=b"1")
    got = wait_for(receiver, 3)
    assert {body for _, _, body in got} == {got[0][2]}
    assert got[0][1]["Authorization"] == "Basic dTpw"
    time.sleep(0.3)
    assert len(receiver.got) == 3


def test_a_refused_event_is_not_retried(wire, client, bucket, receiver):
    receiver.statuses += [400]
    wire()
    client("s3").put_object(Bucket=bucket, Key="landing/x", Body=b"1")
    wait_for(receiver, 1)
    time.sleep(0.5)
    assert len(receiver.got) == 1


def test_put_events_and_disabled_rules(wire, client, receiver):
    rule = wire(pattern={"source": ["credit.platform"]}, target={"InputPath": "$.detail"})
    entry = {"Source": "credit.platform", "DetailType": "drift", "Detail": json.dumps({"psi": 0.3})}
    client("events").put_events(Entries=[entry])
    assert json.loads(wait_for(receiver, 1)[0][2]) == {"psi": 0.3}
    client("events").disable_rule(Name=rule)
    client("events").put_events(Entries=[entry])
    time.sleep(0.3)
    assert len(receiver.got) == 1


def log_events(wire, client, bucket):
    """Send all events of a bucket to the log group /aws/events/BUCKET."""
    events, group = client("events"), f"/aws/events/{bucket}"
    client("logs").create_log_group(logGroupName=group)
    wire()
    rule = f"log-{bucket}"
    events.put_rule(Name=rule, EventPattern=json.dumps({"detail": {"bucket": {"name": [bucket]}}}))
    arn = f"arn:aws:logs:eu-west-1:123456789012:log-group:{group}"
    events.put_targets(Rule=rule, Targets=[{"Id": "1", "Arn": arn}])


def test_other_targets_still_work(wire, client, bucket):
    logs = client("logs")
    log_events(wire, client, bucket)
    client("s3").put_object(Bucket=bucket, Key="landing/x", Body=b"1")
    found = logs.filter_log_events(logGroupName=f"/aws/events/{bucket}")["events"]
    assert [json.loads(item["message"])["detail"]["object"]["key"] for item in found] == ["landing/x"]


def test_tags_acls_and_restores_are_announced(wire, client, bucket):
    s3, logs = client("s3"), client("logs")
    log_events(wire, client, bucket)
    where = {"Bucket": bucket, "Key": "x"}
    s3.put_object(**where, Body=b"1", StorageClass="GLACIER", Tagging="a=1")
    s3.put_object_tagging(**where, Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
    s3.delete_object_tagging(**where)
    s3.put_object_acl(**where, ACL="public-read")
    s3.restore_object(**where, RestoreRequest={"Days": 1})
    found = [
        json.loads(item["message"]) for item in logs.filter_log_events(logGroupName=f"/aws/events/{bucket}")["events"]
    ]
    assert [event["detail-type"] for event in found][:5] == [
        "Object Created", "Object Tags Added", "Object Tags Deleted", "Object ACL Updated", "Object Restore Initiated",
    ]  # fmt: skip
    assert found[1]["detail"]["object"].keys() == {"key", "etag"}
    assert found[4]["detail"]["source-storage-class"] == "GLACIER"
    assert "reason" not in found[4]["detail"]
