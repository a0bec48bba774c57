"""Access to an EKS cluster without the AWS CLI: a kubeconfig, and tokens presigned by STS."""

import base64
import json
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import yaml
from botocore.signers import RequestSigner

TOKEN_SECONDS = 60
TOKEN_LIFE = timedelta(minutes=14)


def write_kubeconfig(cluster: str) -> str:
    """Write a kubeconfig for `cluster` with endpoint and certificate from EKS; return its path."""
    eks: Any = boto3.client("eks")
    found = eks.describe_cluster(name=cluster)["cluster"]
    arguments = ["-m", "images.worker", "token", cluster, eks.meta.region_name]
    plugin = {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": sys.executable, "args": arguments}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": cluster,
        "clusters": [{"name": cluster, "cluster": _endpoint(found)}],
        "users": [{"name": cluster, "user": {"exec": {**plugin, "interactiveMode": "Never"}}}],
        "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": cluster}}],
    }
    path = Path(tempfile.mkdtemp(prefix="kube-")) / "config"
    path.write_text(yaml.safe_dump(document))
    path.chmod(0o600)
    return str(path)


def _endpoint(cluster: dict[str, Any]) -> dict[str, str]:
    return {"server": cluster["endpoint"], "certificate-authority-data": cluster["certificateAuthority"]["data"]}


def token(cluster: str, region: str) -> str:
    """Return a bearer token for `cluster`: a presigned STS GetCallerIdentity request, as EKS expects."""
    session = boto3.Session(region_name=region)
    sts: Any = session.client("sts", region_name=region)
    service, keys = sts.meta.service_model.service_id, session.get_credentials()
    signer = RequestSigner(service, region, "sts", "v4", keys, session.events)
    request = {
        "method": "GET",
        "url": f"{sts.meta.endpoint_url}/?Action=GetCallerIdentity&Version=2011-06-15",
        "body": {},
        "headers": {"x-k8s-aws-id": cluster},
        "context": {},
    }
    url = signer.generate_presigned_url(request, region_name=region, expires_in=TOKEN_SECONDS, operation_name="")
    return "k8s-aws-v1." + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")


def print_token(cluster: str, region: str) -> None:
    """Print the token as an ExecCredential."""
    until = (datetime.now(UTC) + TOKEN_LIFE).strftime("%Y-%m-%dT%H:%M:%SZ")
    status = {"token": token(cluster, region), "expirationTimestamp": until}
    credential = {"apiVersion": "client.authentication.k8s.io/v1beta1", "kind": "ExecCredential", "status": status}
    print(json.dumps(credential))
