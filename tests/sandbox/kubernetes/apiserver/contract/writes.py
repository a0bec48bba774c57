"""Steps that patch, validate, apply, watch and ask for other forms."""

from tests.sandbox.kubernetes.apiserver.contract.steps import (
    APPLY,
    ISVC,
    JSON,
    LIST,
    MAPS,
    MERGE,
    PARTIAL,
    PARTIAL_LIST,
    SPACE,
    STRATEGIC,
    TABLE,
    Step,
    config_map,
    container,
    isvc,
    version,
)

MADE = f"{LIST}/made"
PATCHED = f"{LIST}/patched"
STALE = version("patched")


def patch(name, body, media=MERGE, path=PATCHED, **more):
    return Step(name, "PATCH", path, body, media, **more)


PATCH = [
    Step("one to patch", "POST", LIST, isvc("patched"), save="patched"),
    patch("merge a number", {"spec": {"predictor": {"minReplicas": 2, "canaryTrafficPercent": 10}}}),
    patch("merge null", {"spec": {"predictor": {"canaryTrafficPercent": None}}}),
    patch("merge null into what is not there", {"spec": {"predictor": {"timeout": None}}}),
    patch("merge what is so already", {"spec": {"predictor": {"minReplicas": 2}}}),
    patch("merge a label", {"metadata": {"labels": {"test": "yes"}}}),
    patch("merge a label away", {"metadata": {"labels": {"test": None}}}),
    patch("merge an annotation", {"metadata": {"annotations": {"a": "b"}}}),
    patch("merge containers as a whole", {"spec": {"predictor": {"containers": [container(image="x/y:2")]}}}),
    patch(
        "merge with a stale version",
        lambda m: {"metadata": {"resourceVersion": STALE(m)}, "spec": {"predictor": {"timeout": 9}}},
    ),
    patch("merge with another uid", {"metadata": {"uid": "00000000-0000-0000-0000-000000000009"}}),
    patch("merge a wrong type", {"spec": {"predictor": {"minReplicas": "two"}}}),
    patch("merge the predictor away", {"spec": {"predictor": None}}),
    patch("merge another name", {"metadata": {"name": "other"}}),
    patch("merge another namespace", {"metadata": {"namespace": "other"}}),
    patch("merge another kind", {"kind": "Deployment"}),
    patch("merge another version", {"apiVersion": "serving.kserve.io/v1"}),
    patch("merge an unknown field", {"spec": {"predictor": {"nonsense": 1}}}),
    patch("merge a list", []),
    patch("merge a text", '"x"'),
    patch("merge what is no JSON", "{"),
    patch("merge nothing", {}),
    patch("merge a generation", {"metadata": {"generation": 99}}),
    patch("merge metadata away", {"metadata": None}),
    patch("merge with force", {"spec": {"predictor": {"timeout": 9}}}, path=f"{PATCHED}?force=true"),
    patch("merge as a named manager", {"spec": {"predictor": {"timeout": 9}}}, path=f"{PATCHED}?fieldManager=somebody"),
    patch("merge dry", {"spec": {"predictor": {"timeout": 99}}}, path=f"{PATCHED}?dryRun=All"),
    patch("merge into what is missing", {"spec": {}}, path=f"{LIST}/nobody"),
    patch("merge a whole list of objects", {"spec": {}}, path=LIST),
    patch("a strategic merge patch of a custom resource", {"spec": {"predictor": {"timeout": 3}}}, STRATEGIC),
    patch("a patch of an unknown media type", {"spec": {}}, "application/json"),
    patch("add", [{"op": "add", "path": "/spec/predictor/maxReplicas", "value": 3}], JSON),
    patch("replace by JSON patch", [{"op": "replace", "path": "/spec/predictor/maxReplicas", "value": 4}], JSON),
    patch("remove", [{"op": "remove", "path": "/spec/predictor/maxReplicas"}], JSON),
    patch(
        "test and add",
        [
            {"op": "test", "path": "/spec/predictor/minReplicas", "value": 2},
            {"op": "add", "path": "/spec/predictor/maxReplicas", "value": 5},
        ],
        JSON,
    ),
    patch("copy", [{"op": "copy", "from": "/spec/predictor/minReplicas", "path": "/spec/predictor/timeout"}], JSON),
    patch(
        "move",
        [{"op": "move", "from": "/spec/predictor/timeout", "path": "/spec/predictor/containerConcurrency"}],
        JSON,
    ),
    patch(
        "append", [{"op": "add", "path": "/spec/predictor/containers/-", "value": {"name": "b", "image": "x"}}], JSON
    ),
    patch(
        "insert", [{"op": "add", "path": "/spec/predictor/containers/0", "value": {"name": "a", "image": "x"}}], JSON
    ),
    patch("remove an item", [{"op": "remove", "path": "/spec/predictor/containers/0"}], JSON),
    patch("test what differs", [{"op": "test", "path": "/spec/predictor/minReplicas", "value": 9}], JSON),
    patch("test what is missing", [{"op": "test", "path": "/spec/predictor/nothing", "value": 9}], JSON),
    patch("remove what is missing", [{"op": "remove", "path": "/spec/predictor/nothing"}], JSON),
    patch(
        "replace at a path that is missing", [{"op": "replace", "path": "/spec/predictor/nothing", "value": 1}], JSON
    ),
    patch("add below what is missing", [{"op": "add", "path": "/spec/nothing/x", "value": 1}], JSON),
    patch("an unknown operation", [{"op": "sort", "path": "/spec"}], JSON),
    patch("an operation without a path", [{"op": "add", "value": 1}], JSON),
    patch("a JSON patch that is an object", {"op": "add"}, JSON),
    patch(
        "an item out of range", [{"op": "add", "path": "/spec/predictor/containers/9", "value": {"name": "x"}}], JSON
    ),
    patch(
        "a JSON patch with a stale version",
        lambda m: [
            {"op": "replace", "path": "/metadata/resourceVersion", "value": STALE(m)},
            {"op": "add", "path": "/spec/predictor/timeout", "value": 4},
        ],
        JSON,
    ),
    patch("no operations", [], JSON),
    patch("strategic: a key of a ConfigMap", {"data": {"b": "2"}}, STRATEGIC, f"{MAPS}/values"),
    patch("strategic: null", {"data": {"b": None}}, STRATEGIC, f"{MAPS}/values"),
    patch("strategic: replace", {"data": {"$patch": "replace", "c": "3"}}, STRATEGIC, f"{MAPS}/values"),
    patch("strategic: an unknown directive", {"data": {"$patch": "shuffle"}}, STRATEGIC, f"{MAPS}/values"),
    patch(
        "strategic: an owner",
        {
            "metadata": {
                "ownerReferences": [
                    {
                        "apiVersion": "v1",
                        "kind": "ConfigMap",
                        "name": "a",
                        "uid": "00000000-0000-0000-0000-000000000001",
                    }
                ]
            }
        },
        STRATEGIC,
        f"{MAPS}/values",
    ),
    patch(
        "strategic: a second owner",
        {
            "metadata": {
                "ownerReferences": [
                    {
                        "apiVersion": "v1",
                        "kind": "ConfigMap",
                        "name": "b",
                        "uid": "00000000-0000-0000-0000-000000000002",
                    }
                ]
            }
        },
        STRATEGIC,
        f"{MAPS}/values",
    ),
    patch(
        "strategic: an owner away",
        {"metadata": {"ownerReferences": [{"$patch": "delete", "uid": "00000000-0000-0000-0000-000000000001"}]}},
        STRATEGIC,
        f"{MAPS}/values",
    ),
    patch(
        "strategic: finalizers add up", {"metadata": {"finalizers": ["a.example.com/x"]}}, STRATEGIC, f"{MAPS}/values"
    ),
    patch(
        "strategic: a finalizer away",
        {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a.example.com/x"]}},
        STRATEGIC,
        f"{MAPS}/values",
    ),
    patch("strategic: a list", [], STRATEGIC, f"{MAPS}/values"),
    patch("strategic: a wrong type", {"data": {"b": 2}}, STRATEGIC, f"{MAPS}/values"),
]


def refused(what, /, *containers, metadata=None, **predictor):
    return Step(what, "POST", f"{LIST}?dryRun=All", isvc("valid", *containers, metadata=metadata, **predictor))


def env(*names):
    return [{"name": name, "value": "1"} for name in names]


CANARY = {"predictor": {"name": "c", "containers": [container()]}}
VALIDATION = [
    refused("a text for an integer", minReplicas="one"),
    refused("a fraction for an integer", minReplicas=1.5),
    refused("a whole fraction for an integer", minReplicas=2.0),
    refused("a large number for 32 bits", minReplicas=1 << 40),
    refused("a number for a text", serviceAccountName=7),
    refused("a number for a flag", hostNetwork=1),
    refused("a text for an object", securityContext="x"),
    refused("an object for a list", volumes={}),
    refused("null for a text", serviceAccountName=None),
    refused("null for an object", securityContext=None),
    refused("null in a list", volumes=[None]),
    refused("two wrong types", minReplicas="one", maxReplicas="two"),
    refused("a number for an image", container(image=7)),
    refused("a wrong type in the second container", container(), container(name="b", image=7)),
    refused("an unknown scale metric", scaleMetric="speed"),
    refused("an unknown logger mode", logger={"mode": "some", "url": "http://x"}),
    refused("a name that breaks its pattern", name="Not-a-name"),
    refused("a quantity that is none", container(resources={"limits": {"cpu": "one"}})),
    refused("a quantity that is a number", container(resources={"limits": {"cpu": 1, "memory": "1Gi"}})),
    refused("a quantity that is a flag", container(resources={"limits": {"cpu": True}})),
    refused("a port that is a name", container(readinessProbe={"httpGet": {"port": "http", "path": "/"}})),
    refused("a port that is a list", container(readinessProbe={"httpGet": {"port": [1]}})),
    refused("a port without a protocol", container(ports=[{"containerPort": 8080}])),
    refused("a port without a number", container(ports=[{"name": "http"}])),
    refused("two ports of one number", container(ports=[{"containerPort": 80}, {"containerPort": 80, "name": "b"}])),
    refused(
        "two ports of one number and two protocols",
        container(ports=[{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}]),
    ),
    refused("a variable twice", container(env=env("A", "B", "A"))),
    refused("a variable without a name", container(env=[{"value": "x"}])),
    refused("a variable that is a number", container(env=[{"name": "A", "value": 1}])),
    refused("a container without a name", {"image": "x"}),
    refused(
        "a mount twice", container(volumeMounts=[{"name": "a", "mountPath": "/a"}, {"name": "b", "mountPath": "/a"}])
    ),
    refused("no storage URI in a list", storageUris=[]),
    refused("an empty storage URI", storageUris=[{"uri": ""}]),
    refused("a storage URI's default path", storageUris=[{"uri": "s3://a/b"}]),
    refused("a relative path", storageUris=[{"uri": "s3://a/b", "mountPath": "a"}]),
    refused("a long path", storageUris=[{"uri": "s3://a/b", "mountPath": "/" + "a" * 255}]),
    refused(
        "a metric without a type",
        autoScaling={"metrics": [{"resource": {"name": "cpu", "target": {"type": "Utilization"}}}]},
    ),
    refused("an unknown metric", autoScaling={"metrics": [{"type": "Speed"}]}),
    refused("a model without a format", model={"storageUri": "s3://a/b"}),
    refused("a model's format without a name", model={"modelFormat": {}}),
    refused("a secret's default name", container(env=[{"name": "A", "valueFrom": {"secretKeyRef": {"key": "k"}}}])),
    refused("a secret without a key", container(env=[{"name": "A", "valueFrom": {"secretKeyRef": {"name": "n"}}}])),
    refused("a canary percent over 100", canaryTrafficPercent=101),
    Step(
        "a canary's share over 100",
        "POST",
        f"{LIST}?dryRun=All",
        {**isvc("valid"), "spec": {**isvc("valid")["spec"], "canary": [{**CANARY, "trafficPercent": 101}]}},
    ),
    Step(
        "a canary's share below 0",
        "POST",
        f"{LIST}?dryRun=All",
        {**isvc("valid"), "spec": {**isvc("valid")["spec"], "canary": [{**CANARY, "trafficPercent": -1}]}},
    ),
    Step("no predictor", "POST", LIST, {**isvc("valid"), "spec": {}}),
    Step("no specification", "POST", LIST, {k: v for k, v in isvc("no-spec").items() if k != "spec"}),
    Step("a specification that is null", "POST", LIST, {**isvc("null-spec"), "spec": None}),
    Step("a predictor that is null", "POST", LIST, {**isvc("null-predictor"), "spec": {"predictor": None}}),
    refused("a tolerance that is no number", tolerations=[{"key": "a", "tolerationSeconds": "x"}]),
    refused(
        "a topology spread twice",
        topologySpreadConstraints=[{"maxSkew": 1, "topologyKey": "a", "whenUnsatisfiable": "x", "labelSelector": {}}]
        * 2,
    ),
]


def named(name, given):
    return Step(name, "POST", f"{LIST}?dryRun=All", isvc(given))


def with_metadata(what, /, **metadata):
    return Step(what, "POST", f"{LIST}?dryRun=All", isvc("meta", metadata=metadata))


SYNTAX = [
    named("a name with capitals", "Model"),
    named("a name with an underscore", "my_model"),
    named("a name that ends in a dash", "model-"),
    named("a name with a dot", "my.model"),
    named("a name of 254 characters", "a" * 254),
    named("a name that is a number", 7),
    with_metadata("a label's key with a space", labels={"a b": "c"}),
    with_metadata("a label's key without a name", labels={"example.com/": "c"}),
    with_metadata("a label's key without a prefix", labels={"/a": "c"}),
    with_metadata("a label's key with two slashes", labels={"a/b/c": "d"}),
    with_metadata("a label's key with a bad prefix", labels={"Example_/a": "c"}),
    with_metadata("a long label key", labels={"k" * 64: "v"}),
    with_metadata("a label's value with a space", labels={"a": "b c"}),
    with_metadata("a label's value of 64 characters", labels={"a": "v" * 64}),
    with_metadata("a label that is a number", labels={"a": 1}),
    with_metadata("labels that are a list", labels=["a"]),
    with_metadata("an annotation's key with a space", annotations={"a b": "c"}),
    with_metadata("an annotation that is a number", annotations={"a": 1}),
    with_metadata("a finalizer without a domain", finalizers=["hold"]),
    with_metadata("a finalizer with a space", finalizers=["test.example.com/a b"]),
    with_metadata("a generated name", generateName="x-"),
    with_metadata("unknown metadata", nonsense=1),
]


def intent(name, **predictor):
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": name},
        "spec": {"predictor": predictor},
    }


