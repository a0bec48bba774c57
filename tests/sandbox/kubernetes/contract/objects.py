"""Steps that create, read, list, replace and delete."""

from tests.sandbox.kubernetes.contract.steps import (
    EVENTS,
    ISVC,
    LIST,
    MAPS,
    MERGE,
    SPACE,
    Step,
    config_map,
    container,
    isvc,
    version,
)

VERSION_OF = version("made")

DISCOVERY = [
    Step("the core API's versions", "GET", "/api"),
    Step("the group of InferenceServices", "GET", "/apis/serving.kserve.io"),
    Step("the resources of InferenceServices", "GET", ISVC),
    Step("an unknown group", "GET", "/apis/nothing.example.com"),
    Step("an unknown version", "GET", "/apis/serving.kserve.io/v9"),
    Step("an unknown resource", "GET", f"{ISVC}/namespaces/{SPACE}/nothings"),
    Step("an unknown resource's object", "GET", f"{ISVC}/namespaces/{SPACE}/nothings/x"),
    Step("an unknown core resource", "GET", f"/api/v1/namespaces/{SPACE}/nothings"),
    Step("an unknown path", "GET", "/nothing"),
    Step("the health of the server", "GET", "/healthz"),
    Step("whether the server is ready", "GET", "/readyz"),
    Step("an unknown subresource", "GET", f"{LIST}/x/scale"),
    Step("the reviews of one's own rights", "GET", "/apis/authorization.k8s.io"),
]

CREATE = [
    Step("a namespace to work in", "POST", "/api/v1/namespaces", {"metadata": {"name": SPACE}}),
    Step("create", "POST", LIST, isvc("made"), save="made"),
    Step("create again", "POST", LIST, isvc("made")),
    Step("create as a named manager", "POST", f"{LIST}?fieldManager=somebody", isvc("managed")),
    Step("create with a manager too long", "POST", f"{LIST}?fieldManager={'m' * 129}", isvc("managed-2")),
    Step("create dry", "POST", f"{LIST}?dryRun=All", isvc("dry")),
    Step("a dry one is not there", "GET", f"{LIST}/dry"),
    Step("create with an unknown dryRun", "POST", f"{LIST}?dryRun=Some", isvc("dry")),
    Step("create in a missing namespace", "POST", LIST.replace(SPACE, "nowhere"), isvc("x")),
    Step("create in another namespace", "POST", LIST, isvc("x", metadata={"namespace": "other"})),
    Step("create without a name", "POST", LIST, {**isvc("x"), "metadata": {}}),
    Step("create another kind", "POST", LIST, {**isvc("x"), "kind": "Deployment"}),
    Step("create another version", "POST", LIST, {**isvc("x"), "apiVersion": "serving.kserve.io/v1"}),
    Step("create another group", "POST", LIST, {**isvc("x"), "apiVersion": "apps/v1"}),
    Step("create without a kind", "POST", LIST, {k: v for k, v in isvc("x").items() if k != "kind"}),
    Step("create without a version", "POST", LIST, {k: v for k, v in isvc("x").items() if k != "apiVersion"}),
    Step("create what is no JSON", "POST", LIST, "{"),
    Step("create a list", "POST", LIST, []),
    Step("create nothing", "POST", LIST, ""),
    Step("create without a namespace on the URL", "POST", f"{ISVC}/inferenceservices", isvc("x")),
    Step(
        "create YAML",
        "POST",
        LIST,
        '{"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", '
        '"metadata": {"name": "yaml"}, "spec": {"predictor": {"minReplicas": 1}}}',
        media="application/yaml",
    ),
    Step("create with a media type that nobody has", "POST", LIST, isvc("x"), media="text/csv"),
    Step("create on an object's URL", "POST", f"{LIST}/made", isvc("made")),
    Step("create with a status", "POST", f"{LIST}?dryRun=All", {**isvc("status-1"), "status": {"url": "http://x"}}),
    Step("create with a uid of one's own", "POST", LIST, isvc("uid-1", metadata={"uid": "mine", "generation": 7})),
    Step("create with a resourceVersion", "POST", LIST, isvc("rv-1", metadata={"resourceVersion": "7"})),
    Step("create with unknown fields", "POST", LIST, isvc("pruned", nonsense=1, canaryTraffic=2)),
    Step(
        "create with labels and annotations",
        "POST",
        LIST,
        isvc("labelled", metadata={"labels": {"app": "credit", "tier": "gold"}, "annotations": {"a.b/c": "d"}}),
    ),
    Step("create a second labelled one", "POST", LIST, isvc("labelled-2", metadata={"labels": {"app": "credit"}})),
    Step(
        "create more than the server takes",
        "POST",
        LIST,
        isvc("large", metadata={"annotations": {"a": "x" * (3 << 20)}}),
    ),
    Step(
        "create with annotations over 256 KiB",
        "POST",
        LIST,
        isvc("annotated", metadata={"annotations": {"a": "x" * (256 << 10)}}),
    ),
    Step(
        "create with annotations of 256 KiB less the key",
        "POST",
        f"{LIST}?dryRun=All",
        isvc("annotated", metadata={"annotations": {"a": "x" * ((256 << 10) - 1)}}),
    ),
    Step("create with finalizers", "POST", LIST, isvc("held", metadata={"finalizers": ["test.example.com/hold"]})),
    Step(
        "create with an owner",
        "POST",
        LIST,
        isvc(
            "owned",
            metadata={
                "ownerReferences": [
                    {
                        "apiVersion": "v1",
                        "kind": "ConfigMap",
                        "name": "owner",
                        "uid": "00000000-0000-0000-0000-000000000001",
                    }
                ]
            },
        ),
    ),
    Step(
        "create with an owner without a uid",
        "POST",
        LIST,
        isvc("owned-2", metadata={"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner"}]}),
    ),
]

