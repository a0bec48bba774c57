"""The credit model as a model of KServe's server."""

import kserve

from credit_model.bundle import Bundle
from credit_model.scoring import Scorer
from images.serve import v1
from images.serve.front import NAME

Payload = dict[str, object]


class CreditModel(kserve.Model):  # type: ignore[misc]
    """KServe's view of a bundle. The front answers HTTP before it; `predict` serves KServe's own extension points."""

    def __init__(self, bundle: Bundle, *, max_rows: int) -> None:
        super().__init__(NAME)
        self.scorer = Scorer(bundle)
        self._bundle = bundle
        self._max_rows = max_rows

    def load(self) -> bool:
        """Score the bundle's golden applicants, so that the first request finds everything warm."""
        if self._bundle.golden:
            rows = [golden.row for golden in self._bundle.golden]
            self.scorer.score_rows(rows[:1])
            self.scorer.score_rows(rows)
        self.ready = True
        return self.ready

    def predict(
        self, payload: Payload, headers: dict[str, str] | None = None, response_headers: dict[str, str] | None = None
    ) -> Payload:
        """Answer a V1 document."""
        rows = v1.read(payload, max_rows=self._max_rows)
        return v1.write(self.scorer.score_rows(rows), self.scorer.version)
