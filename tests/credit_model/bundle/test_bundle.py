"""The bundle on disk: whole, unchanged, the same bytes every time, and safe to unpack."""

import hashlib
import io
import json
import os
import tarfile

import pytest

from credit_model.bundle.archive import read_archive, write_archive
from credit_model.bundle.bundle import Bundle
from credit_model.bundle.document import Document, Lineage
from credit_model.bundle.evidence import Influence
from credit_model.errors import BundleError
from credit_model.settings import TrainSettings
from credit_model.training.train import train
from credit_model.trees.booster import Booster

FILES = {"model.txt", "bundle.json", "golden.json", "report.html", "model_card.md", "manifest.json"}


@pytest.fixture
def folder(bundle, tmp_path):
    return bundle.save(tmp_path / "model")


def test_save_and_load_keep_everything(bundle, folder):
    assert {path.name for path in folder.iterdir()} == FILES
    loaded = Bundle.load(folder)
    assert loaded == bundle
    assert loaded.version == bundle.version
    assert loaded.version == hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()[:12]


def test_the_manifest_lists_the_digest_of_every_file(folder):
    digests = json.loads((folder / "manifest.json").read_text())["files"]
    assert digests == {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES - {"manifest.json"}
    }


@pytest.mark.parametrize("name", sorted(FILES - {"manifest.json"}))
def test_a_changed_or_missing_file_is_named(folder, name):
    path = folder / name
    original = path.read_bytes()
    path.write_bytes(original[:-1] + bytes([original[-1] ^ 1]))
    with pytest.raises(BundleError, match=f"{name} was changed"):
        Bundle.load(folder)
    path.unlink()
    with pytest.raises(BundleError, match=f"{name} is missing"):
        Bundle.load(folder)


def test_a_folder_that_this_user_may_not_read_is_not_called_incomplete(folder):
    folder.chmod(0)
    root = os.geteuid() == 0
    try:
        if root:
            os.seteuid(65534)
        with pytest.raises(BundleError, match="cannot be read: Permission denied; give the server's user the right"):
            Bundle.load(folder)
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o755)


def test_an_extra_file_or_no_manifest_is_refused(folder):
    (folder / "code.py").write_text("print()")
    with pytest.raises(BundleError, match=r"code\.py does not belong"):
        Bundle.load(folder)
    (folder / "manifest.json").unlink()
    with pytest.raises(BundleError, match=r"manifest\.json is missing"):
        Bundle.load(folder)


def test_a_bundle_that_another_release_wrote_keeps_its_version(folder, tmp_path):
    """Another release may order or add fields: here bundle.json is written without line breaks."""
    manifest = json.loads((folder / "manifest.json").read_text())
    packed = json.dumps(json.loads((folder / "bundle.json").read_text())).encode()
    (folder / "bundle.json").write_bytes(packed)
    manifest["files"]["bundle.json"] = hashlib.sha256(packed).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    loaded = Bundle.load(folder)
    assert loaded.version == hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()[:12]
    copy = loaded.save(tmp_path / "copy")
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == {
        path.name: path.read_bytes() for path in folder.iterdir()
    }


def test_saving_over_something_is_refused(bundle, folder):
    with pytest.raises(BundleError, match="not empty"):
        bundle.save(folder)


def test_same_rows_in_any_order_give_the_same_bytes(bundle, portfolio, case, quick):
    lineage = Lineage(snapshot_id="snap-1", git_commit="abc", image_digest="sha256:1")
    shuffled = portfolio.training.take(list(reversed(range(portfolio.training.num_rows))))
    again = train(shuffled, case, quick, holdout=portfolio.holdout, lineage=lineage)
    assert again.files == bundle.files
    assert again.version == bundle.version


def test_another_seed_or_snapshot_is_another_version(bundle, portfolio, case, quick):
    settings = quick.model_copy(update={"seed": 7})
    assert train(portfolio.training, case, settings).version != bundle.version


def test_documents_record_the_lineage(bundle, quick):
    document = json.loads(bundle.files["bundle.json"])
    assert document["lineage"]["snapshot_id"] == "snap-1"
    assert document["settings"]["seed"] == quick.seed
    assert {"lightgbm", "numpy", "pyarrow", "python"} <= set(document["libraries"])
    assert document["contract"]["name"] == "case"
    assert set(document["reference"]) == set(document["features"])
    for reference in document["reference"].values():
        assert sum(reference["shares"]) + reference["missing"] == pytest.approx(1, abs=1e-9)


