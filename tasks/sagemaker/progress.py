"""A job's progress as an artifact that moves while the job runs."""

from uuid import UUID

from prefect import runtime
from prefect.artifacts import create_progress_artifact, update_progress_artifact

KEY = "job-progress"


class Progress:
    """The progress artifact of one job, made when there is something to show.

    Args:
        title: What is under way, in markdown.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._artifact: UUID | None = None
        self._shown: tuple[float, str] = (-1.0, "")

    def show(self, percent: float | None, doing: str) -> None:
        """Show how far the job is (0 to 100, None where it has not said) and what it does; does nothing on no news."""
        news = (percent if percent is not None else max(self._shown[0], 0.0), doing)
        if news == self._shown or not runtime.flow_run.id:
            return
        self._shown = news
        text = f"{self._title}: {doing}"
        if self._artifact is None:
            made = create_progress_artifact(news[0], key=KEY, description=text)
            self._artifact = made if isinstance(made, UUID) else None
        else:
            update_progress_artifact(self._artifact, news[0], description=text)

    def end(self, doing: str) -> None:
        """Say how it ended, at the percentage reached."""
        self.show(None, doing)
