"""How a container starts: as the process of its image's entry point, or from the built image by podman or Docker.

`SANDBOX_CONTAINERS=podman` (or `docker`) chooses the built images, `localhost/credit-train:latest` and its siblings.
`make images` builds them. They share the machine's network, because the sandbox listens on loopback only.
"""

import os
import subprocess
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sandbox import images

ENGINE = "SANDBOX_CONTAINERS"
OWNER = "SANDBOX_OWNER"
_LABEL = "credit.sandbox"
# What every image gets here and not on AWS: the sandbox's endpoints, and no proxy on the way to them.
_HERE = ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_EC2_METADATA_DISABLED", "NO_PROXY", "no_proxy")
_ENGINES = ("podman", "docker")
_RUN = ("run", "--rm", "--network", "host", "--pull", "never", "--no-healthcheck", "--log-driver", "none")


class ContainerSetupError(RuntimeError):
    """The built images cannot be used; the message says what is missing."""


@dataclass(frozen=True)
class Mount:
    """A folder or file that a service mounts into a container.

    Attributes:
        target: Absolute path in the container.
        source: Path on this machine.
        read_only: Whether the container may only read it.
        variable: Variable with which a process that sees no mounts learns the path.
    """

    target: str
    source: Path
    read_only: bool = False
    variable: str = ""


@dataclass(frozen=True)
class Limits:
    """What a container may use; unset means no limit.

    Attributes:
        cpus: Cores.
        memory: Bytes.
        scratch: Sizes in bytes of empty folders by path.
        read_only_root: Whether the image's own files cannot be changed.
        confined: Whether it has no capabilities and can gain none.
    """

    cpus: float | None = None
    memory: int | None = None
    scratch: Mapping[str, int] = field(default_factory=dict)
    read_only_root: bool = False
    confined: bool = False


@dataclass(frozen=True)
class Command:
    """A command line that runs a container until it ends.

    Attributes:
        words: Program and arguments.
        environment: All variables of the program.
        name: The container's name; empty for a process.
    """

    words: list[str]
    environment: dict[str, str]
    name: str = ""

    def remove(self) -> None:
        """End the container, whatever state it is in; a process has its own ways."""
        if self.name:
            _ask("rm", "--force", "--volumes", self.name)


def command(
    image: str,
    arguments: list[str],
    *,
    environment: Mapping[str, str],
    inherited: Mapping[str, str],
    mounts: tuple[Mount, ...] = (),
    limits: Limits | None = None,
) -> Command:
    """Return how to start an image's container.

    Args:
        image: URI.
        arguments: Of the image's entry point.
        environment: Variables that the service sets.
        inherited: Variables of this machine that a process needs; a container gets none of them but the endpoints.
        mounts: Folders that the service mounts.
        limits: What a container may use; a process has no limits.

    Raises:
        sandbox.images.UnknownImageError: No process and no image stands for the URI.
    """
    words = images.command(image)
    if os.environ.get(ENGINE) and images.is_ours(image):
        return _run(image, arguments, {**_endpoints(inherited), **environment}, mounts, limits or Limits())
    seen = {mount.target: str(mount.source) for mount in mounts}
    own = {name: _moved(value, seen) for name, value in environment.items()}
    places = {mount.variable: str(mount.source) for mount in mounts if mount.variable}
    moved = [_moved(argument, seen) for argument in arguments]
    return Command([*words, *moved], {**inherited, **places, **own})


def check() -> None:
    """Check that the engine runs containers, and that all images are there.

    Raises:
        ContainerSetupError: One is missing.
    """
    engine = os.environ.get(ENGINE, "")
    if engine not in _ENGINES:
        raise ContainerSetupError(f"{ENGINE} is {engine!r}: choose one of {', '.join(_ENGINES)}")
    for name in images.MODULES:
        try:
            found = _ask("image", "inspect", images.built(name))
        except FileNotFoundError as error:
            raise ContainerSetupError(f"{engine} is not installed: install it, or run without CONTAINERS") from error
        if found.returncode:
            raise ContainerSetupError(f"there is no image {images.built(name)}: run `make images` first")
    tried = _ask(*_RUN, "--entrypoint", "true", images.built(next(iter(images.MODULES))))
    if tried.returncode:
        raise ContainerSetupError(f"{engine} cannot run a container here: {tried.stderr.strip()[-500:]}")


def remove_all() -> None:
    """Remove the containers that this sandbox has left, if it runs any."""
    if os.environ.get(ENGINE):
        left = _ask("ps", "--all", "--quiet", "--filter", f"label={_LABEL}={_owner()}").stdout.split()
        if left:
            _ask("rm", "--force", "--volumes", *left)


def _run(
    image: str, arguments: list[str], environment: Mapping[str, str], mounts: tuple[Mount, ...], limits: Limits
) -> Command:
    name = f"credit-{uuid.uuid4().hex[:12]}"
    words = [os.environ[ENGINE], *_RUN, "--name", name, "--label", f"{_LABEL}={_owner()}"]
    for mount in mounts:
        words += ["--volume", f"{mount.source}:{mount.target}{':ro' * mount.read_only}"]
    for variable in environment:
        words += ["--env", variable]  # the value comes from the client's own environment, not from its command line
    words += [*_flags(limits), images.built(images.repository(image)), *arguments]
    return Command(words, {**_client_environment(), **environment}, name)


def _flags(limits: Limits) -> list[str]:
    flags = [] if limits.cpus is None else ["--cpus", f"{limits.cpus:g}"]
    flags += [] if limits.memory is None else ["--memory", f"{limits.memory}b"]
    for path, size in limits.scratch.items():
        flags += ["--tmpfs", f"{path}:rw,mode=1777,size={size}"]
    flags += ["--read-only"] * limits.read_only_root
    return flags + ["--cap-drop", "ALL", "--security-opt", "no-new-privileges"] * limits.confined


def _endpoints(inherited: Mapping[str, str]) -> dict[str, str]:
    return {name: inherited[name] for name in _HERE if name in inherited}


def _client_environment() -> dict[str, str]:
    kept = ("PATH", "HOME", "XDG_RUNTIME_DIR", "CONTAINERS_CONF", "DOCKER_HOST", "DOCKER_CONFIG", "TMPDIR")
    return {name: value for name, value in os.environ.items() if name in kept}


def _moved(text: str, seen: Mapping[str, str]) -> str:
    for target, source in seen.items():
        text = text.replace(target, source)
    return text


def _owner() -> str:
    return os.environ.get(OWNER, "unnamed")


def _ask(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([os.environ[ENGINE], *words], capture_output=True, text=True, check=False, timeout=60)
