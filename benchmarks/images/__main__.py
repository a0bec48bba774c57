"""`python -m benchmarks.images`: install each image's dependencies in a clean environment; measure and test them."""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.images import context

# Maximum size of the installed dependencies in MB, without bytecode.
BARS = {"train": 450, "serve": 500, "worker": 700}
MB = 1_000_000
TITLE = """| image | group | MB installed | bar | | MB with bytecode | seconds to install |
|---|---|---|---|---|---|---|"""
_INSTALL = re.compile(r"uv pip install (.*?)(?:\n[A-Z]|$)", re.DOTALL)
_COPIED = re.compile(r"^COPY (.*) \./$", re.MULTILINE)


@dataclass(frozen=True)
class Measurement:
    """The size of one image's dependencies in MB, and the seconds to install them from a warm cache."""

    image: str
    plain: float
    compiled: float
    seconds: float

    @property
    def holds(self) -> bool:
        """Return whether the size is within the limit."""
        return self.plain < BARS[self.image]

    def __str__(self) -> str:
        """Return the row of the table."""
        group, bar = context.IMAGES[self.image], BARS[self.image]
        verdict = "holds" if self.holds else "MISSED"
        return (
            f"| {self.image} | {group} | {self.plain:.0f} | {bar} | {verdict} | {self.compiled:.0f} "
            f"| {self.seconds:.0f} |"
        )


def main() -> int:
    """Measure every image; return 1 if one exceeds its limit, and raise if one does not work."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.images", description=__doc__)
    parser.add_argument("--image", choices=sorted(BARS), action="append", help="only this image (may be repeated)")
    asked = parser.parse_args().image or list(BARS)
    rows = []
    for image in asked:
        with tempfile.TemporaryDirectory(prefix=f"image-{image}-") as folder:
            rows.append(measure(image, Path(folder)))
    print(TITLE)
    print("\n".join(map(str, rows)))
    return int(not all(row.holds for row in rows))


def measure(image: str, folder: Path) -> Measurement:
    """Install an image's dependencies as its Dockerfile does, and test its entry point.

    Raises:
        subprocess.CalledProcessError: The installation or the entry point fails.
    """
    app, venv = folder / "app", folder / "venv"
    context.copy(image, app)
    began = time.monotonic()
    install(image, app, venv)
    seconds = time.monotonic() - began
    plain = size(venv)
    check(image, app, venv / "bin" / "python")
    subprocess.run([venv / "bin" / "python", "-m", "compileall", "-q", venv / "lib"], check=False, capture_output=True)
    return Measurement(image, plain / MB, size(venv) / MB, seconds)


def install(image: str, app: Path, venv: Path) -> None:
    """Create the environment with the arguments of the Dockerfile, from a cache."""
    dockerfile = (context.ROOT / "images" / image / "Dockerfile").read_text()
    given, copied = _INSTALL.search(dockerfile), _COPIED.search(dockerfile)
    if given is None or copied is None:
        raise ValueError(f"images/{image}/Dockerfile: no `uv pip install`, or no COPY before it")
    build = venv.with_name("build")
    build.mkdir()
    for name in copied[1].split():
        (build / Path(name).name).write_bytes((app / name).read_bytes())
    words = given[1].replace("\\\n", " ").replace("/opt/venv", str(venv)).split()
    words = [word for word in words if word != "--no-cache"]
    uv = Path(sys.executable).with_name("uv")
    environment = {**os.environ, "UV_COMPILE_BYTECODE": "0"}
    for command in (["venv", "--python", sys.executable, str(venv)], ["pip", "install", *words]):
        subprocess.run([uv, "--quiet", *command], cwd=build, env=environment, check=True)


def check(image: str, app: Path, python: Path) -> None:
    """Call the entry point with --help, import all of the image's modules, and run the server's self-test."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    clean["PYTHONDONTWRITEBYTECODE"] = "1"
    subprocess.run([python, "-m", f"images.{image}", "--help"], cwd=app, env=clean, check=True, capture_output=True)
    own = [path for path in context.files(image) if path.parts[0] in ("images", "flows", "tasks")]
    modules = [".".join(path.with_suffix("").parts) for path in own if path.suffix == ".py" and path.stem != "__main__"]
    subprocess.run([python, "-c", f"import {', '.join(modules)}"], cwd=app, env=clean, check=True)
    if image == "serve":
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/images/serve"]
        variables = {**os.environ, "SERVE_PYTHON": str(python), "SERVE_APP": str(app)}
        subprocess.run(command, cwd=context.ROOT, env=variables, check=True, stdout=sys.stderr)


def size(folder: Path) -> int:
    """Return the total bytes of the files under a folder; targets of links are not counted again."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


if __name__ == "__main__":
    sys.exit(main())
