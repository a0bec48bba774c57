"""InferenceServices on KServe in Knative mode: read, create, change, delete, and wait."""

import json
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from kubernetes import client, config
from kubernetes.client import ApiException
from urllib3.exceptions import HTTPError

from tasks.errors import ConflictError, ReleaseError
from tasks.release.inference_service import GROUP, PLURAL, VERSION, differences, served
from tasks.release.retries import patiently
from tasks.release.status import (
    CANARY,
    Check,
    Service,
    is_final,
    is_ready,
    load_failure,
    newest_revision,
    refusal,
    summary,
)
from tasks.settings import settings

Found = TypeVar("Found")
Spec = dict[str, Any]
# Seconds to connect and to wait for an answer. Without them, a server that accepts and never answers hangs a release.
TIMEOUT = (5.0, 20.0)
# The API server is busy or restarting; any other error is final.
BUSY = (429, 500, 502, 503, 504)
# The controller keeps writing the status, which changes the object's version each time.
CHANGE_ATTEMPTS = 20
# KServe repeats what failed once, for example because a webhook was away; what lasts longer is final.
REFUSAL_SECONDS = 10.0
# What the status said before a change is not about the change, unless KServe still says it after so long.
STALE_SECONDS = 30.0


@lru_cache(maxsize=1)
def api() -> client.CustomObjectsApi:
    """Return the client for custom objects of the cluster that `KUBECONFIG` (or the pod) names.

    It honours `HTTPS_PROXY` and `NO_PROXY`; the certificate authority is the kubeconfig's.
    """
    here = client.Configuration()
    try:
        config.load_kube_config(client_configuration=here)
    except config.ConfigException:
        config.load_incluster_config(client_configuration=here)
    here.retries = False  # `patiently` is the only policy; urllib3 would repeat some requests by itself
    return client.CustomObjectsApi(client.ApiClient(here))


def read(name: str) -> Service | None:
    """Return the InferenceService, None if there is none.

    Raises:
        ReleaseError: KServe is not installed, or the role may not read it.
    """
    place = _place()
    try:
        found: Service = _patiently(
            lambda: api().get_namespaced_custom_object(*place, name, _request_timeout=TIMEOUT), "get", name
        )
    except ApiException as error:
        if error.status == 404 and "not found" in str(error.body) and name in str(error.body):
            return None
        raise _refused(error, "get", name) from error
    return found


def existing(name: str) -> Service:
    """Return an InferenceService that must be there and stay.

    Raises:
        ReleaseError: it is gone, or about to go.
    """
    service = read(name)
    if service is None:
        raise ReleaseError(f"inferenceservice {settings().namespace}/{name} is gone; run release again")
    if is_being_deleted(service):
        raise ReleaseError(f"inferenceservice {settings().namespace}/{name} is being deleted; run release again")
    return service


def is_being_deleted(service: Service) -> bool:
    """Return whether the object is only there until KServe has cleaned up behind it."""
    return bool(service["metadata"].get("deletionTimestamp"))


def change(
    name: str,
    patch: Spec,
    *,
    expecting: Callable[[Spec], bool],
    wanted: Sequence[Spec] = (),
    still: Check = lambda _: True,
) -> Service:
    """Merge-patch `spec.predictor` if it is as expected, so that no other writer's change is overwritten.

    If the answer to a patch is lost, the next attempt meets its own change, and knows it.

    Args:
        name: the InferenceService.
        patch: fields to change; None removes a field.
        expecting: check of the current predictor spec.
        wanted: specs that are expected, to show how the current one differs from the nearest of them.
        still: check of the whole object, whose state the patch rests on.

    Raises:
        ConflictError: another writer has changed the spec.
        ReleaseError: the object is gone, the state is another one, or the role may not patch it.
    """
    tried = False
    for attempt in range(CHANGE_ATTEMPTS):
        service = existing(name)
        spec = service["spec"]["predictor"]
        if tried and _holds(spec, patch):
            return service
        require_spec(service, expecting, wanted)
        if not still(service):
            raise ReleaseError(f"inferenceservice {name} has changed its state meanwhile: {summary(service)}")
        tried = True
        try:
            return _patch(name, {"spec": {"predictor": patch}}, service["metadata"]["resourceVersion"])
        except ConflictError:
            time.sleep(0.02 * attempt)
    raise ConflictError(f"inferenceservice {name} changed at each of {CHANGE_ATTEMPTS} attempts to patch it; run again")


