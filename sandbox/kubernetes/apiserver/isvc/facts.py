"""What KServe's and Kubernetes' Go types say about their fields and the Python models leave out.

Keys are field names, or `Model.field` where the name alone would say too much. The facts are the validation and list
markers of the Go types; a test compares the resulting schema with KServe's own definition where it is at hand.
"""

from typing import Any

Fact = dict[str, Any]

QUANTITY_PATTERN = (
    r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$"
)
INT_OR_STRING: Fact = {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": True}
QUANTITY: Fact = {**INT_OR_STRING, "pattern": QUANTITY_PATTERN}


def _map_list(*keys: str) -> Fact:
    return {"x-kubernetes-list-map-keys": list(keys), "x-kubernetes-list-type": "map"}


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _enum(*values: str) -> Fact:
    return {"enum": list(values)}


_ATOMIC_LISTS = _words(
    "accessModes add args canary canaryStatuses command drop envFrom hostnames httpHeaders items "
    "matchExpressions matchFields matchLabelKeys mismatchLabelKeys monitors nameservers namespaces "
    "nodeSelectorTerms options policies portals preferredDuringSchedulingIgnoredDuringExecution "
    "V1PodAffinity.requiredDuringSchedulingIgnoredDuringExecution "
    "V1PodAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution resizePolicy restartPolicyRules searches "
    "sources storageUris supplementalGroups sysctls targetWWNs V1LabelSelectorRequirement.values "
    "V1NodeSelectorRequirement.values wwids"
)
_INT64 = [
    "activeDeadlineSeconds",
    "canaryTrafficPercent",
    "containerConcurrency",
    "expirationSeconds",
    "fsGroup",
    "observedGeneration",
    "percent",
    "runAsGroup",
    "runAsUser",
    "seconds",
    "supplementalGroups[]",
    "terminationGracePeriodSeconds",
    "timeout",
    "tolerationSeconds",
]
_INT32 = [
    "averageUtilization",
    "containerPort",
    "defaultMode",
    "exitCode",
    "failureThreshold",
    "hostPort",
    "initialDelaySeconds",
    "lun",
    "maxExpirationSeconds",
    "maxReplicas",
    "maxSkew",
    "minDomains",
    "minReplicas",
    "V1KeyToPath.mode",
    "V1DownwardAPIVolumeFile.mode",
    "partition",
    "periodSeconds",
    "V1GRPCAction.port",
    "priority",
    "scaleTarget",
    "stabilizationWindowSeconds",
    "successThreshold",
    "timeoutSeconds",
    "trafficPercent",
    "V2HPAScalingPolicy.value",
    "values[]",
    "weight",
]
_STATE = _enum("", "Pending", "Standby", "Loading", "Loaded", "FailedToLoad")
_TARGET_TYPE = _enum("Utilization", "Value", "AverageValue")
_FIELDS: dict[str, tuple[Fact, ...]] = {
    "env": (_map_list("name"),),
    "ports": (_map_list("containerPort", "protocol"),),
    "claims": (_map_list("name"),),
    "resourceClaims": (_map_list("name"),),
    "schedulingGates": (_map_list("name"),),
    "topologySpreadConstraints": (_map_list("topologyKey", "whenUnsatisfiable"),),
    "volumeDevices": (_map_list("devicePath"),),
    "volumeMounts": (_map_list("mountPath"),),
    "V1ContainerRestartRuleOnExitCodes.values": ({"x-kubernetes-list-type": "set"},),
    "V1ObjectMeta.ownerReferences": (_map_list("uid"),),
    "V1ObjectMeta.finalizers": ({"x-kubernetes-list-type": "set"},),
    "V1PodSpec.containers": (_map_list("name"),),
    "V1PodSpec.initContainers": (_map_list("name"),),
    "V1PodSpec.volumes": (_map_list("name"),),
    "V1PodSpec.imagePullSecrets": (_map_list("name"),),
    "V1PodStatus.conditions": (_map_list("type"),),
    "nodeSelector": ({"x-kubernetes-map-type": "atomic"},),
    "storageUris": ({"minItems": 1},),
    "V1beta1StorageUri.uri": ({"minLength": 1},),
    "V1beta1StorageUri.mountPath": ({"default": "/mnt/models", "maxLength": 255, "pattern": "^/.*"},),
    "V1beta1PredictorSpec.name": ({"pattern": "^[a-z]([-a-z0-9]*[a-z0-9])?$"},),
    "V1beta1CanarySpec.trafficPercent": ({"minimum": 0, "maximum": 100},),
    "V1beta1LoggerSpec.mode": (_enum("all", "request", "response"),),
    "scaleMetric": (_enum("cpu", "memory", "concurrency", "rps"),),
    "scaleMetricType": (_TARGET_TYPE,),
    "V1beta1MetricTarget.type": (_TARGET_TYPE,),
    "V1beta1MetricsSpec.type": (_enum("Resource", "External", "PodMetric"),),
    "V1beta1ResourceMetricSource.name": (_enum("cpu", "memory"),),
    "V1beta1ExternalMetrics.backend": (_enum("prometheus", "graphite"),),
    "V1beta1PodMetrics.backend": (_enum("opentelemetry"),),
    "activeModelState": (_STATE, {"default": "Pending"}),
    "targetModelState": (_STATE, {"default": ""}),
    "transitionStatus": (
        _enum("", "UpToDate", "InProgress", "BlockedByFailedLoad", "InvalidSpec"),
        {"default": "UpToDate"},
    ),
    "failedCopies": ({"default": 0},),
    "V1beta1FailureInfo.time": ({"format": "date-time"},),
    "V1beta1FailureInfo.reason": (
        _enum(
            "ModelLoadFailed",
            "RuntimeUnhealthy",
            "RuntimeDisabled",
            "NoSupportingRuntime",
            "RuntimeNotRecognized",
            "InvalidPredictorSpec",
        ),
    ),
    "V1ContainerPort.protocol": ({"default": "TCP"},),
    "V1GRPCAction.service": ({"default": ""},),
    "V1FileKeySelector.optional": ({"default": False},),
    "V1AzureDiskVolumeSource.fsType": ({"default": "ext4"},),
    "V1AzureDiskVolumeSource.readOnly": ({"default": False},),
    "V1ScaleIOVolumeSource.fsType": ({"default": "xfs"},),
    "V1ScaleIOVolumeSource.storageMode": ({"default": "ThinProvisioned"},),
    "V1ISCSIVolumeSource.iscsiInterface": ({"default": "default"},),
    "V1RBDVolumeSource.keyring": ({"default": "/etc/ceph/keyring"},),
    "V1RBDVolumeSource.pool": ({"default": "rbd"},),
    "V1RBDVolumeSource.user": ({"default": "admin"},),
}
_NAME_DEFAULT = {"default": ""}
# References to an object of the same namespace are replaced as a whole; Go leaves an empty name in them.
_REFERENCES = _words(
    "V1LocalObjectReference V1ConfigMapKeySelector V1SecretKeySelector V1ConfigMapEnvSource V1SecretEnvSource "
    "V1ConfigMapProjection V1SecretProjection V1ConfigMapVolumeSource"
)
_ATOMIC_MODELS = _words(
    "V1ObjectFieldSelector V1ResourceFieldSelector V1FileKeySelector V1LabelSelector V1NodeSelector "
    "V1NodeSelectorTerm V1TypedLocalObjectReference"
)
# Models that hold a container or a reference, whose name Go requires and Python does not.
_NAMED = _words(
    "ModelFormat AuthenticationRef ModelSpec SKLearnSpec XGBoostSpec TFServingSpec TorchServeSpec TritonSpec "
    "ONNXRuntimeSpec HuggingFaceRuntimeSpec PMMLSpec LightGBMSpec PaddleServerSpec"
)
# Fields that the Python models have and KServe's definition has not, so the API server prunes them.
UNKNOWN = frozenset(
    {
        *(f"V1beta1{kind}Spec.schedulingGroup" for kind in ("Predictor", "Transformer", "Explainer", "Worker")),
        "V1PodCertificateProjection.userAnnotations",
        "V1beta1InferenceServiceSpec.tracing",
    }
)


def _keys(model: str, field: str) -> tuple[str, str]:
    return field, f"{model}.{field}"


def of_field(model: str, field: str, kind: str) -> Fact:
    """Return the facts of one field of a model; `kind` is its JSON type.

    >>> of_field("V1ContainerPort", "protocol", "string")
    {'default': 'TCP'}
    """
    found: Fact = {}
    for key in _keys(model, field):
        for fact in _FIELDS.get(key, ()):
            found |= fact
        if kind == "array" and key in _ATOMIC_LISTS:
            found |= {"x-kubernetes-list-type": "atomic"}
    if field == "name" and model in _REFERENCES:
        found |= _NAME_DEFAULT
    return found | (format_of(model, field) if kind == "integer" else {})


def format_of(model: str, field: str) -> Fact:
    """Return the width of an integer field; `field` ends in `[]` for the items of a list."""
    names = _keys(model, field)
    if set(names) & set(_INT64) and model != "V1beta1Batcher":
        return {"format": "int64"}
    return {"format": "int32"} if set(names) & set(_INT32) else {}


def of_model(model: str) -> Fact:
    """Return the facts of a whole model."""
    atomic = model in _REFERENCES or model in _ATOMIC_MODELS
    return {"x-kubernetes-map-type": "atomic"} if atomic else {}


def required_of(model: str, declared: list[str]) -> list[str]:
    """Return the required fields of a model, given those that its Python class declares."""
    return sorted({*declared, *(["name"] if model.removeprefix("V1beta1") in _NAMED else [])})
