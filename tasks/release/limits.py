"""Limits of a release; each can be set per run."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from tasks.settings import settings

# Longest time for smoke test and shadow together.
TESTS_SECONDS = 1800.0


class ReleaseLimits(BaseModel):
    """How long a release watches a challenger, and what it tolerates."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    dwell_seconds: float | None = Field(
        default=None,
        ge=0,
        title="Seconds to watch each step",
        description="Empty: CREDIT_RELEASE_DWELL_SECONDS.",
    )
    ready_seconds: float | None = Field(
        default=None,
        gt=0,
        title="Longest wait for a new revision, in seconds",
        description="Empty: CREDIT_READY_TIMEOUT_SECONDS.",
    )
    smoke_rounds: int = Field(
        default=5,
        ge=1,
        le=1000,
        title="Smoke test: rounds",
        description="How often each golden applicant is sent alone.",
    )
    smoke_p99_ms: float = Field(
        default=500.0,
        gt=0,
        title="Smoke test: slowest answer, in ms",
        description="Largest p99 of the single requests, measured by the flow.",
    )
    shadow_applicants: int = Field(
        default=200,
        ge=0,
        le=100_000,
        title="Shadow: recent applicants",
        description="Sent to champion and challenger before the first traffic; 0: only the golden applicants.",
    )
    max_error_rate: float = Field(
        default=0.01,
        ge=0,
        lt=1,
        title="Largest share of 5xx answers",
        description="In addition to the champion's share at the same time.",
    )
    max_hiccups: float = Field(
        default=0.01,
        ge=0,
        lt=1,
        title="Largest share of passing errors",
        description="Gateway errors and lost answers of smoke and shadow requests, which are sent again; one is free.",
    )
    max_slowdown: float = Field(
        default=3.0,
        gt=1,
        title="Largest slowdown against the champion",
        description="Largest ratio of the latencies: medians in the shadow step, p99 under traffic.",
    )
    tolerated_ms: float = Field(
        default=10.0, ge=0, title="Always fast enough, in ms", description="An answer this fast never counts as slow."
    )
    min_requests: int = Field(
        default=100,
        ge=1,
        title="Requests needed for a verdict",
        description="With fewer, latency is not judged, and errors are judged as if there were this many.",
    )

    def longest_seconds(self, steps: Sequence[int]) -> float:
        """Return how long a release with these steps may take, in seconds.

        Each step is a wait for a revision and a watch. The start, the end and the tests come on top of them.
        """
        here = settings()
        ready = here.ready_timeout_seconds if self.ready_seconds is None else self.ready_seconds
        dwell = here.release_dwell_seconds if self.dwell_seconds is None else self.dwell_seconds
        return (len(steps) + 2) * ready + len(steps) * dwell + TESTS_SECONDS