def require_spec(service: Service, expecting: Callable[[Spec], bool], wanted: Sequence[Spec] = ()) -> None:
    """Refuse a predictor spec that another writer has changed; `change` describes the arguments.

    Raises:
        ConflictError: it is not as expected.
    """
    spec = service["spec"]["predictor"]
    if not expecting(spec):
        raise ConflictError(_changed_by_others(service["metadata"]["name"], spec, wanted))


def _holds(spec: Spec, patch: Spec) -> bool:
    """Return whether a spec is as a patch leaves it."""
    after = _patched(spec, patch)
    return served(spec) == served(after) and spec.get(CANARY) == after.get(CANARY)


def _patched(value: Any, patch: Any) -> Any:  # noqa: ANN401 - JSON
    """Return what a merge patch (RFC 7386) makes of a value."""
    if not isinstance(patch, dict):
        return patch
    old = value if isinstance(value, dict) else {}
    merged = old | {name: _patched(old.get(name), item) for name, item in patch.items()}
    return {name: item for name, item in merged.items() if patch.get(name, item) is not None}


def replacement(old: Any, new: Any) -> Any:  # noqa: ANN401 - JSON
    """Return a merge patch that makes `new` of `old`: what only `old` has becomes null, at every depth.

    >>> replacement({"nodeSelector": {"a": "1", "b": "2"}, "timeout": 30}, {"nodeSelector": {"a": "1"}})
    {'nodeSelector': {'a': '1', 'b': None}, 'timeout': None}
    """
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    kept = {name: replacement(old.get(name), item) for name, item in new.items()}
    return {name: kept.get(name) for name in [*old, *(name for name in new if name not in old)]}


def _changed_by_others(name: str, spec: Spec, wanted: Sequence[Spec]) -> str:
    nearest = sorted((differences(one, spec) for one in wanted), key=len)
    found = "; ".join(nearest[0] if nearest else [])
    return (
        f"the predictor of inferenceservice {settings().namespace}/{name} was changed by another writer and is left as "
        f"it is ({found or 'same model and sizes'}; {CANARY} {spec.get(CANARY)}). Find out who else edits it. Then "
        "run release again with foreign_change = 'take over' to overwrite that change, or 'give up' to keep it and "
        "forget the release"
    )


def _patch(name: str, body: dict[str, Any], resource_version: str) -> Service:
    """Merge-patch the InferenceService, only if it still has that version."""
    body = {**body, "metadata": {"resourceVersion": resource_version}}
    place = _place()
    patched: Service = _answered(
        lambda: api().patch_namespaced_custom_object(*place, name, body, _request_timeout=TIMEOUT), "patch", name
    )
    return patched


def _place() -> tuple[str, str, str, str]:
    return GROUP, VERSION, settings().namespace, PLURAL


def _answered(call: Callable[[], Any], verb: str, name: str) -> Any:  # noqa: ANN401 - the client is untyped
    """Send a request whose refusal ends the release."""
    try:
        return _patiently(call, verb, name)
    except ApiException as error:
        raise _refused(error, verb, name) from error


def _patiently(call: Callable[[], Found], verb: str, name: str) -> Found:
    """Send a request, again while the API server is busy or unreachable: a blip must not end a release."""
    try:
        return patiently(call, _is_transient)
    except HTTPError as error:
        raise ReleaseError(f"{verb} inferenceservice {name}: the cluster cannot be reached: {error}") from error


def _is_transient(error: BaseException) -> bool:
    return isinstance(error, HTTPError) or (isinstance(error, ApiException) and error.status in BUSY)


def _refused(error: ApiException, verb: str, name: str) -> ReleaseError:
    try:
        message = json.loads(error.body)["message"]
    except (TypeError, ValueError, KeyError):
        message = str(error.reason)
    hints = {
        401: "the cluster does not know this role: add an access entry",
        403: f"grant the flow's role the verb {verb} on {PLURAL}.{GROUP}",
        404: "install KServe, or check the namespace",
        409: "another release changed it in the meantime: run release again",
    }
    hint = hints.get(int(error.status or 0), "see the message")
    kind = ConflictError if error.status == 409 else ReleaseError
    return kind(f"{verb} inferenceservice {settings().namespace}/{name}: {error.status} {message}; {hint}")


def wait(
    name: str,
    reached: Check,
    what: str,
    *,
    failing: Callable[[Service], str] = lambda _: "",
    seconds: float | None = None,
) -> Service:
    """Poll until `reached` returns True.

    Args:
        name: the InferenceService.
        reached: check of the object.
        what: description of the awaited state, for the error.
        failing: why the state cannot be reached any more, empty if it can.
        seconds: longest wait if not `CREDIT_READY_TIMEOUT_SECONDS`.

    Raises:
        ReleaseError: the state cannot be reached, or the time is up.
    """
    seconds = settings().ready_timeout_seconds if seconds is None else seconds
    deadline = time.monotonic() + seconds
    while True:
        service = existing(name)
        if reached(service):
            return service
        if failed := failing(service):
            raise ReleaseError(f"{name}: {failed}")
        if time.monotonic() > deadline:
            raise ReleaseError(f"{name}: {what} not reached within {seconds:.0f} s; {summary(service)}")
        time.sleep(min(settings().poll_seconds, 2.0))


