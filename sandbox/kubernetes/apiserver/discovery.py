"""Discovery documents: the API's groups, versions and resources, its own version and its health."""

from aiohttp import web

from sandbox.kubernetes.apiserver.documents import Object
from sandbox.kubernetes.apiserver.resources import TYPES

VERSION = {
    "major": "1",
    "minor": "33",
    "gitVersion": "v1.33.0-sandbox",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "linux/amd64",
}


def add_discovery(app: web.Application) -> None:
    """Add the discovery and health routes to an application."""
    groups = {t.group: _group(t.group, t.api_version) for t in TYPES if t.group}
    _serve(app, "/version", VERSION)
    for path in ("/readyz", "/livez", "/healthz"):
        app.router.add_get(path, _healthy)
    _serve(app, "/api", {"kind": "APIVersions", "versions": ["v1"]})
    _serve(app, "/apis", {"kind": "APIGroupList", "apiVersion": "v1", "groups": list(groups.values())})
    for name, group in groups.items():
        _serve(app, f"/apis/{name}", {"kind": "APIGroup", "apiVersion": "v1", **group})
    for prefix in {t.prefix: None for t in TYPES}:
        served = [t for t in TYPES if t.prefix == prefix]
        entries = [entry for t in served for entry in t.discovery()]
        body = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": served[0].api_version}
        _serve(app, prefix, {**body, "resources": entries})


def _serve(app: web.Application, path: str, body: Object) -> None:
    """Serve a fixed document, also with a trailing slash, because the official client adds one."""

    async def handler(_request: web.Request) -> web.Response:
        return web.json_response(body)

    app.router.add_get(path, handler)
    app.router.add_get(f"{path}/", handler)


async def _healthy(_request: web.Request) -> web.Response:
    return web.Response(text="ok")


def _group(name: str, api_version: str) -> Object:
    version = {"groupVersion": api_version, "version": api_version.split("/")[1]}
    return {"name": name, "versions": [version], "preferredVersion": version}