def apply(name, manager, body, more="", path=f"{LIST}/applied"):
    return Step(name, "PATCH", f"{path}?fieldManager={manager}{more}", body, APPLY)


def owned(digit, name="a"):
    owner = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": name,
        "uid": f"00000000-0000-0000-0000-00000000000{digit}",
    }
    return {**config_map("owned"), "metadata": {"name": "owned", "ownerReferences": [owner]}}


def held(*letters):
    metadata = {"name": "held", "finalizers": [f"test.example.com/{letter}" for letter in letters]}
    return {**config_map("held"), "metadata": metadata}


BARE = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService"}
APPLIED = [
    apply("apply what is new", "first", intent("applied", minReplicas=1, containers=[container()])),
    apply("apply it again", "first", intent("applied", minReplicas=1, containers=[container()])),
    apply("apply another number", "first", intent("applied", minReplicas=2, containers=[container()])),
    apply("apply another's field", "second", intent("applied", minReplicas=3)),
    apply(
        "apply two of another's fields", "second", intent("applied", minReplicas=3, containers=[container(image="x")])
    ),
    apply("apply another's field with force", "second", intent("applied", minReplicas=3), "&force=true"),
    apply("apply a field of one's own", "third", intent("applied", maxReplicas=9)),
    apply("apply the same value as another", "third", intent("applied", maxReplicas=9, minReplicas=3)),
    apply("give up a shared field", "second", intent("applied")),
    apply("give up the last claim", "third", intent("applied", maxReplicas=9)),
    apply("apply what will be edited", "third", intent("edited", maxReplicas=9, timeout=60), path=f"{LIST}/edited"),
    patch(
        "edit an applied field",
        {"spec": {"predictor": {"maxReplicas": 5}}},
        path=f"{LIST}/edited?fieldManager=editor",
    ),
    apply("apply an edited field", "third", intent("edited", maxReplicas=9, timeout=60), path=f"{LIST}/edited"),
    apply(
        "apply an edited field with force", "third", intent("edited", maxReplicas=9), "&force=true", f"{LIST}/edited"
    ),
    apply(
        "apply labels",
        "first",
        {
            **BARE,
            "metadata": {"name": "applied", "labels": {"a": "1", "b": "2"}},
            "spec": intent("x", minReplicas=2, containers=[container()])["spec"],
        },
    ),
    apply(
        "apply without a label",
        "first",
        {
            **BARE,
            "metadata": {"name": "applied", "labels": {"a": "1"}},
            "spec": intent("x", minReplicas=2, containers=[container()])["spec"],
        },
    ),
    apply("apply dry", "third", intent("applied", maxReplicas=7), "&force=true&dryRun=All"),
    apply(
        "apply as YAML",
        "yaml",
        "apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\n"
        "metadata:\n  name: applied\nspec:\n  predictor:\n    timeout: 60\n",
    ),
    Step("apply without a manager", "PATCH", f"{LIST}/applied", intent("applied"), APPLY),
    apply("apply another name", "first", intent("other")),
    apply(
        "apply without a kind", "first", {"apiVersion": "serving.kserve.io/v1beta1", "metadata": {"name": "applied"}}
    ),
    apply("apply another kind", "first", {**intent("applied"), "kind": "Deployment"}),
    apply(
        "apply with managed fields",
        "first",
        {
            **intent("applied"),
            "metadata": {
                "name": "applied",
                "managedFields": [{"manager": "x", "operation": "Apply", "apiVersion": "v1"}],
            },
        },
    ),
    apply("apply a wrong type", "first", intent("applied", minReplicas="two")),
    apply("apply an unknown field", "first", intent("applied", nonsense=2), "&force=true"),
    apply(
        "apply with a stale version",
        "first",
        {**intent("applied", timeout=5), "metadata": {"name": "applied", "resourceVersion": "1"}},
        "&force=true",
    ),
    apply("apply what is no YAML", "first", "a: [1"),
    apply(
        "apply a new one without what it needs",
        "first",
        intent("incomplete", minReplicas="x"),
        path=f"{LIST}/incomplete",
    ),
    apply("apply a ConfigMap", "first", config_map("applied", data={"a": "1"}), path=f"{MAPS}/applied"),
    apply(
        "apply another's key of a ConfigMap", "second", config_map("applied", data={"a": "2"}), path=f"{MAPS}/applied"
    ),
    apply("apply another key of a ConfigMap", "second", config_map("applied", data={"b": "2"}), path=f"{MAPS}/applied"),
    apply("give up a key of a ConfigMap", "first", config_map("applied", data={}), path=f"{MAPS}/applied"),
    apply("apply an owner", "first", owned("1"), path=f"{MAPS}/owned"),
    apply("apply a second owner", "second", owned("2"), path=f"{MAPS}/owned"),
    apply("apply another name to another's owner", "second", owned("1", name="x"), path=f"{MAPS}/owned"),
    apply("apply another's owner as it is", "third", owned("1"), path=f"{MAPS}/owned"),
    apply("give up a shared owner", "first", config_map("owned"), path=f"{MAPS}/owned"),
    apply("give up the owner", "third", config_map("owned"), path=f"{MAPS}/owned"),
    apply("apply a finalizer", "first", held("a"), path=f"{MAPS}/held"),
    apply("apply a second finalizer", "second", held("b"), path=f"{MAPS}/held"),
    apply("apply the first finalizer as well", "second", held("a", "b"), path=f"{MAPS}/held"),
    apply("give up a shared finalizer", "first", held(), path=f"{MAPS}/held"),
    apply("give up a finalizer", "second", held("b"), path=f"{MAPS}/held"),
    patch("edit what two apply", {"data": {"a": "9"}}, path=f"{MAPS}/applied?fieldManager=editor"),
    apply("apply an edited key", "first", config_map("applied", data={"a": "1"}), path=f"{MAPS}/applied"),
    apply("apply it with force", "first", config_map("applied", data={"a": "1"}), "&force=true", f"{MAPS}/applied"),
    apply(
        "apply a list with keys",
        "first",
        {
            **BARE,
            "metadata": {"name": "keyed"},
            "spec": {"predictor": {"model": {"modelFormat": {"name": "x"}, "env": [{"name": "A", "value": "1"}]}}},
        },
        path=f"{LIST}/keyed",
    ),
    apply(
        "apply another item of a list with keys",
        "second",
        {
            **BARE,
            "metadata": {"name": "keyed"},
            "spec": {"predictor": {"model": {"env": [{"name": "B", "value": "2"}]}}},
        },
        path=f"{LIST}/keyed",
    ),
    apply(
        "apply another's item",
        "second",
        {
            **BARE,
            "metadata": {"name": "keyed"},
            "spec": {"predictor": {"model": {"env": [{"name": "A", "value": "9"}]}}},
        },
        path=f"{LIST}/keyed",
    ),
    apply(
        "give up an item",
        "first",
        {**BARE, "metadata": {"name": "keyed"}, "spec": {"predictor": {"model": {"modelFormat": {"name": "x"}}}}},
        path=f"{LIST}/keyed",
    ),
]

