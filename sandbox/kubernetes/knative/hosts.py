"""Host names of Routes and of their tags, with Knative's default templates."""

DOMAIN = "example.com"


def external(namespace: str, name: str, tag: str) -> str:
    """Return the public host name.

    >>> external("ml", "model-predictor", "latest")
    'latest-model-predictor.ml.example.com'
    """
    return f"{_label(name, tag)}.{namespace}.{DOMAIN}"


def local(namespace: str, name: str, tag: str) -> list[str]:
    """Return the host names inside the cluster."""
    host = f"{_label(name, tag)}.{namespace}"
    return [host, f"{host}.svc", f"{host}.svc.cluster.local"]


def primary(namespace: str, name: str, tag: str) -> list[str]:
    """Return the two full host names of a tag."""
    return [local(namespace, name, tag)[-1], external(namespace, name, tag)]


def fault(host: str) -> str:
    """Return what is wrong with a host name, in Knative's words; empty if nothing is."""
    for label in host.split("."):
        if len(label) > 63:
            text = f'url: Invalid value: "{label}": must be no more than 63 characters'
            return f'domain name error: invalid domain name "{host}": {text}'
    return ""


def _label(name: str, tag: str) -> str:
    return f"{tag}-{name}" if tag else name
