"""What a step is: one request, with what it needs from earlier answers."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

ISVC = "/apis/serving.kserve.io/v1beta1"
# A namespace of its own for each run: without controllers, the real server never ends the deletion of one.
SPACE = f"contract-{os.getpid()}"
LIST = f"{ISVC}/namespaces/{SPACE}/inferenceservices"
MAPS = f"/api/v1/namespaces/{SPACE}/configmaps"
EVENTS = f"/api/v1/namespaces/{SPACE}/events"
NEWER_EVENTS = EVENTS.replace("/api/v1", "/apis/events.k8s.io/v1")
MERGE, JSON = "application/merge-patch+json", "application/json-patch+json"
STRATEGIC, APPLY = "application/strategic-merge-patch+json", "application/apply-patch+yaml"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"

Memory = dict[str, Any]
Part = Any


@dataclass(frozen=True)
class Step:
    """One request.

    Attributes:
        body: JSON, text, or a function of what earlier steps saved.
        save: Under which name the answer is kept.
        watch: Whether the answer is a stream of events.
        path: The path with its query, or a function of what earlier steps saved.
    """

    name: str
    method: str
    path: str | Callable[[Memory], str]
    body: Part = None
    media: str = "application/json"
    accept: str = "application/json"
    save: str = ""
    watch: bool = False
    headers: dict[str, str] = field(default_factory=dict)


def container(**more: Any) -> dict[str, Any]:
    return {"name": "kserve-container", "image": "x/credit-serve:1", **more}


def isvc(
    called: str, /, *containers: dict[str, Any], metadata: dict[str, Any] | None = None, **predictor: Any
) -> Memory:
    """Return an InferenceService."""
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": called, **(metadata or {})},
        "spec": {"predictor": {"containers": list(containers) or [container()], **predictor}},
    }


def config_map(name: str, **more: Any) -> Memory:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, **more}


def version(saved: str) -> Callable[[Memory], str]:
    """Return a function that gives the resourceVersion of a saved answer."""
    return lambda memory: str(memory[saved]["metadata"]["resourceVersion"])