STATE, SPOILT = f"{LIST}/state", f"{LIST}/state-2"
STATUS = [
    Step("one with a status", "POST", LIST, isvc("state"), save="state"),
    patch("write the status", {"status": {"url": "http://x", "anything": 1}}, path=f"{STATE}/status"),
    patch("write a status of a wrong type", {"status": {"url": 7}}, path=f"{STATE}/status"),
    patch(
        "write an unknown transition", {"status": {"modelStatus": {"transitionStatus": "Odd"}}}, path=f"{STATE}/status"
    ),
    patch(
        "write a model status",
        {"status": {"modelStatus": {"states": {"activeModelState": "Loaded"}}}},
        path=f"{STATE}/status",
    ),
    patch(
        "write a condition", {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}, path=f"{STATE}/status"
    ),
    Step("read the status", "GET", f"{STATE}/status", save="read"),
    Step("replace the status", "PUT", f"{STATE}/status", lambda m: {**m["read"], "status": {"url": "http://y"}}),
    Step(
        "replace the status with a stale version",
        "PUT",
        f"{STATE}/status",
        lambda m: {**m["read"], "status": {"url": "http://z"}},
    ),
    Step("replace the status without a version", "PUT", f"{STATE}/status", isvc("state")),
    patch("write the specification of what has a status", {"spec": {"predictor": {"minReplicas": 2}}}, path=STATE),
    Step("one whose status is written with more", "POST", LIST, isvc("state-2")),
    patch(
        "write a specification through the status",
        {"status": {"url": "http://x"}, "spec": {"predictor": {"minReplicas": 9}}},
        path=f"{SPOILT}/status",
    ),
    patch("write labels through the status", {"metadata": {"labels": {"a": "b"}}}, path=f"{SPOILT}/status"),
    patch("write a status through the object", {"status": {"url": "http://z"}}, path=SPOILT),
    Step("post a status", "POST", f"{STATE}/status", isvc("state")),
    Step("delete a status", "DELETE", f"{STATE}/status"),
]
FORMS = [
    Step("a table of one", "GET", MADE, accept=TABLE),
    Step("a table of some", "GET", f"{LIST}?labelSelector=app%3Dcredit", accept=TABLE),
    Step("a table of whole objects", "GET", f"{MADE}?includeObject=Object", accept=TABLE),
    Step("a table without objects", "GET", f"{LIST}?labelSelector=app&includeObject=None", accept=TABLE),
    Step("a table with an unknown policy", "GET", f"{MADE}?includeObject=Some", accept=TABLE),
    Step("a table with values", "GET", f"{LIST}/state", accept=TABLE),
    Step("a page of a table", "GET", f"{LIST}?limit=1&labelSelector=app", accept=TABLE),
    Step("a table of ConfigMaps", "GET", f"{MAPS}?fieldSelector=metadata.name%3Dvalues", accept=TABLE),
    Step("a table of namespaces", "GET", f"/api/v1/namespaces/{SPACE}", accept=TABLE),
    Step("metadata of one", "GET", MADE, accept=PARTIAL),
    Step("metadata of some", "GET", f"{LIST}?labelSelector=app", accept=PARTIAL_LIST),
    Step("metadata of an error", "GET", f"{LIST}/nobody", accept=PARTIAL),
    Step("a table of an error", "GET", f"{LIST}/nobody", accept=TABLE),
    Step("a table of a created one", "POST", f"{LIST}?dryRun=All", isvc("tabled"), accept=TABLE),
    Step("a list as a single one's metadata", "GET", f"{LIST}?labelSelector=app", accept=PARTIAL.split(",")[0]),
    Step("a form that nobody has", "GET", MADE, accept="text/csv"),
    Step("an unknown kind of form", "GET", MADE, accept="application/json;as=Poem;v=v1;g=meta.k8s.io"),
]


