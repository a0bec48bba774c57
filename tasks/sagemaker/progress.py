"""A job's progress as a Prefect artifact."""

from uuid import UUID

from prefect import runtime
from prefect.artifacts import create_progress_artifact, update_progress_artifact

KEY = "job-progress"


class Progress:
    """The progress artifact of one job, created with the first news.

    Args:
        title: Title in markdown.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._artifact: UUID | None = None
        self._shown: tuple[float, str] = (-1.0, "")

    def show(self, percent: float | None, doing: str) -> None:
        """Show percent done (0 to 100, None if unknown) and the current activity; do nothing if neither has changed."""
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
        """Show how the job ended, at the percentage reached."""
        self.show(None, doing)