READ = [
    Step("read", "GET", f"{LIST}/made"),
    Step("read what is missing", "GET", f"{LIST}/nobody"),
    Step("read in a missing namespace", "GET", f"{LIST.replace(SPACE, 'nowhere')}/nobody"),
    Step("read at version 0", "GET", f"{LIST}/made?resourceVersion=0"),
    Step("read at a version that does not exist", "GET", f"{LIST}/made?resourceVersion=x"),
    Step("list in a missing namespace", "GET", LIST.replace(SPACE, "nowhere")),
    Step("list by a label", "GET", f"{LIST}?labelSelector=app%3Dcredit"),
    Step("list by two labels", "GET", f"{LIST}?labelSelector=app%3Dcredit,tier%3Dgold"),
    Step("list by == and !=", "GET", f"{LIST}?labelSelector=app%3D%3Dcredit,tier!%3Dgold"),
    Step("list by in", "GET", f"{LIST}?labelSelector=app+in+(credit,+other)"),
    Step("list by notin", "GET", f"{LIST}?labelSelector=app,tier+notin+(gold)"),
    Step("list by a label that is there", "GET", f"{LIST}?labelSelector=tier"),
    Step("list by a label that is not there", "GET", f"{LIST}?labelSelector=app,!tier"),
    Step("list by a malformed selector", "GET", f"{LIST}?labelSelector=app%3D%3D%3Dx"),
    Step("list by a selector with a bad value", "GET", f"{LIST}?labelSelector=app%3D-x-"),
    Step("list by a selector with a bad key", "GET", f"{LIST}?labelSelector=a%2Fb%2Fc%3Dx"),
    Step("list by an unclosed set", "GET", f"{LIST}?labelSelector=app+in+(a"),
    Step("list by name", "GET", f"{LIST}?fieldSelector=metadata.name%3Dlabelled"),
    Step(
        "list by another name than", "GET", f"{LIST}?labelSelector=app%3Dcredit&fieldSelector=metadata.name!%3Dlabelled"
    ),
    Step("list by namespace", "GET", f"{ISVC}/inferenceservices?fieldSelector=metadata.namespace%3Dnowhere"),
    Step("list by a field that cannot be selected", "GET", f"{LIST}?fieldSelector=spec.x%3D1"),
    Step("list by a malformed field selector", "GET", f"{LIST}?fieldSelector=nonsense"),
    Step("list a first page", "GET", f"{LIST}?limit=2", save="page"),
    Step(
        "list the next page",
        "GET",
        lambda m: f"{LIST}?limit=2&continue={m['page']['metadata']['continue']}",
        save="page-2",
    ),
    Step("list the rest", "GET", lambda m: f"{LIST}?continue={m['page-2']['metadata']['continue']}"),
    Step("list a page of a selection", "GET", f"{LIST}?limit=1&labelSelector=app%3Dcredit", save="page-3"),
    Step(
        "list the last page of a selection",
        "GET",
        lambda m: f"{LIST}?limit=5&labelSelector=app%3Dcredit&continue={m['page-3']['metadata']['continue']}",
    ),
    Step("continue with nonsense", "GET", f"{LIST}?limit=2&continue=nonsense"),
    Step(
        "continue with another version",
        "GET",
        lambda m: f"{LIST}?continue={m['page']['metadata']['continue']}&resourceVersion=5",
    ),
    Step("list with a limit that is no number", "GET", f"{LIST}?limit=x"),
    Step("list with a negative limit", "GET", f"{LIST}?limit=-1&labelSelector=tier"),
    Step("list at version 0", "GET", f"{LIST}?resourceVersion=0&labelSelector=tier"),
    Step(
        "list at a version of the past", "GET", lambda m: f"{LIST}?labelSelector=tier&resourceVersion={VERSION_OF(m)}"
    ),
    Step("list at a version that is no number", "GET", f"{LIST}?resourceVersion=x"),
    Step("list with a match and no version", "GET", f"{LIST}?resourceVersionMatch=Exact"),
    Step("list with an unknown match", "GET", f"{LIST}?resourceVersion=5&resourceVersionMatch=Nearly"),
]


