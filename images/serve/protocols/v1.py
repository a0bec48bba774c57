"""KServe's V1 protocol: `{"instances": [{column: value}, …]}` in, `{"predictions": [{pd, …}, …]}` out."""

from collections.abc import Mapping
from typing import NamedTuple

from credit_model.contract.contract import ID
from images.serve.engine import Response
from images.serve.errors import RequestError, TooLargeError

Row = Mapping[str, object]


class Request(NamedTuple):
    """A validated V1 request.

    Attributes:
        rows: applicants; a bare id becomes an object with only the id.
        explain: whether the answer includes reasons.
    """

    rows: list[Row]
    explain: bool


def read(document: object, *, max_rows: int) -> Request:
    """Return the applicants of a request.

    Raises:
        RequestError: the document is not a V1 request, or not of this model.
        TooLargeError: there are more than `max_rows` applicants.
    """
    if not isinstance(document, dict):
        raise RequestError('the body must be a JSON object such as {"instances": [{"age": 41, …}]}')
    if unknown := sorted(document.keys() - {"instances", "parameters"}):
        raise RequestError(f"the body has an unknown field {unknown[0]!r}; it takes instances and parameters")
    explain = "parameters" in document and read_explain(document["parameters"])
    instances = document.get("instances")
    if not isinstance(instances, list):
        found = "is missing" if "instances" not in document else "is not a list"
        raise RequestError(f"instances {found}; send a list of applicants, each an object of columns")
    check_count(len(instances), max_rows=max_rows)
    if not {dict}.issuperset(map(type, instances)):
        instances = [_row(instance, index) for index, instance in enumerate(instances)]
    return Request(instances, explain)


def write(response: Response, version: str) -> dict[str, object]:
    """Return the answer with one prediction per applicant, in the request's order."""
    found = response.verdicts
    scored = [index for index in range(len(response.ids)) if index not in response.faults]
    ids = response.ids if not response.faults else [response.ids[index] for index in scored]
    columns = zip(ids, found.pds, found.scores, found.grades, found.decisions, strict=True)
    predictions: list[dict[str, object]] = [
        {"id": name, "pd": pd, "score": score, "grade": grade, "decision": decision}
        for name, pd, score, grade, decision in columns
    ]
    if response.reasons is not None:
        for prediction, reasons in zip(predictions, response.reasons, strict=True):
            prediction["reasons"] = [{"code": reason.code, "text": reason.text} for reason in reasons]
    if response.faults:
        whole = dict(zip(scored, predictions, strict=True))
        refused: dict[int, dict[str, object]] = {
            index: {"id": response.ids[index], "error": text} for index, text in response.faults.items()
        }
        predictions = [whole.get(index) or refused[index] for index in range(len(response.ids))]
    return {"predictions": predictions, "model_version": version}


def check_count(count: int, *, max_rows: int) -> None:
    """Refuse an empty request and one with too many applicants.

    Raises:
        RequestError: there are no applicants.
        TooLargeError: there are more than `max_rows`.
    """
    if count == 0:
        raise RequestError("the request holds no applicant; send at least one")
    if count > max_rows:
        raise TooLargeError(f"the request holds {count} applicants; send at most {max_rows} at a time")


def read_explain(parameters: object) -> bool:
    """Return whether reasons are asked for.

    Raises:
        RequestError: there are other parameters, or `explain` is not a boolean.
    """
    if not isinstance(parameters, dict):
        raise RequestError("parameters is not an object")
    if unknown := sorted(parameters.keys() - {"explain"}):
        raise RequestError(f"parameters: {unknown[0]!r} is unknown; this model takes explain")
    explain = parameters.get("explain", False)
    if not isinstance(explain, bool):
        raise RequestError("parameters: explain must be true or false")
    return explain


def _row(instance: object, index: int) -> Row:
    if isinstance(instance, dict):
        return instance
    if isinstance(instance, str):
        return {ID: instance}
    raise RequestError(f"instances[{index}] is not an object; send columns by name, or an id as text", index=index)
