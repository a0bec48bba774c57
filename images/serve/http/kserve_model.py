"""The credit model as a model of KServe's server."""

import kserve

from credit_model.bundle.bundle import Bundle
from credit_model.scoring.scorer import Scorer
from images.serve.settings import NAME

# Repeats the twenty golden applicants often enough to warm the path for many rows too.
_ROUNDS = 5


class CreditModel(kserve.Model):  # type: ignore[misc]
    """A bundle as KServe sees it: name and readiness. `Front` answers prediction requests."""

    def __init__(self, bundle: Bundle) -> None:
        super().__init__(NAME)
        self.scorer = Scorer(bundle)
        self._golden = [golden.row for golden in bundle.golden]

    @property
    def example(self) -> dict[str, object]:
        """Return an applicant of the bundle, empty if it has none."""
        return dict(self._golden[0]) if self._golden else {}

    def load(self) -> bool:
        """Score the bundle's golden applicants, so that the first request finds everything warm; return readiness."""
        if self._golden:
            self.scorer.score_rows(self._golden[:1])
            self.scorer.score_rows(self._golden)
            self.scorer.score_rows(self._golden * _ROUNDS)
        self.ready = True
        return self.ready