def _changed(memory, **predictor):
    thing = memory["made"]
    return {**thing, "spec": {"predictor": {**thing["spec"]["predictor"], **predictor}}}


REPLACE = [
    Step("replace", "PUT", f"{LIST}/made", lambda m: _changed(m, minReplicas=2), save="replaced"),
    Step("replace with a stale version", "PUT", f"{LIST}/made", lambda m: _changed(m, minReplicas=3)),
    Step("replace without a version", "PUT", f"{LIST}/made", isvc("made", minReplicas=2)),
    Step("replace with nothing new", "PUT", f"{LIST}/made", lambda m: m["replaced"]),
    Step("replace under another name", "PUT", f"{LIST}/made", isvc("other")),
    Step("replace without a name", "PUT", f"{LIST}/made", {**isvc("made"), "metadata": {}}),
    Step("replace in another namespace", "PUT", f"{LIST}/made", isvc("made", metadata={"namespace": "other"})),
    Step("replace what is missing", "PUT", f"{LIST}/nobody", isvc("nobody", metadata={"resourceVersion": "1"})),
    Step(
        "replace with another uid",
        "PUT",
        f"{LIST}/made",
        lambda m: {
            **m["replaced"],
            "metadata": {**m["replaced"]["metadata"], "uid": "00000000-0000-0000-0000-000000000009"},
        },
    ),
    Step(
        "replace dry",
        "PUT",
        f"{LIST}/made?dryRun=All",
        lambda m: {**m["replaced"], "spec": {"predictor": {"containers": [container()], "minReplicas": 5}}},
    ),
    Step("replace with a broken object", "PUT", f"{LIST}/made", lambda m: {**m["replaced"], "spec": {"predictor": 7}}),
    Step(
        "replace with another creation time",
        "PUT",
        f"{LIST}/made",
        lambda m: {
            **m["replaced"],
            "metadata": {**m["replaced"]["metadata"], "creationTimestamp": "2001-01-01T00:00:00Z"},
        },
    ),
    Step("replace a whole list", "PUT", LIST, isvc("made")),
    Step("replace another kind", "PUT", f"{LIST}/made", {**isvc("made"), "kind": "Deployment"}),
]

