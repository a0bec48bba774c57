"""More versions of a model for releases: registered and approved like trained ones, but without the training."""

import dataclasses
import tempfile
import uuid
from pathlib import Path

from credit_model.bundle.archive import write_archive
from credit_model.bundle.bundle import Bundle
from tests.e2e.portfolio import NAME
from tests.e2e.world import GROUP, World


def fetch(world: World, bundle_uri: str, folder: Path) -> Bundle:
    """Download an unpacked bundle and load it."""
    prefix = bundle_uri.removeprefix(f"s3://{world.bucket}/")
    for key in world.keys(prefix):
        (folder / key.removeprefix(prefix)).write_bytes(world.get(f"s3://{world.bucket}/{key}"))
    return Bundle.load(folder)


def register_twin(world: World, *, tampered: bool = False, fault: str = "", stand_in: str = "") -> str:
    """Register and approve a model that scores like the first one but is another version; return the version.

    Args:
        tampered: Change a file of the bundle in S3 after its digests were computed.
        fault: Fault of its servers, as in `faulty_server.py`.
        stand_in: Replace its bundle with that of this other version.
    """
    original = next(iter(world.models().values()))["CustomerMetadataProperties"]
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        (here / "original").mkdir()
        bundle = fetch(world, original["bundle_uri"], here / "original")
        twin = dataclasses.replace(bundle, model_card=f"{bundle.model_card}\n{uuid.uuid4()}\nfault: {fault}\n")
        twin.save(here / "twin")
        archive = write_archive(here / "twin", here / "model.tar.gz")
        archive_uri = world.put(f"training/{NAME}/{twin.version}/output/model.tar.gz", archive.read_bytes())
        if tampered:
            model = here / "twin" / "model.txt"
            model.write_text(model.read_text().replace("leaf_value=", "leaf_value=1", 1))
        for path in (here / "twin").iterdir():
            content = world.get(f"{place(world, stand_in)}{path.name}") if stand_in else path.read_bytes()
            world.put(f"models/{NAME}/{twin.version}/{path.name}", content)
    with world.approval_rule_disabled():
        _register(world, original, twin.version, archive_uri)
    return twin.version


def place(world: World, version: str) -> str:
    """Return the location of a bundle that this module made."""
    return f"s3://{world.bucket}/models/{NAME}/{version}/"


def _register(world: World, original: dict[str, str], version: str, archive_uri: str) -> None:
    metadata = {key: value for key, value in original.items() if key not in ("released_at", "withdrawn_at")}
    places = {"bundle_uri": place(world, version), "archive_uri": archive_uri}
    types = ["application/x-parquet"]
    container = {"Image": world.environment["CREDIT_SERVE_IMAGE"], "ModelDataUrl": archive_uri}
    world.aws("sagemaker").create_model_package(
        ModelPackageGroupName=GROUP,
        ModelApprovalStatus="Approved",
        InferenceSpecification={
            "Containers": [container],
            "SupportedContentTypes": types,
            "SupportedResponseMIMETypes": types,
        },
        CustomerMetadataProperties={**metadata, **places, "model_version": version},
    )
