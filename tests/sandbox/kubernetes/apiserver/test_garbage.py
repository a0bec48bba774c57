"""What happens to dependents and to the content of namespaces when their owner goes."""

import asyncio

import pytest

from sandbox.kubernetes.apiserver.errors import NotFoundError
from sandbox.kubernetes.apiserver.garbage import Collector
from sandbox.kubernetes.apiserver.resources import CONFIG_MAPS, NAMESPACES
from sandbox.kubernetes.apiserver.rest.delete import FINALIZERS
from sandbox.kubernetes.apiserver.store import Store


def made(store, name, *owners, finalizers=()):
    references = [{"apiVersion": "v1", "kind": "ConfigMap", "name": o["metadata"]["name"], "uid": o["metadata"]["uid"]}
                  for o in owners]  # fmt: skip
    metadata = {"name": name, "namespace": "ml", "ownerReferences": references, "finalizers": list(finalizers)}
    return store.create(CONFIG_MAPS, {"metadata": metadata})


def deleted(store, thing, policy="Background"):
    current = store.get(CONFIG_MAPS, "ml", thing["metadata"]["name"])
    if policy in FINALIZERS:
        current["metadata"]["finalizers"] = [*current["metadata"].get("finalizers", []), FINALIZERS[policy]]
    store.delete(CONFIG_MAPS, current)


def names(store):
    return [thing["metadata"]["name"] for thing in store.list(CONFIG_MAPS, "ml")]


def collected(act):
    """Run `act` on a store with a collector; return the store when the collector has nothing left to do."""

    async def run():
        store = Store()
        store.create(NAMESPACES, {"metadata": {"name": "ml"}})
        collector = Collector(store)
        act(store)
        for _ in range(20):
            await asyncio.sleep(0)
        await collector.close()
        return store

    return asyncio.run(run())


def test_dependents_follow_their_owner():
    def act(store):
        owner = made(store, "owner")
        made(store, "grandchild", made(store, "child", owner))
        deleted(store, owner)

    assert names(collected(act)) == []


def test_a_dependent_stays_with_its_other_owner():
    def act(store):
        first, second = made(store, "first"), made(store, "second")
        made(store, "child", first, second)
        deleted(store, first)

    store = collected(act)
    assert names(store) == ["child", "second"]
    references = store.get(CONFIG_MAPS, "ml", "child")["metadata"]["ownerReferences"]
    assert [reference["name"] for reference in references] == ["second"]


def test_orphans_stay():
    def act(store):
        owner = made(store, "owner")
        made(store, "child", owner)
        deleted(store, owner, "Orphan")

    store = collected(act)
    assert names(store) == ["child"]
    assert not store.get(CONFIG_MAPS, "ml", "child")["metadata"].get("ownerReferences")


def test_an_owner_deleted_in_the_foreground_waits_for_its_dependents():
    def act(store):
        owner = made(store, "owner")
        made(store, "child", owner, finalizers=["test.example.com/hold"])
        deleted(store, owner, "Foreground")

    store = collected(act)
    assert names(store) == ["child", "owner"]
    assert store.get(CONFIG_MAPS, "ml", "owner")["metadata"]["deletionTimestamp"]

    def let_go(store):
        act(store)
        asyncio.get_running_loop().call_soon(release, store)

    def release(store):
        child = store.get(CONFIG_MAPS, "ml", "child")
        store.replace(CONFIG_MAPS, {**child, "metadata": {**child["metadata"], "finalizers": []}})

    assert names(collected(let_go)) == []


def test_a_namespace_goes_once_it_is_empty():
    def act(store):
        made(store, "content")
        store.delete(NAMESPACES, store.get(NAMESPACES, "", "ml"))

    store = collected(act)
    with pytest.raises(NotFoundError):
        store.get(NAMESPACES, "", "ml")
