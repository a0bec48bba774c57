"""One InferenceService under control: creates revisions, routes traffic to them and writes the status."""

import asyncio
import json
import logging
from pathlib import Path

import aiohttp

from sandbox.kubernetes.apiserver.admission import deployment_mode
from sandbox.kubernetes.apiserver.documents import Object
from sandbox.kubernetes.apiserver.errors import ConflictError, NotFoundError
from sandbox.kubernetes.apiserver.resources import CONFIG_MAPS, INFERENCE_SERVICES
from sandbox.kubernetes.apiserver.store import Store
from sandbox.kubernetes.kserve.gateway import Endpoint
from sandbox.kubernetes.kserve.knative import LATEST_TAG, PREVIOUS_TAG, Target, propagate, resolve, targets
from sandbox.kubernetes.kserve.podspec import PredictorError, Template, read_template
from sandbox.kubernetes.kserve.revisions import Revision
from sandbox.kubernetes.kserve.status import (
    all_of,
    configuration_state,
    invalid_spec,
    knative_conditions,
    model_status,
    route_state,
    standard_conditions,
    write_conditions,
)

# A real controller also needs a moment, during which the status is that of the previous state.
RECONCILE_SECONDS = 0.05
# Knative ends an unrouted revision a minute after its last request, whatever its minimum scale.
IDLE_SECONDS = 3.0
TAG_ROUTING = "serving.kserve.io/enable-tag-routing"
STABLE = ""

log = logging.getLogger(__name__)