def watching(name, query, **more):
    return Step(
        name,
        "GET",
        lambda m: f"{LIST}?watch=1&timeoutSeconds=1&{query(m) if callable(query) else query}",
        watch=True,
        **more,
    )


WATCHED = [
    Step("one to watch", "POST", LIST, isvc("watched", metadata={"labels": {"watched": "yes"}}), save="watched"),
    patch("it changes", {"spec": {"predictor": {"minReplicas": 2}}}, path=f"{LIST}/watched"),
    watching("watch from a version", lambda m: f"labelSelector=watched&resourceVersion={version('watched')(m)}"),
    watching("watch from now", "labelSelector=watched"),
    watching("watch from version 0", "labelSelector=watched&resourceVersion=0"),
    watching("watch from an empty version", "labelSelector=watched&resourceVersion="),
    watching("watch from the future", "labelSelector=watched&resourceVersion=99999999"),
    watching("watch from nonsense", "labelSelector=watched&resourceVersion=x"),
    watching("watch from a negative version", "labelSelector=watched&resourceVersion=-1"),
    watching("watch by name", "fieldSelector=metadata.name%3Dwatched"),
    watching("watch a table", "labelSelector=watched", accept=TABLE),
    watching("watch metadata", "labelSelector=watched", accept=PARTIAL),
    watching("watch by a malformed selector", "labelSelector=%3D%3D"),
    patch("it leaves the selection", {"metadata": {"labels": {"watched": "no"}}}, path=f"{LIST}/watched", save="left"),
    watching("watch it leave", lambda m: f"labelSelector=watched%3Dyes&resourceVersion={version('watched')(m)}"),
    patch("it comes back", {"metadata": {"labels": {"watched": "yes"}}}, path=f"{LIST}/watched"),
    watching("watch it come back", lambda m: f"labelSelector=watched%3Dyes&resourceVersion={version('left')(m)}"),
    Step("delete the watched", "DELETE", f"{LIST}/watched"),
    watching("watch it go", lambda m: f"labelSelector=watched&resourceVersion={version('left')(m)}"),
    Step(
        "watch one object the old way",
        "GET",
        f"{ISVC}/watch/namespaces/{SPACE}/inferenceservices?timeoutSeconds=1&fieldSelector=metadata.name%3Dmade",
        watch=True,
    ),
    Step("watch one object", "GET", f"{MADE}?watch=1&timeoutSeconds=1", watch=True),
]
