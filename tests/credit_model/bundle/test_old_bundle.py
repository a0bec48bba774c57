"""A bundle made before the library was split into packages still loads, scores and explains as it did then.

`old_bundle.tar.gz` was trained at commit fd01555 on 3,000 simulated applications (`simulate(3000, months=6, seed=5)`).
"""

import json
from functools import reduce
from pathlib import Path

import pyarrow as pa
import pytest

from credit_model import Bundle, Scorer
from credit_model.bundle.archive import read_archive
from credit_model.bundle.document import Document

VERSION = "7429390a0ad3"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("old") / "bundle"
    return Bundle.load(read_archive(Path(__file__).with_name("old_bundle.tar.gz"), folder))


def test_it_keeps_its_version(bundle):
    assert bundle.version == VERSION


def test_rows_have_the_pds_of_then_to_the_last_bit(bundle):
    scored = Scorer(bundle).score_rows([golden.row for golden in bundle.golden])
    assert [score.pd for score in scored] == [golden.pd for golden in bundle.golden]


def test_a_table_has_the_pds_of_then_to_the_last_bit(bundle):
    table = pa.Table.from_pylist([golden.row for golden in bundle.golden])
    assert Scorer(bundle).pd_of_table(table).tolist() == [golden.pd for golden in bundle.golden]


def test_it_explains_its_decisions(bundle):
    explained = Scorer(bundle).explain_rows([golden.row for golden in bundle.golden])
    assert any(explained)
    assert {reason.code for reasons in explained for reason in reasons} <= {
        c.name for c in bundle.contract.model_features
    }


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("settings", "candidate"), "catboost"),
        (("settings", "folds"), 1),
        (("metrics", "cross_validation", "roc_auc_low"), None),
        (("metrics", "cross_validation", "calibration_slope"), None),
        (("training", "defaults"), None),
        (("evidence", "decisions", "rules", "expected_profit"), None),
    ],
)
def test_papers_of_another_release_never_stop_a_model_from_scoring(bundle, path, value):
    document = json.loads(bundle.files["bundle.json"])
    *parents, name = path
    part = reduce(dict.__getitem__, parents, document)
    if value is None:
        del part[name]
    else:
        part[name] = value
    read = Document.model_validate_json(json.dumps(document))
    assert read.contract == bundle.contract
    assert reduce(getattr, parents, read).get(name) == value
    chosen = read.evidence.decisions.rules.chosen.approve_below.approved
    assert chosen == bundle.document.evidence.decisions.rules.chosen.approve_below.approved
