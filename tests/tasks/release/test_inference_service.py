"""The predictor spec tells model servers of the table and the log; a changed setting makes another spec of it."""

import pytest
from pydantic import ValidationError

from tasks.release.inference_service import inference_service, predictor, served
from tasks.sagemaker.registry import RegisteredModel
from tasks.settings import Settings, settings

pytestmark = [pytest.mark.usefixtures("platform"), pytest.mark.xdist_group("platform")]
MODEL = RegisteredModel(
    arn="a", portfolio="uci_credit_card", version="v", status="Approved", bundle_uri="s3://b/m/", archive_uri="s3://b/a",
    snapshot_id="s", job_name="j", released_at=None,
)  # fmt: skip


def spec(monkeypatch, **variables: str) -> dict:
    for name, value in variables.items():
        monkeypatch.setenv(f"CREDIT_{name}", value)
    settings.cache_clear()
    try:
        return predictor(MODEL)
    finally:
        settings.cache_clear()


def environment(predictor_spec: dict) -> dict[str, str]:
    return {variable["name"]: variable["value"] for variable in predictor_spec["containers"][0]["env"]}


def test_servers_are_told_of_table_and_log(monkeypatch):
    asked = spec(monkeypatch, ONLINE_TABLES="prod", ONLINE_TIMEOUT_MS="7.5", PREDICTION_LOG="s3://b/predictions")
    assert environment(asked) == {
        "STORAGE_URI": "s3://b/m/",
        "CREDIT_ONLINE_TABLE": "prod-uci-credit-card",
        "CREDIT_ONLINE_TIMEOUT_MS": "7.5",
        "CREDIT_PREDICTION_LOG": "s3://b/predictions",
    }


def test_istio_finds_the_servers_metrics_where_the_server_listens() -> None:
    whole = inference_service(MODEL)
    (port,) = whole["spec"]["predictor"]["containers"][0]["ports"]
    found = {name: text for name, text in whole["metadata"]["annotations"].items() if name.startswith("prometheus.io/")}
    assert found == {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(port["containerPort"]),
        "prometheus.io/path": "/metrics",
    }


def test_without_the_settings_they_are_told_nothing(monkeypatch):
    assert set(environment(spec(monkeypatch, ONLINE_TABLES="", PREDICTION_LOG=""))) == {"STORAGE_URI"}


def test_a_changed_setting_is_something_else_to_serve_and_a_defaulted_field_is_not(monkeypatch):
    before = spec(monkeypatch, ONLINE_TABLES="one")
    defaulted = before | {"containers": [before["containers"][0] | {"terminationMessagePath": "/dev/termination-log"}]}
    assert served(before) == served(defaulted)
    assert served(before) != served(spec(monkeypatch, ONLINE_TABLES="two"))


def test_a_changed_size_is_something_else_to_serve_and_another_way_to_write_it_is_not(monkeypatch):
    before = spec(monkeypatch, SERVE_CPU="1")
    sizes = {"SERVE_MAX_REPLICAS": "9", "SERVE_MEMORY": "2Gi", "SERVE_NODE_GROUP": "other", "SERVE_TOKEN_SECRET": "t"}
    for name, value in sizes.items():
        with monkeypatch.context() as patch:
            assert served(before) != served(spec(patch, **{name: value})), name
    container = before["containers"][0]
    written = container["resources"] | {"limits": {"cpu": "1000m", "memory": "1Gi"}}
    assert served(before) == served(before | {"containers": [container | {"resources": written}]})


@pytest.mark.parametrize(
    ("name", "value"), [("ONLINE_TABLES", "a/b"), ("ONLINE_TIMEOUT_MS", "0"), ("PREDICTION_LOG", "predictions")]
)
def test_settings_that_no_server_could_use_are_refused(monkeypatch, name, value):
    monkeypatch.setenv(f"CREDIT_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()