class Standing:
    """Tells whether something has held for a number of seconds without a break."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since: float | None = None

    def __call__(self, holds: bool) -> bool:
        """Return whether it holds now and has held for long enough."""
        if not holds:
            self._since = None
            return False
        self._since = time.monotonic() if self._since is None else self._since
        return time.monotonic() - self._since >= self._seconds


class Failing:
    """Judges the revision under release alone; use one object for each wait.

    Args:
        known: revisions that are not under release.
        complaint: what the status said before the spec was changed; it may say so for a while.
    """

    def __init__(self, known: set[str | None], complaint: str = "") -> None:
        self._known = known
        self._complaint = complaint
        self._found, self._since = "", 0.0

    def __call__(self, service: Service) -> str:
        """Return why the revision cannot become ready, empty if it can."""
        if refused := self.refused(service):
            return f"the cluster does not take the new spec: {refused}"
        created = newest_revision(service)
        failed = load_failure(service) if created not in self._known else ""
        return f"revision {created} does not load {failed}" if failed else ""

    def refused(self, service: Service, *, finally_: bool = False) -> str:
        """Return why the cluster does not take the spec, empty if it does, or if that may pass.

        Args:
            service: the object.
            finally_: whether only what stands until the spec changes counts.
        """
        found = refusal(service)
        if found != self._found:
            self._found, self._since = found, time.monotonic()
        stands = time.monotonic() - self._since
        if not found or (finally_ and not is_final(found)):
            return ""
        needed = STALE_SECONDS if found == self._complaint else 0.0 if is_final(found) else REFUSAL_SECONDS
        return found if stands >= needed else ""


def standing(name: str, seconds: float) -> Service | None:
    """Return the InferenceService once it is ready, or as it is after `seconds`; None if there is none.

    One that is being deleted is waited for to be gone, for `CREDIT_READY_TIMEOUT_SECONDS` more.

    Raises:
        ReleaseError: its deletion does not end.
    """
    deadline = time.monotonic() + seconds
    service = read(name)
    while service is not None and (is_being_deleted(service) or not is_ready(service)):
        longest = deadline if not is_being_deleted(service) else deadline + settings().ready_timeout_seconds
        if time.monotonic() >= longest:
            break
        time.sleep(min(settings().poll_seconds, 1.0))
        service = read(name)
    if service is not None and is_being_deleted(service):
        raise ReleaseError(
            f"inferenceservice {settings().namespace}/{name} is still being deleted (finalizers "
            f"{service['metadata'].get('finalizers')}); see whether KServe's controller runs"
        )
    return service


def create(body: Service) -> None:
    """Create an InferenceService; one that serves the same already is taken for the answer that was lost.

    Raises:
        ConflictError: there is another one of that name.
    """
    name, place = body["metadata"]["name"], _place()
    try:
        _answered(lambda: api().create_namespaced_custom_object(*place, body, _request_timeout=TIMEOUT), "create", name)
    except ConflictError:
        found = read(name)
        if found is None or served(found["spec"]["predictor"]) != served(body["spec"]["predictor"]):
            raise


def delete(name: str) -> None:
    """Delete an InferenceService if it exists, and wait until it is gone.

    Raises:
        ReleaseError: its deletion does not end.
    """
    place = _place()
    try:
        _patiently(
            lambda: api().delete_namespaced_custom_object(*place, name, _request_timeout=TIMEOUT), "delete", name
        )
    except ApiException as error:
        if error.status != 404:
            raise _refused(error, "delete", name) from error
    service = read(name)
    if service is not None and is_being_deleted(service):
        standing(name, 0.0)


def require_knative(service: Service, name: str) -> None:
    """Refuse a service whose traffic cannot be split.

    Raises:
        ReleaseError: it runs in another deployment mode.
    """
    mode = service.get("status", {}).get("deploymentMode", "Knative")
    if mode not in ("Knative", "Serverless"):
        raise ReleaseError(
            f"{name} runs in deployment mode {mode}, where canaryTrafficPercent is silently ignored; "
            "recreate it with annotation serving.kserve.io/deploymentMode: Knative"
        )
