"""A real API server for the contract tests, if REAL_KUBECONFIG names one; `.ci/run` starts one."""

import contextlib
import os
import time

from kubernetes import client, config

from sandbox.kubernetes.apiserver.resources import definition

REAL = os.environ.get("REAL_KUBECONFIG")


def connect(context: str | None = None) -> client.ApiClient:
    """Return a client for a context of the kubeconfig."""
    return config.new_client_from_config(REAL, context=context)


def has_context(name: str) -> bool:
    """Return whether there is a kubeconfig with that context."""
    return bool(REAL) and name in {found["name"] for found in config.list_kube_config_contexts(REAL)[0]}


def install(api: client.ApiClient, *namespaces: str) -> None:
    """Create KServe's definition and the namespaces unless an earlier run left them."""
    with contextlib.suppress(client.ApiException):
        client.ApiextensionsV1Api(api).create_custom_resource_definition(definition())
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