def test_report_stands_alone(bundle):
    assert bundle.report.startswith("<!doctype html>")
    assert "http" not in bundle.report
    assert "<svg" in bundle.report
    assert f"{bundle.metrics.holdout.roc_auc:.3f}" in bundle.report
    assert "snap-1" in bundle.report
    assert "snap-1" in bundle.model_card


def test_an_old_or_newer_document_is_read_with_defaults_and_written_as_it_was(bundle, folder):
    given = json.loads((folder / "bundle.json").read_text())
    given["evidence"] = {"drift": {"score": 0.1}, "a_later_part": [1]}
    given["training"] |= {"hours": 2.0}
    given["settings"] = {"seed": 5, "a_later_setting": "x"}
    for measured in given["metrics"].values():
        del measured["curves"], measured["intervals"]
    document = Document.model_validate_json(json.dumps(given))
    assert document.model_dump(mode="json") == given
    assert (document.evidence.decisions, document.evidence.basis_grades) == (None, ())
    assert (document.settings.seed, document.settings.margin) == (5, TrainSettings().margin)
    assert (document.evidence.drift.score, document.metrics.best.curves) == (0.1, None)


def test_the_influence_of_the_first_bundles_is_an_object_and_still_read():
    read = Influence.model_validate({"rows": 2, "swarm": {"age": [[0.1, None], [0.2, 1.0]]}, "partial": {"age": []}})
    assert read.swarm == (("age", ((0.1, None), (0.2, 1.0))),)
    assert read.partial == (("age", ()),)


def test_parts_of_the_document_can_still_be_read_by_their_keys(bundle):
    assert set(bundle.metrics) == {"cross_validation", "holdout"}
    assert bundle.metrics["holdout"]["roc_auc"] == bundle.metrics.holdout.roc_auc
    assert "search" not in bundle.document.evidence
    assert bundle.document.evidence.get("search", "none") == "none"
    assert dict(bundle.document.training) == bundle.document.training.model_dump()
    with pytest.raises(KeyError):
        bundle.document.evidence["search"]


def test_archive_is_deterministic_and_comes_back_whole(bundle, folder, tmp_path):
    first = write_archive(folder, tmp_path / "a" / "model.tar.gz")
    second = write_archive(bundle.save(tmp_path / "again"), tmp_path / "b" / "other-name.tar.gz")
    assert first.read_bytes() == second.read_bytes()
    assert Bundle.load(read_archive(first, tmp_path / "out")).version == bundle.version


def hostile(path, name, kind=tarfile.REGTYPE, target=""):
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.type, member.linkname, member.size = kind, target, 0
        archive.addfile(member, io.BytesIO(b""))
    return path


@pytest.mark.parametrize(
    ("name", "kind", "target"),
    [
        ("/etc/passwd", tarfile.REGTYPE, ""),
        ("../escape", tarfile.REGTYPE, ""),
        ("a/../../escape", tarfile.REGTYPE, ""),
        ("a/../inside", tarfile.REGTYPE, ""),
        ("link", tarfile.SYMTYPE, "/etc"),
        ("link", tarfile.LNKTYPE, "model.txt"),
        ("pipe", tarfile.FIFOTYPE, ""),
    ],
)
@pytest.mark.parametrize("filters", [True, False], ids=["with filters", "before Python 3.11.4"])
def test_hostile_archives_are_refused(tmp_path, monkeypatch, filters, name, kind, target):
    if not filters:
        monkeypatch.delattr(tarfile, "data_filter", raising=False)
    path = hostile(tmp_path / "model.tar.gz", name, kind, target)
    with pytest.raises(BundleError, match="do not use it"):
        read_archive(path, tmp_path / "out" / "deep")
    assert not (tmp_path / "escape").exists()


def test_a_cut_off_archive_is_refused(folder, tmp_path):
    path = write_archive(folder, tmp_path / "model.tar.gz")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(BundleError, match="not a complete"):
        read_archive(path, tmp_path / "out")


@pytest.mark.parametrize("text", ["", "tree\n", "tree\nversion=v4\n\nend of trees\n", "not a model\nend of trees\n"])
def test_text_that_is_no_model_is_refused(text):
    with pytest.raises(BundleError, match=r"model\.txt"):
        Booster(text)
