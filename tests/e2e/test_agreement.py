"""The same model gives the same applicants the same PDs online, in the published batch and from the library."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from credit_model.scoring.scorer import Scorer
from tests.e2e import models, portfolio
from tests.e2e.world import V1, World

TOLERANCE = 1e-9
V2 = "/v2/models/credit-model/infer"
ASKED = 50
pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("e2e"), pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def batch(world: World) -> pa.Table:
    """Return today's published scores by the serving model."""
    world.runs.quiet()
    world.runs.completed("score", portfolio=portfolio.NAME)
    glue = world.aws("glue")
    found = glue.get_partitions(DatabaseName="credit", TableName="scores")["Partitions"]
    (partition,) = [part for part in found if part["Values"][0] == portfolio.NAME]
    return world.parquet(partition["StorageDescriptor"]["Location"])


@pytest.fixture(scope="module")
def asked(first_applicants: list[portfolio.Row]) -> list[dict[str, Any]]:
    """Return some applicants as a client would send them, with the file's own column names."""
    return [{k: v for k, v in row.items() if k != portfolio.TARGET} for row in first_applicants[:ASKED]]


@pytest.fixture(scope="module")
def expected(batch: pa.Table, asked: list[dict[str, Any]]) -> list[float]:
    """Return the PDs of those applicants in the batch."""
    pds = dict(zip(batch["application_id"].to_pylist(), batch["pd"].to_pylist(), strict=True))
    return [pds[str(row["ID"])] for row in asked]


def test_the_batch_contains_every_applicant_of_the_lake_once(world: World, batch: pa.Table) -> None:
    lake = world.parquet(f"lake/applications/portfolio={portfolio.NAME}/")
    ids = batch["application_id"].to_pylist()
    assert len(ids) == len(set(ids))
    assert set(ids) == set(lake["application_id"].to_pylist())
    assert batch["pd"].null_count == 0


def test_batch_and_endpoint_name_the_same_model(world: World, batch: pa.Table) -> None:
    assert set(batch["model_version"].to_pylist()) == {world.serving()}


def test_v1_gives_the_batch_pds(world: World, asked: list[dict[str, Any]], expected: list[float]) -> None:
    rows = [{k: v for k, v in row.items() if k != "ID"} | {"application_id": str(row["ID"])} for row in asked]
    answer = world.post(V1, {"instances": rows})
    assert [one["id"] for one in answer["predictions"]] == [row["application_id"] for row in rows]
    np.testing.assert_allclose([one["pd"] for one in answer["predictions"]], expected, rtol=0, atol=TOLERANCE)


def test_v2_gives_the_batch_pds(world: World, asked: list[dict[str, Any]], expected: list[float]) -> None:
    answer = world.post(V2, {"inputs": [_tensor(name, asked) for name in asked[0] if name != "ID"]})
    (pds,) = [output["data"] for output in answer["outputs"] if output["name"] == "pd"]
    assert answer["model_version"] == world.serving()
    np.testing.assert_allclose(pds, expected, rtol=0, atol=TOLERANCE)


def _tensor(name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    text = name in ("SEX", "EDUCATION", "MARRIAGE")
    data = [str(row[name]) if text else float(row[name]) for row in rows]
    return {"name": name.lower(), "datatype": "BYTES" if text else "FP64", "shape": [len(data)], "data": data}


def test_the_library_gives_the_batch_pds(
    world: World, asked: list[dict[str, Any]], expected: list[float], tmp_path: Path
) -> None:
    champion = world.models()[world.serving()]["CustomerMetadataProperties"]
    scorer = Scorer(models.fetch(world, champion["bundle_uri"], tmp_path))
    assert scorer.version == champion["model_version"]
    pds = scorer.pd_of_table(pa.Table.from_pylist(asked))
    np.testing.assert_allclose(pds, expected, rtol=0, atol=TOLERANCE)


def test_the_same_applicants_are_scored_once_by_the_same_model(world: World, batch: pa.Table) -> None:
    jobs = world.aws("sagemaker").list_transform_jobs()["TransformJobSummaries"]
    world.runs.completed("score", portfolio=portfolio.NAME)
    assert world.aws("sagemaker").list_transform_jobs()["TransformJobSummaries"] == jobs
