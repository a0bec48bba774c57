"""A real API server to run the contract on, where REAL_KUBECONFIG names one; `.ci/run` starts one."""

import contextlib
import os
import time

from kubernetes import client, config

from sandbox.kubernetes.apiserver.resources import definition

REAL = os.environ.get("REAL_KUBECONFIG")


def connect(context: str | None = None) -> client.ApiClient:
    """Return a client as one of the kubeconfig's users."""
    return config.new_client_from_config(REAL, context=context)


def has_context(name: str) -> bool:
    """Say whether the kubeconfig has a user of that name."""
    return bool(REAL) and name in {found["name"] for found in config.list_kube_config_contexts(REAL)[0]}


def install(api: client.ApiClient, *namespaces: str) -> None:
    """Make sure of KServe's definition and of namespaces; an earlier run may have left them."""
    with contextlib.suppress(client.ApiException):
        client.ApiextensionsV1Api(api).create_custom_resource_definition(definition())
    custom = client.CustomObjectsApi(api)
    for _ in range(50):  # the definition takes a moment to be served
        try:
            custom.list_cluster_custom_object("serving.kserve.io", "v1beta1", "inferenceservices")
            break
        except client.ApiException:
            time.sleep(0.1)
    for name in namespaces:
        with contextlib.suppress(client.ApiException):
            client.CoreV1Api(api).create_namespace({"metadata": {"name": name}})
