"""Scores the applicants of one request of any protocol: look-up, prediction, metrics, prediction log."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

from credit_model.contract.contract import ID
from credit_model.data.identifiers import IdentifierError, identifier
from credit_model.errors import InputError
from credit_model.explain.reasons import Reason
from credit_model.scoring.scorer import Answers, Scorer, Verdicts
from images.serve.errors import ApplicantError, RequestError
from images.serve.metrics import Metrics
from images.serve.online.lookup import Lookup, LookupFault
from images.serve.prediction_log import PredictionLog

Row = Mapping[str, object]
# Above this many rows, scoring would keep other requests waiting, so a thread does it.
INLINE_ROWS = 128
# Reasons take ten times as long as PDs.
INLINE_EXPLAINED = 8


class Response(NamedTuple):
    """The answer to a request, applicant by applicant in its order.

    Attributes:
        ids: application ids, if known.
        verdicts: PDs and what follows from them, for the applicants without a fault.
        reasons: adverse reasons of the same applicants, if the request asked for them.
        faults: why a looked-up applicant could not be scored, by position.
    """

    ids: list[str | None]
    verdicts: Verdicts
    reasons: list[tuple[Reason, ...]] | None = None
    faults: Mapping[int, str] = MappingProxyType({})


class Engine:
    """The model with look-ups, metrics and the prediction log."""

    def __init__(
        self,
        scorer: Scorer,
        metrics: Metrics,
        *,
        lookup: Lookup | None = None,
        predictions: PredictionLog | None = None,
    ) -> None:
        self.scorer = scorer
        self.metrics = metrics
        self._lookup = lookup
        self._predictions = predictions
        self._can_explain = scorer.can_explain

    async def score(self, rows: Sequence[Row], *, explain: bool = False) -> Response:
        """Score applicants given as objects of columns; an object with only an id is looked up.

        Raises:
            InputError: an applicant breaks the contract.
            RequestError: the server has no online table, or the model no reasons.
        """
        if len(rows) == 1 and len(rows[0]) > 1 and not explain:
            return self._one(rows[0])
        asked = [index for index, row in enumerate(rows) if len(row) == 1 and self._is_id(row)]
        if asked:
            return await self._with_lookup(rows, asked, explain=explain)
        found = await self._run(partial(self.scorer.answer_rows, rows), len(rows), explain=explain)
        return Response(found.ids, found.verdicts, found.reasons)

    async def score_columns(
        self, columns: Mapping[str, Sequence[object]], count: int, *, explain: bool = False
    ) -> Response:
        """Score applicants given column by column, each `count` long.

        Raises:
            InputError: an applicant breaks the contract.
            RequestError: the server has no online table, or the model no reasons.
        """
        if count == 1:
            return await self.score([{name: values[0] for name, values in columns.items()}], explain=explain)
        if len(columns) == 1 and self._is_id(columns):
            ids = next(iter(columns.values()))
            return await self.score([{ID: value} for value in ids], explain=explain)
        found = await self._run(partial(self.scorer.answer_columns, columns, count), count, explain=explain)
        return Response(found.ids, found.verdicts, found.reasons)

    def score_now(self, rows: Sequence[Row]) -> Response:
        """Score without counting or logging, for examples and for warming up."""
        found = self.scorer.answer_rows(rows)
        return Response(found.ids, found.verdicts)

    async def close(self) -> None:
        """Flush the prediction log and close connections."""
        if self._predictions is not None:
            await self._predictions.close()
        if self._lookup is not None:
            await self._lookup.close()

    def _is_id(self, row: Mapping[str, object]) -> bool:
        return next(iter(row)).strip().lower() in self.scorer.reader.id_headers

    async def _run(self, answer: Callable[..., Answers], count: int, *, explain: bool) -> Answers:
        if explain and not self._can_explain:
            raise RequestError("parameters: explain: this model was trained without reasons; leave explain out")
        if count <= (INLINE_EXPLAINED if explain else INLINE_ROWS):
            found = answer(explain=explain)
        else:
            found = await asyncio.to_thread(answer, explain=explain)
        self._record(found.features, found.ids, found.verdicts.pds)
        return found

    def _one(self, row: Row) -> Response:
        """Answer the usual request, one applicant with its columns, by the shortest way."""
        name, verdicts, features = self.scorer.answer_row(row)
        self._record(features, [name], verdicts.pds)
        return Response([name], verdicts)

    def _record(self, rows: bytes, ids: list[str | None], pds: list[float]) -> None:
        """Count and log predictions; `rows` are the float64 bytes of the encoded features."""
        self.metrics.add_rows(rows, pds)
        if self._predictions is not None:
            size = len(rows) // len(pds) if pds else 0
            for position, (name, pd) in enumerate(zip(ids, pds, strict=True)):
                features = rows[position * size : (position + 1) * size]
                self._predictions.add(application_id=name, features=features, pd=pd)

    async def _with_lookup(self, rows: Sequence[Row], asked: list[int], *, explain: bool) -> Response:
        """Score applicants, some of them by id; a fault in one's looked-up values fails nobody else."""
        if self._lookup is None:
            reason = "an id alone needs the online feature table, and this server has none; send the columns"
            raise ApplicantError(InputError(index=asked[0], column=None, value=None, reason=reason))
        names = {index: self._id(rows[index], index) for index in asked}
        unique = list(dict.fromkeys(names.values()))
        found = dict(zip(unique, await self._lookup.rows(unique), strict=True))
        complete: dict[int, Row] = dict(enumerate(rows))
        faults: dict[int, str] = {}
        for index, name in names.items():
            features = found[name]
            if isinstance(features, LookupFault):
                faults[index] = features.reason
                del complete[index]
            else:
                complete[index] = {**features, ID: name}
        scored = await self._tolerant(complete, set(asked), faults, explain=explain)
        ids: list[str | None] = [names.get(index) for index in range(len(rows))]
        for index, known in zip(complete, scored.ids, strict=True):
            ids[index] = known
        return Response(ids, scored.verdicts, scored.reasons, faults)

    async def _tolerant(
        self, rows: dict[int, Row], asked: set[int], faults: dict[int, str], *, explain: bool
    ) -> Answers:
        """Score; move each looked-up applicant that breaks the contract from `rows` to `faults`."""
        while True:
            places, values = list(rows), list(rows.values())
            try:
                return await self._run(partial(self.scorer.answer_rows, values), len(values), explain=explain)
            except InputError as error:
                index = places[error.index]
                if index not in asked:
                    raise error.moved(index - error.index) from None
                faults[index] = f"the online table's values break the contract: {error}"
                del rows[index]

    def _id(self, row: Row, index: int) -> str:
        value = next(iter(row.values()))
        try:
            name, reason = identifier(value), "is no application id; send text or a whole number"
        except IdentifierError as error:
            name, reason = None, str(error)
        if name is None:
            raise ApplicantError(InputError(index=index, column=ID, value=value, reason=reason))
        return name
