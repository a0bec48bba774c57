"""Discovery documents: the API's groups, versions and resources, its own version and its health."""

from collections.abc import Iterable, Sequence

from aiohttp import web

from sandbox.kubernetes.apiserver import access
from sandbox.kubernetes.apiserver.documents import Object
from sandbox.kubernetes.apiserver.resources import ResourceType

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


def add_discovery(app: web.Application, types: Sequence[ResourceType]) -> None:
    """Add the discovery and health routes to an application."""
    resources = {access.PREFIX: access.discovery()}
    for served in types:
        resources.setdefault(served.prefix, []).extend(served.discovery())
    groups = _groups(prefix for prefix in resources if prefix.startswith("/apis/"))
    _serve(app, "/version", VERSION)
    for path in ("/readyz", "/livez", "/healthz"):
        app.router.add_get(path, _healthy)
    for path in ("/api", "/api/"):
        app.router.add_get(path, _core_versions)
    _serve(app, "/apis", {"kind": "APIGroupList", "apiVersion": "v1", "groups": list(groups.values())})
    for name, group in groups.items():
        _serve(app, f"/apis/{name}", {"kind": "APIGroup", "apiVersion": "v1", **group})
    for prefix, entries in resources.items():
        version = prefix.removeprefix("/apis/").removeprefix("/api/")
        body = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version}
        _serve(app, prefix, {**body, "resources": sorted(entries, key=_by_name)})


def _by_name(entry: Object) -> str:
    return str(entry["name"])


def _serve(app: web.Application, path: str, body: Object) -> None:
    """Serve a fixed document, also with a trailing slash, because the official client adds one."""

    async def handler(_request: web.Request) -> web.Response:
        return web.json_response(body)

    app.router.add_get(path, handler)
    app.router.add_get(f"{path}/", handler)


async def _core_versions(request: web.Request) -> web.Response:
    address = {"clientCIDR": "0.0.0.0/0", "serverAddress": request.host}
    return web.json_response({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [address]})


async def _healthy(_request: web.Request) -> web.Response:
    return web.Response(text="ok")


def _groups(prefixes: Iterable[str]) -> dict[str, Object]:
    """Return the groups; the first version of each is the preferred one."""
    groups: dict[str, Object] = {}
    for prefix in prefixes:
        name, version = prefix.removeprefix("/apis/").split("/")
        entry = {"groupVersion": f"{name}/{version}", "version": version}
        group = groups.setdefault(name, {"name": name, "versions": [], "preferredVersion": entry})
        group["versions"].append(entry)
    return groups