DELETE = [
    Step("something to delete", "POST", LIST, isvc("doomed"), save="doomed"),
    Step("delete dry", "DELETE", f"{LIST}/doomed?dryRun=All"),
    Step(
        "delete with another uid",
        "DELETE",
        f"{LIST}/doomed",
        {"preconditions": {"uid": "00000000-0000-0000-0000-000000000009"}},
    ),
    Step("delete with another version", "DELETE", f"{LIST}/doomed", {"preconditions": {"resourceVersion": "1"}}),
    Step("delete with an unknown policy", "DELETE", f"{LIST}/doomed", {"propagationPolicy": "Sideways"}),
    Step(
        "delete with a policy and the old way",
        "DELETE",
        f"{LIST}/doomed",
        {"propagationPolicy": "Orphan", "orphanDependents": True},
    ),
    Step("delete with what is no JSON", "DELETE", f"{LIST}/doomed", "{"),
    Step("delete", "DELETE", f"{LIST}/doomed", lambda m: {"preconditions": {"uid": m["doomed"]["metadata"]["uid"]}}),
    Step("delete again", "DELETE", f"{LIST}/doomed"),
    Step("delete what has a finalizer", "DELETE", f"{LIST}/held", save="marked"),
    Step("delete what is being deleted", "DELETE", f"{LIST}/held"),
    Step("change what is being deleted", "PATCH", f"{LIST}/held", {"spec": {"predictor": {"minReplicas": 3}}}, MERGE),
    Step(
        "add a finalizer to what is being deleted",
        "PATCH",
        f"{LIST}/held",
        {"metadata": {"finalizers": ["test.example.com/hold", "test.example.com/more"]}},
        MERGE,
    ),
    Step("let it go", "PATCH", f"{LIST}/held", {"metadata": {"finalizers": None}}, MERGE),
    Step("it is gone", "GET", f"{LIST}/held"),
    Step("one to delete in the foreground", "POST", LIST, isvc("front")),
    Step("delete in the foreground", "DELETE", f"{LIST}/front", {"propagationPolicy": "Foreground"}),
    Step("one to delete with orphans", "POST", LIST, isvc("orphaning")),
    Step("delete with orphans", "DELETE", f"{LIST}/orphaning?propagationPolicy=Orphan"),
    Step("one to delete in the background", "POST", LIST, isvc("back")),
    Step("delete in the background", "DELETE", f"{LIST}/back", {"propagationPolicy": "Background"}),
    Step("two to delete together", "POST", LIST, isvc("crowd-1", metadata={"labels": {"crowd": "yes"}})),
    Step("the second of them", "POST", LIST, isvc("crowd-2", metadata={"labels": {"crowd": "yes"}})),
    Step("delete a selection dry", "DELETE", f"{LIST}?labelSelector=crowd&dryRun=All"),
    Step("delete a selection", "DELETE", f"{LIST}?labelSelector=crowd"),
    Step("the selection is gone", "GET", f"{LIST}?labelSelector=crowd"),
    Step("delete a selection that is empty", "DELETE", f"{LIST}?labelSelector=crowd"),
    Step("delete in all namespaces", "DELETE", f"{ISVC}/inferenceservices"),
    Step("delete a ConfigMap", "DELETE", f"{MAPS}/values"),
    Step("delete a collection of namespaces", "DELETE", "/api/v1/namespaces"),
    Step("delete the namespace", "DELETE", f"/api/v1/namespaces/{SPACE}"),
    Step("read the namespace meanwhile", "GET", f"/api/v1/namespaces/{SPACE}"),
    Step("list what is left there", "GET", f"{LIST}?labelSelector=tier"),
    Step("create a ConfigMap there", "POST", MAPS, config_map("late")),
    Step("create in a namespace that is being deleted", "POST", LIST, isvc("late")),
]

