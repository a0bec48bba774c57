"""A real API server for the contract tests, if REAL_KUBECONFIG names one; `.ci/run` starts one."""

import contextlib
import json
import lzma
import os
import time
from pathlib import Path

from kubernetes import client, config

from sandbox.kubernetes.apiserver.resources import definition

REAL = os.environ.get("REAL_KUBECONFIG")
_SHARED = Path(__file__).parents[4] / "shared" / "kube" / "inferenceservice-crd.json.xz"
CRD_FILE = Path(os.environ.get("CRD_FILE", _SHARED))


def connect(context: str | None = None) -> client.ApiClient:
    """Return a client for a context of the kubeconfig."""
    return config.new_client_from_config(REAL, context=context)


def has_context(name: str) -> bool:
    """Return whether there is a kubeconfig with that context."""
    return bool(REAL) and name in {found["name"] for found in config.list_kube_config_contexts(REAL)[0]}


def install(api: client.ApiClient, *namespaces: str) -> None:
    """Create KServe's definition and the namespaces unless an earlier run left them."""
    _install(api, definition(), namespaces)


def kserves_own() -> dict:
    """Return KServe's own definition of InferenceServices, ready to create."""
    found = json.loads(lzma.decompress(CRD_FILE.read_bytes()))
    kept = ("name", "annotations", "labels")
    return {**found, "metadata": {key: value for key, value in found["metadata"].items() if key in kept}}


def install_kserves_own(api: client.ApiClient, *namespaces: str) -> None:
    """Install KServe's own definition, in place of any other."""
    _install(api, kserves_own(), namespaces)


def _define(extensions: client.ApiextensionsV1Api, thing: dict) -> None:
    name = thing["metadata"]["name"]
    try:
        extensions.create_custom_resource_definition(thing)
    except client.ApiException as error:
        if error.status != 409:
            raise
        current = extensions.read_custom_resource_definition(name)
        metadata = {**thing["metadata"], "resourceVersion": current.metadata.resource_version}
        extensions.replace_custom_resource_definition(name, {**thing, "metadata": metadata})


def _install(api: client.ApiClient, thing: dict, namespaces: tuple[str, ...]) -> None:
    extensions = client.ApiextensionsV1Api(api)
    for _ in range(20):  # another test process may be installing it at the same time
        with contextlib.suppress(client.ApiException):
            _define(extensions, thing)
            break
        time.sleep(0.1)
    custom = client.CustomObjectsApi(api)
    for _ in range(50):  # the API server takes a moment to serve the definition
        try:
            custom.list_cluster_custom_object("serving.kserve.io", "v1beta1", "inferenceservices")
            break
        except client.ApiException:
            time.sleep(0.1)
    for name in namespaces:
        with contextlib.suppress(client.ApiException):
            client.CoreV1Api(api).create_namespace({"metadata": {"name": name}})
