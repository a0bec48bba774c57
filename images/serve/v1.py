"""KServe's V1 protocol: `{"instances": [{column: value}, …]}` in, `{"predictions": [{pd, …}, …]}` out."""

from collections.abc import Mapping, Sequence

from credit_model.scoring import Score
from images.serve.faults import RequestError, TooLargeError

Row = Mapping[str, object]


def read(document: object, *, max_rows: int) -> list[Row]:
    """Return the applicants of a request.

    Raises:
        RequestError: the document is not a V1 request, or not of this model.
        TooLargeError: there are more than `max_rows` applicants.
    """
    if not isinstance(document, dict):
        raise RequestError('the body must be a JSON object such as {"instances": [{"age": 41, …}]}')
    if unknown := sorted(document.keys() - {"instances", "parameters"}):
        raise RequestError(f"the body has an unknown field {unknown[0]!r}; it takes instances and parameters")
    _check_parameters(document.get("parameters", {}))
    instances = document.get("instances")
    if not isinstance(instances, list):
        found = "is missing" if "instances" not in document else "is not a list"
        raise RequestError(f"instances {found}; send a list of applicants, each an object of columns")
    check_count(len(instances), max_rows=max_rows)
    for index, instance in enumerate(instances):
        if not isinstance(instance, dict):
            raise RequestError(f"instances[{index}] is not an object; send columns by name", index=index)
    return instances


def write(scores: Sequence[Score], version: str) -> dict[str, object]:
    """Return the answer, one prediction an applicant in the request's order."""
    predictions = [
        {"id": s.application_id, "pd": s.pd, "score": s.score, "grade": s.grade, "decision": s.decision} for s in scores
    ]
    return {"predictions": predictions, "model_version": version}


def check_count(count: int, *, max_rows: int) -> None:
    """Refuse an empty request and one with too many applicants.

    Raises:
        RequestError: there is none.
        TooLargeError: there are more than `max_rows`.
    """
    if count == 0:
        raise RequestError("the request holds no applicant; send at least one")
    if count > max_rows:
        raise TooLargeError(f"the request holds {count} applicants; send at most {max_rows} at a time")


def _check_parameters(parameters: object) -> None:
    if not isinstance(parameters, dict):
        raise RequestError("parameters is not an object")
    if parameters:
        raise RequestError(f"parameters: {min(parameters)!r} is unknown; this model takes none")
