"""OpenAPI documents, from which clients learn schemas and which options a request takes."""

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property

from aiohttp import web

from sandbox.kubernetes.apiserver.documents import Object
from sandbox.kubernetes.apiserver.resources import ResourceType
from sandbox.kubernetes.apiserver.schema import Schema, described
from sandbox.kubernetes.apiserver.views.gnostic import document

PROTOBUF = "application/com.github.proto-openapi.spec.v2"
# Where kubectl looks up the schemas of its own types.
_PACKAGES = {"": "io.k8s.api.core", "apiextensions.k8s.io": "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions"}
_PATCH_OPTIONS = (("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string"), ("force", "boolean"))


def add_openapi(app: web.Application, types: Sequence[ResourceType]) -> None:
    """Add the OpenAPI documents, version 2 and 3, to an application."""
    documents = _Documents(types)
    app.router.add_get("/openapi/v2", documents.v2)
    app.router.add_get("/openapi/v3", documents.index)
    app.router.add_get("/openapi/v3/{path:.+}", documents.v3)


class _Documents:
    """The documents of some resource types, made when they are first asked for."""

    def __init__(self, types: Sequence[ResourceType]) -> None:
        self.types = types

    async def v2(self, request: web.Request) -> web.Response:
        if PROTOBUF in request.headers.get("Accept", ""):
            return web.Response(body=self._v2_protobuf, content_type=f"{PROTOBUF}.v1.0+protobuf")
        return web.Response(text=self._v2_text, content_type="application/json")

    async def index(self, _request: web.Request) -> web.Response:
        paths = {
            path: {"serverRelativeURL": f"/openapi/v3/{path}?hash={hashlib.sha256(text.encode()).hexdigest()[:32]}"}
            for path, text in self._v3_texts.items()
        }
        return web.json_response({"paths": paths})

    async def v3(self, request: web.Request) -> web.Response:
        text = self._v3_texts.get(request.match_info["path"])
        if text is None:
            raise web.HTTPNotFound
        return web.Response(text=text, content_type="application/json")

    @cached_property
    def _v2(self) -> Object:
        return {
            "swagger": "2.0",
            "info": {"title": "Kubernetes", "version": "v1.33.0-sandbox"},
            "paths": {path: item for each in self.types for path, item in _paths(each, 2).items()},
            "definitions": {_name(each): _definition(each) for each in self.types},
        }

    @cached_property
    def _v2_text(self) -> str:
        return json.dumps(self._v2, separators=(",", ":"))

    @cached_property
    def _v2_protobuf(self) -> bytes:
        return document(self._v2)

    @cached_property
    def _v3_texts(self) -> dict[str, str]:
        prefixes = dict.fromkeys(each.prefix for each in self.types)
        return {prefix.strip("/"): json.dumps(self._v3(prefix), separators=(",", ":")) for prefix in prefixes}

    def _v3(self, prefix: str) -> Object:
        served = [each for each in self.types if each.prefix == prefix]
        return {
            "openapi": "3.0.0",
            "info": {"title": "Kubernetes", "version": "v1.33.0-sandbox"},
            "paths": {path: item for each in served for path, item in _paths(each, 3).items()},
            "components": {"schemas": {_name(each): _definition(each) for each in served}},
        }


def _identity(resource: ResourceType) -> Object:
    return {"group": resource.group, "kind": resource.kind, "version": resource.version}


def _name(resource: ResourceType) -> str:
    """Return the name of a resource's schema: its reversed group, version and kind."""
    package = _PACKAGES.get(resource.group, ".".join(reversed(resource.group.split("."))))
    return f"{package}.{resource.version}.{resource.kind}"


def _definition(resource: ResourceType) -> Schema:
    schema = described(resource.schema, resource.model) if resource.model else {"type": "object"}
    return {**schema, "x-kubernetes-group-version-kind": [_identity(resource)]}


def _paths(resource: ResourceType, version: int) -> dict[str, Object]:
    """Return the paths of a resource, with the options that a patch takes."""
    base = resource.prefix + ("/namespaces/{namespace}" if resource.namespaced else "") + f"/{resource.plural}"
    lists = {f"{resource.prefix}/{resource.plural}": {"get": _operation(resource, "list")}}
    lists[base] = {"get": _operation(resource, "list"), "post": _operation(resource, "post")}
    patch = {**_operation(resource, "patch"), "parameters": [_parameter(*each, version) for each in _PATCH_OPTIONS]}
    return {**lists, f"{base}/{{name}}": {"get": _operation(resource, "get"), "patch": patch}}


def _operation(resource: ResourceType, action: str) -> Object:
    responses = {"200": {"description": "OK"}}
    return {
        "responses": responses,
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": _identity(resource),
    }


def _parameter(name: str, kind: str, version: int) -> Object:
    typed = {"type": kind} if version == 2 else {"schema": {"type": kind}}
    return {"name": name, "in": "query", "uniqueItems": True, **typed}