CORE = [
    Step("create a ConfigMap", "POST", MAPS, config_map("values", data={"a": "1"}), save="values"),
    Step("create a ConfigMap again", "POST", MAPS, config_map("values")),
    Step("create a ConfigMap without kind and version", "POST", MAPS, {"metadata": {"name": "plain"}}),
    Step("create a ConfigMap with a bad key", "POST", MAPS, config_map("keys", data={"a b": "1"})),
    Step("create a ConfigMap with a number", "POST", MAPS, config_map("numbers", data={"a": 1})),
    Step("create a ConfigMap with an unknown field", "POST", MAPS, config_map("unknown", nonsense=1)),
    Step("create a ConfigMap of another kind", "POST", MAPS, {**config_map("x"), "kind": "Secret"}),
    Step("create a ConfigMap with a bad name", "POST", MAPS, config_map("Not_a_name")),
    Step("create an immutable ConfigMap", "POST", MAPS, config_map("fixed", data={"a": "1"}, immutable=True)),
    Step("change an immutable ConfigMap", "PATCH", f"{MAPS}/fixed", {"data": {"a": "2"}}, MERGE),
    Step("replace a ConfigMap without a version", "PUT", f"{MAPS}/values", config_map("values", data={"a": "2"})),
    Step("replace a ConfigMap with a stale version", "PUT", f"{MAPS}/values", lambda m: m["values"]),
    Step("list ConfigMaps by name", "GET", f"{MAPS}?fieldSelector=metadata.name%3Dvalues"),
    Step("list ConfigMaps by data", "GET", f"{MAPS}?fieldSelector=data.a%3D1"),
    Step("read a namespace", "GET", f"/api/v1/namespaces/{SPACE}"),
    Step("create a namespace with a dot", "POST", "/api/v1/namespaces", {"metadata": {"name": "a.b"}}),
    Step("create a namespace with a long name", "POST", "/api/v1/namespaces", {"metadata": {"name": "a" * 64}}),
    Step("create a namespace again", "POST", "/api/v1/namespaces", {"metadata": {"name": SPACE}}),
    Step(
        "list namespaces by phase",
        "GET",
        f"/api/v1/namespaces?fieldSelector=status.phase%3DActive,metadata.name%3D{SPACE}",
    ),
    Step(
        "create an event",
        "POST",
        EVENTS,
        {
            "metadata": {"name": "happened"},
            "reason": "Tested",
            "type": "Normal",
            "message": "it happened",
            "involvedObject": {"kind": "InferenceService", "name": "made", "namespace": SPACE},
        },
    ),
    Step(
        "create an event about another namespace",
        "POST",
        EVENTS,
        {
            "metadata": {"name": "elsewhere"},
            "reason": "x",
            "involvedObject": {"kind": "InferenceService", "name": "made", "namespace": "default"},
        },
    ),
    Step("list events of an object", "GET", f"{EVENTS}?fieldSelector=involvedObject.name%3Dmade,type%3DNormal"),
    Step("list events of another object", "GET", f"{EVENTS}?fieldSelector=involvedObject.name%3Dother"),
    Step("list events by message", "GET", f"{EVENTS}?fieldSelector=message%3Dx"),
    Step("list pods", "GET", f"/api/v1/namespaces/{SPACE}/pods"),
    Step("list pods by phase", "GET", f"/api/v1/namespaces/{SPACE}/pods?fieldSelector=status.phase%3DRunning"),
    Step("list pods by image", "GET", f"/api/v1/namespaces/{SPACE}/pods?fieldSelector=spec.image%3Dx"),
    Step("read a missing pod", "GET", f"/api/v1/namespaces/{SPACE}/pods/nobody"),
    Step(
        "create a pod without containers",
        "POST",
        f"/api/v1/namespaces/{SPACE}/pods",
        {"metadata": {"name": "empty"}, "spec": {}},
    ),
    Step(
        "read a missing definition",
        "GET",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/nothing.example.com",
    ),
    Step(
        "may I",
        "POST",
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        {
            "kind": "SelfSubjectAccessReview",
            "apiVersion": "authorization.k8s.io/v1",
            "spec": {
                "resourceAttributes": {
                    "namespace": SPACE,
                    "verb": "patch",
                    "group": "serving.kserve.io",
                    "resource": "inferenceservices",
                }
            },
        },
    ),
    Step(
        "may I, without a question",
        "POST",
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        {"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "spec": {}},
    ),
    Step(
        "what may I",
        "POST",
        "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
        {"kind": "SelfSubjectRulesReview", "apiVersion": "authorization.k8s.io/v1", "spec": {"namespace": SPACE}},
    ),
]
