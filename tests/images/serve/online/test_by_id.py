"""From a landed file to an answer by id: ingest fills the table, the server looks up, scores and logs."""

import uuid
from collections import Counter
from io import BytesIO

import boto3
import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from prefect.logging import disable_run_logger

from credit_model.scoring.scorer import Scorer
from tasks import s3
from tasks.lake import online_table
from tasks.lake.ingest import find_landed, publish
from tasks.release.inference_service import server_settings
from tasks.settings import settings
from tests.images.serve.serve_process import Server, free_port

V1 = "/v1/models/credit-model:predict"
V2 = "/v2/models/credit-model/infer"
ASKED = 150
pytestmark = pytest.mark.xdist_group("by-id")


@pytest.fixture(scope="module")
def bucket(aws):
    """A lake of this module's own; settings that name it."""
    name = f"by-id-{uuid.uuid4().hex[:8]}"
    boto3.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    boto3.client("glue").create_database(DatabaseInput={"Name": name})
    given = {"BUCKET": name, "DATABASE": name, "ONLINE_TABLES": name, "ONLINE_TIMEOUT_MS": "5000"}
    given |= dict.fromkeys(["SAGEMAKER_ROLE", "TRAIN_IMAGE", "SERVE_IMAGE"], "none")
    given |= {"PREDICTION_LOG": f"s3://{name}/predictions"}
    caches = (settings, s3.client, online_table.client)
    with pytest.MonkeyPatch.context() as environment:
        for key, value in given.items():
            environment.setenv(f"CREDIT_{key}", value)
        for cache in caches:
            cache.cache_clear()
        yield name
    for cache in caches:
        cache.cache_clear()


@pytest.fixture(scope="module")
def landed(bucket, applications) -> pa.Table:
    """Applicants whose file has been ingested."""
    sink = BytesIO()
    pq.write_table(applications, sink)
    key = "import/case/applications/file.parquet"
    boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=sink.getvalue())
    with disable_run_logger():
        report = publish.fn(find_landed.fn(f"s3://{bucket}/{key}", None))
        assert online_table.keep_online.fn(report) == report.accepted == applications.num_rows
    return applications


@pytest.fixture(scope="module")
def answers(landed, bucket, bundle_folder, tmp_path_factory):
    """What a server answers to ids and to columns; then it is stopped."""
    port = free_port()
    place = ["--model_dir", str(bundle_folder), "--http_port", str(port)]
    server = Server(*place, log=tmp_path_factory.mktemp("by-id") / "log", **server_settings("case"))
    http = server.connect(port)
    ids = landed["application_id"].to_pylist()[:ASKED]
    found = {"ids": ids, "v1": by_v1(http, [*ids, "nobody"]), "v2": by_v2(http, ids)}
    found["metrics"] = http.get("/metrics").text.splitlines()
    assert server.stop() == 0
    return found


def by_v1(http: httpx.Client, ids: list[str]) -> list[dict]:
    reply = http.post(V1, json={"instances": [{"id": key} for key in ids]})
    assert reply.status_code == 200, reply.text
    return reply.json()["predictions"]


def by_v2(http: httpx.Client, ids: list[str]) -> list[float]:
    tensor = {"name": "application_id", "datatype": "BYTES", "shape": [len(ids)], "data": ids}
    reply = http.post(V2, json={"inputs": [tensor]})
    assert reply.status_code == 200, reply.text
    [pds] = [output["data"] for output in reply.json()["outputs"] if output["name"] == "pd"]
    return pds


def test_ids_get_the_pds_of_their_features(answers, landed, scorer: Scorer):
    expected = scorer.pd_of_table(landed.slice(0, ASKED))
    assert len(np.unique(expected)) > ASKED / 2
    found = answers["v1"][:ASKED]
    assert [one["id"] for one in found] == answers["ids"]
    np.testing.assert_allclose([one["pd"] for one in found], expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(answers["v2"], expected, rtol=0, atol=1e-12)


def test_an_unknown_id_is_told_in_its_own_place(answers):
    nobody = answers["v1"][ASKED]
    assert nobody["id"] == "nobody"
    assert "pd" not in nobody
    assert "not found" in str(nobody["error"])


def test_look_ups_are_counted(answers):
    counts = dict(line.rsplit(" ", 1) for line in answers["metrics"] if line.startswith("credit_serve_lookups_total"))
    assert {name.split('"')[1]: float(count) for name, count in counts.items()} == {
        "found": 2 * ASKED,
        "missing": 1,
        "unanswered": 0,
    }
    assert "credit_serve_predictions_dropped_total 0.0" in answers["metrics"]


def test_every_answer_is_in_the_prediction_log(answers, bucket):
    client = boto3.client("s3")
    listed = client.list_objects_v2(Bucket=bucket, Prefix="predictions/portfolio=case/date=")["Contents"]
    parts = [client.get_object(Bucket=bucket, Key=item["Key"])["Body"].read() for item in listed]
    logged = pa.concat_tables([pq.read_table(BytesIO(part)) for part in parts]).to_pylist()
    assert Counter(one["application_id"] for one in logged) == dict.fromkeys(answers["ids"], 2)
    pds = {one["application_id"]: one["pd"] for one in logged}
    assert [pds[key] for key in answers["ids"]] == [one["pd"] for one in answers["v1"][:ASKED]]