class Service:
    """The controller of one InferenceService, from its creation to its deletion."""

    def __init__(self, store: Store, namespace: str, name: str, *, state: Path, http: aiohttp.ClientSession) -> None:
        self.store = store
        self.namespace = namespace
        self.name = name
        self._state = state
        self._http = http
        self._wake = asyncio.Event()
        self._revisions: dict[str, Revision] = {}
        self._endpoints: dict[str, Endpoint] = {}
        self._latest_ready = ""
        self._targets: list[Target] = []
        self._generation = 0
        self._stopping: set[asyncio.Task[None]] = set()
        self._idle_since: dict[str, float] = {}
        self._task = asyncio.create_task(self._run(), name=f"{namespace}/{name}")

    def wake(self) -> None:
        """Ask for a reconciliation soon, because something changed."""
        self._wake.set()

    async def close(self) -> None:
        """Stop all processes and URLs of the service."""
        self._task.cancel()
        await asyncio.wait([self._task])
        stopping = [revision.stop(drain=1.0) for revision in self._revisions.values()]
        closing = [endpoint.close() for endpoint in self._endpoints.values()]
        await asyncio.gather(*stopping, *closing, *self._stopping)

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(RECONCILE_SECONDS)
            self._wake.clear()
            try:
                await self._reconcile()
            except ConflictError:
                self.wake()  # the object changed in the meantime
            except NotFoundError:
                return
            except Exception:
                log.exception("reconciling %s/%s failed; the next change retries", self.namespace, self.name)

    async def _reconcile(self) -> None:
        isvc = self.store.get(INFERENCE_SERVICES, self.namespace, self.name)
        before: Object = isvc.get("status", {})
        try:
            template = read_template(isvc, disallowed=self._disallowed_annotations())
        except PredictorError as error:
            model = invalid_spec(before.get("modelStatus", {}), error.reason, str(error))
            self._write(isvc, {**before, "deploymentMode": deployment_mode(isvc), "modelStatus": model})
            return
        changed = not self._revisions or self._created.template.document != template.document
        if changed:
            self._create(template)
        self._update_latest_ready()
        wanted = self._wanted_targets(isvc, before)
        self._generation += changed or wanted != self._targets
        self._targets = wanted
        traffic = resolve(wanted, self._latest_ready)
        await self._route(traffic)
        self._write(isvc, self._status(isvc, before, traffic))
        self._stop_unneeded(traffic)

    def _disallowed_annotations(self) -> list[str]:
        """Return the annotations that the cluster's KServe configuration keeps off revision templates."""
        config = self.store.get(CONFIG_MAPS, "kserve", "inferenceservice-config")
        section = json.loads((config.get("data") or {}).get("inferenceService", "{}"))
        return list(section.get("serviceAnnotationDisallowedList") or ())

    @property
    def _created(self) -> Revision:
        """The latest created revision."""
        return next(reversed(self._revisions.values()))

    def _create(self, template: Template) -> None:
        name = f"{self.name}-predictor-{len(self._revisions) + 1:05d}"
        revision = Revision(
            name,
            template,
            folder=self._state / "models" / self.namespace / name,
            log=self._state / "logs" / self.namespace / f"{name}.log",
            http=self._http,
            changed=self.wake,
        )
        self._revisions[name] = revision
        revision.start()

    def _update_latest_ready(self) -> None:
        """Advance the latest ready revision; an older one that becomes ready late never replaces it."""
        self._latest_ready = max([self._latest_ready, *(r.name for r in self._revisions.values() if r.was_ready)])

    def _wanted_targets(self, isvc: Object, before: Object) -> list[Target]:
        if deployment_mode(isvc) == "Standard":
            return [Target(100)]
        percent = isvc["spec"]["predictor"].get("canaryTrafficPercent")
        rolled_out = before.get("components", {}).get("predictor", {}).get("latestRolledoutRevision", "")
        tag_latest = self._created.template.document["annotations"].get(TAG_ROUTING) == "true"
        return targets(percent, rolled_out, tag_latest=tag_latest)

    async def _route(self, traffic: list[Object]) -> None:
        """Route each URL to its revisions and add the tag URLs to `traffic`."""
        routes = {STABLE: [(self._revisions[e["revisionName"]], e["percent"]) for e in traffic]}
        routes |= {e["tag"]: [(self._revisions[e["revisionName"]], 100)] for e in traffic if "tag" in e}
        for revision, _ in (share for shares in routes.values() for share in shares):
            revision.start()
        for tag in (STABLE, LATEST_TAG, PREVIOUS_TAG):
            if tag in routes or tag in self._endpoints:
                (await self._endpoint(tag)).route(routes.get(tag, []))
        for entry in traffic:
            if "tag" in entry:
                entry["url"] = self._endpoints[entry["tag"]].url

    async def _endpoint(self, tag: str) -> Endpoint:
        if tag not in self._endpoints:
            endpoint = self._endpoints[tag] = Endpoint(self._http)
            await endpoint.open()
        return self._endpoints[tag]

    def _status(self, isvc: Object, before: Object, traffic: list[Object]) -> Object:
        configuration = configuration_state(self._created)
        route = route_state(traffic, configuration, self._created.name)
        mode = deployment_mode(isvc)
        states = (standard_conditions if mode == "Standard" else knative_conditions)(configuration, route)
        ready = all_of([states["PredictorReady"], states["IngressReady"]]).status == "True"
        url = self._endpoints[STABLE].url
        known_url = {"url": url} if ready or "url" in before else {}
        model = before.get("modelStatus", {})
        component: Object = before.get("components", {}).get("predictor", {})
        if mode == "Knative":
            names = {"latest_created": self._created.name, "latest_ready": self._latest_ready}
            component = propagate(component, traffic=traffic, **names)
        return {
            **before,
            **known_url,
            **({"address": known_url} if known_url else {}),
            "deploymentMode": mode,
            "observedGeneration": self._generation,
            "components": {"predictor": {**component, **known_url}},
            "conditions": write_conditions(states, before.get("conditions", [])),
            "modelStatus": model_status(model, self._created, ready=ready, latest_ready=self._latest_ready),
        }

    def _write(self, isvc: Object, status: Object) -> None:
        if status != isvc.get("status"):
            self.store.replace(INFERENCE_SERVICES, {**isvc, "status": status}, status=True)
            self.wake()  # the new rolled-out revision may change the Route

    def _stop_unneeded(self, traffic: list[Object]) -> None:
        """Stop revisions that have been unrouted for a while, and at once those that were never ready."""
        kept = {self._created.name, *(entry["revisionName"] for entry in traffic)}
        loop = asyncio.get_running_loop()
        for revision in self._revisions.values():
            if revision.name in kept or not revision.running:
                self._idle_since.pop(revision.name, None)
                continue
            if revision.name not in self._idle_since:
                loop.call_later(IDLE_SECONDS, self.wake)
            since = self._idle_since.setdefault(revision.name, loop.time())
            if not revision.was_ready or loop.time() >= since + IDLE_SECONDS:
                task = asyncio.create_task(revision.stop())
                self._stopping.add(task)
                task.add_done_callback(self._stopping.discard)
