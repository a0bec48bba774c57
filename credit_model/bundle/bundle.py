"""The model bundle: all that it takes to score with a model and to explain it, as a folder of plain files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from pydantic import ValidationError

from credit_model.bundle.document import FORMAT, Document, GoldenRow
from credit_model.bundle.measurements import Metrics
from credit_model.contract.contract import Contract
from credit_model.errors import BundleError

MODEL, DOCUMENT, GOLDEN, REPORT, CARD, MANIFEST = (
    "model.txt",
    "bundle.json",
    "golden.json",
    "report.html",
    "model_card.md",
    "manifest.json",
)
_CONTENT = (MODEL, DOCUMENT, GOLDEN, REPORT, CARD)


@dataclass(frozen=True)
class Bundle:
    """A trained model with its papers.

    Nothing in it depends on the clock or the machine: the same data, settings and seed give the same bytes.

    Attributes:
        document: Content of bundle.json.
        model_text: LightGBM text model.
        golden: Applicants with known PDs.
        report: Self-contained HTML report.
        model_card: Markdown model card.

    Example:
        >>> from credit_model import TrainSettings, load_contract, simulate, train
        >>> settings = TrainSettings(folds=2, max_rounds=5, studies=False)
        >>> bundle = train(simulate(3000, months=1).applications, load_contract("case"), settings)
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Bundle.load(bundle.save(folder)).version == bundle.version
        True
        >>> 0.5 < bundle.metrics.cross_validation.roc_auc < 1
        True
    """

    document: Document
    model_text: str
    golden: tuple[GoldenRow, ...] = ()
    report: str = ""
    model_card: str = field(default="", repr=False)

    @property
    def contract(self) -> Contract:
        """The feature contract that the model was trained under."""
        return self.document.contract

    @property
    def metrics(self) -> Metrics:
        """Measured quality: `cross_validation` always, `holdout` where there was one."""
        return self.document.metrics

    @property
    def holdout_metrics(self) -> dict[str, float]:
        """The single-number measures on the holdout; empty where there was none."""
        measured = self.metrics.holdout
        return {name: value for name, value in sorted(measured.items()) if isinstance(value, float)} if measured else {}

    @cached_property
    def version(self) -> str:
        """The first 12 hex digits of the SHA-256 of manifest.json: a digest of the whole bundle."""
        return hashlib.sha256(self.files[MANIFEST]).hexdigest()[:12]

    @cached_property
    def files(self) -> dict[str, bytes]:
        """The content of every file by name, the manifest last."""
        content = {
            MODEL: self.model_text.encode(),
            DOCUMENT: canonical_json(self.document.model_dump(mode="json")),
            GOLDEN: canonical_json([golden.model_dump(mode="json") for golden in self.golden]),
            REPORT: self.report.encode(),
            CARD: self.model_card.encode(),
        }
        digests = {name: hashlib.sha256(data).hexdigest() for name, data in content.items()}
        return content | {MANIFEST: canonical_json({"format": FORMAT, "files": digests})}

    def save(self, folder: str | Path) -> Path:
        """Write the bundle into a new or empty folder.

        Raises:
            BundleError: The folder is not empty.
        """
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        if any(target.iterdir()):
            raise BundleError(f"{target}: the folder is not empty; save a bundle into a new folder")
        for name, data in self.files.items():
            (target / name).write_bytes(data)
        return target

    @classmethod
    def load(cls, folder: str | Path) -> Bundle:
        """Read a bundle and check every file against the manifest.

        Raises:
            BundleError: A file is missing, extra, changed or no part of a bundle; names it.
        """
        content = _checked(Path(folder))
        document = _parsed(Document, content[DOCUMENT], DOCUMENT)
        rows = json.loads(content[GOLDEN])
        bundle = cls(
            document=document,
            model_text=content[MODEL].decode(),
            golden=tuple(GoldenRow.model_validate(row) for row in rows),
            report=content[REPORT].decode(),
            model_card=content[CARD].decode(),
        )
        # The files as they are, not as this release would write them: a model keeps its version in every release.
        bundle.__dict__["files"] = dict(content)
        return bundle


def canonical_json(value: object) -> bytes:
    """Return JSON bytes that depend on the value only: sorted keys, no NaN, one trailing newline."""
    return (json.dumps(value, sort_keys=True, indent=1, allow_nan=False, ensure_ascii=False) + "\n").encode()


def _checked(folder: Path) -> Mapping[str, bytes]:
    """Read all files of a bundle, checked against its manifest."""
    try:
        return _read(folder)
    except OSError as error:
        where = error.filename or folder
        raise BundleError(f"{where} cannot be read: {error.strerror}; give the server's user the right to") from error


def _read(folder: Path) -> Mapping[str, bytes]:
    digests = _manifest(folder)
    # File systems and downloads leave hidden files behind; they are no part of a bundle.
    present = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    wanted = {*digests, MANIFEST}
    if present != wanted:
        missing, extra = sorted(wanted - present), sorted(present - wanted)
        found = f"{missing[0]} is missing" if missing else f"{extra[0]} does not belong there"
        raise BundleError(f"{folder}: {found}; unpack the bundle again into an empty folder")
    content = {name: (folder / name).read_bytes() for name in sorted(wanted)}
    for name, digest in digests.items():
        if hashlib.sha256(content[name]).hexdigest() != digest:
            raise BundleError(f"{folder}: {name} was changed since the bundle was written; unpack the bundle again")
    return content


def _manifest(folder: Path) -> dict[str, str]:
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        digests: dict[str, str] = dict(manifest["files"])
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BundleError(f"{folder}: {MANIFEST} is missing; is this the folder of an unpacked bundle?") from error
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{folder}: {MANIFEST} is damaged; unpack the bundle again") from error
    if set(digests) != set(_CONTENT) or manifest.get("format") != FORMAT:
        raise BundleError(f"{folder}: {MANIFEST} lists other files than a format {FORMAT} bundle; retrain the model")
    return digests


def _parsed(model: type[Document], data: bytes, name: str) -> Document:
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BundleError(f"{name}: {where}: {first['msg']}; retrain with this version of the library") from error
