"""What the loops see of the pods of a revision, and what they ask for."""

from typing import NamedTuple, Protocol

from sandbox.kubernetes.apiserver.documents import Object


class PodState(NamedTuple):
    """The pods of one revision, as one.

    Attributes:
        phase: `Pending`, `Loading` (the storage initializer runs), `Running` (not ready yet), `Ready` or `Failed`.
        message: The end of the output of the container that failed, or why the pod waits.
        exit_code: Exit code of the last end of a container; None if none has ended.
        reason: Why a pod waits, such as `ImagePullBackOff` or `Unschedulable`.
        initializing: Whether `exit_code` is the storage initializer's.
        copies: Number of pods, at least one of which is in this phase; all of them if it is `Ready`.
    """

    phase: str
    message: str = ""
    exit_code: int | None = None
    reason: str = ""
    initializing: bool = False
    copies: int = 1

    @property
    def image_missing(self) -> bool:
        """Whether the image cannot be pulled."""
        return self.phase == "Failed" and self.exit_code is None and self.reason in ("", *PULL_REASONS)


PULL_REASONS = ("ErrImagePull", "ImagePullBackOff")


class Pods(Protocol):
    """Runs the pods of revisions. Every method returns at once."""

    def start(self, revision: Object) -> None:
        """Run a revision's pods unless they run."""

    def stop(self, name: str) -> None:
        """End a revision's pods; new ones need a `start`."""

    def state(self, name: str) -> PodState | None:
        """Return the state of a revision's pods; None if it has none."""
