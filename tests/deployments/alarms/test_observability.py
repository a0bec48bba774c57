"""The stack observability: rules ring for what is wrong, dashboards name what is there, logs end some day."""

import json
import re
import shutil
import subprocess

import pytest
import yaml

from deployments import templates
from deployments.functions import Evaluator
from tests.deployments.alarms.test_alarms import ALARMS, DOCS, DOCUMENTED, FILTERS, ROOT, VALUES, anchors

TEMPLATE = templates.load("observability")
RESOURCES = TEMPLATE["Resources"]
HERE = Evaluator(
    TEMPLATE,
    ref={**VALUES, "PodLogs": "/aws/containerinsights/credit-dev/application", "AlarmTopic": "arn:topic"}.get,
    attribute=lambda resource, name: f"{resource}.{name}",
)
RULES = yaml.safe_load(RESOURCES["EndpointRules"]["Properties"]["Data"])
ALERTS = {rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"]}
GRAFANA = json.loads((ROOT / "deployments" / "grafana" / "endpoint.json").read_text())
BODY = json.loads(HERE.evaluate(RESOURCES["Dashboard"]["Properties"]["DashboardBody"]))
SCRAPES = yaml.safe_load(
    RESOURCES["Collector"]["Properties"]["ScrapeConfiguration"]["ConfigurationBlob"]["Fn::Base64"]
)["scrape_configs"]
# What Istio's proxies export: https://istio.io/latest/docs/reference/config/metrics/
ISTIO = {"istio_requests_total", "istio_request_duration_milliseconds_bucket"}
SHOWN = DOCUMENTED.keys() | {
    ("AWS/Events", "Invocations", frozenset({"RuleName"})),
    ("ContainerInsights", "cluster_node_count", frozenset({"ClusterName"})),
    # https://docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-cloudwatch-metrics.html
    ("AWS/NetworkELB", "NewFlowCount", frozenset({"LoadBalancer"})),
    ("AWS/NetworkELB", "TCP_Target_Reset_Count", frozenset({"LoadBalancer"})),
    # Only in us-east-1: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/monitor_estimated_charges_with_cloudwatch.html
    ("AWS/Billing", "EstimatedCharges", frozenset({"Currency"})),
}
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(not PROMTOOL, reason="no promtool; Debian has it in the package prometheus")


# --- Alarms on the endpoint's metrics ---

GATEWAY = 'istio_requests_total{job="gateway", response_code="%s"}'
BUCKET = 'istio_request_duration_milliseconds_bucket{job="gateway", le="%s"}'
LOOKUPS = 'credit_serve_lookups_total{job="model-servers", outcome="%s"}'
DROPPED = 'credit_serve_predictions_dropped_total{job="model-servers"}'
# Counters a minute: how much each grows in a minute. The alarms are asked for after half an hour.
STORIES = [
    ("a healthy endpoint", {GATEWAY % 200: 600, GATEWAY % 500: 1, BUCKET % 250: 600, BUCKET % "+Inf": 601}, set()),
    ("one answer in fifty is an error", {GATEWAY % 200: 600, GATEWAY % 503: 12}, {"endpoint-errors"}),
    ("two requests, one refused", {GATEWAY % 200: 0.1, GATEWAY % 500: 0.1}, set()),
    ("callers' own mistakes", {GATEWAY % 200: 600, GATEWAY % 422: 300}, set()),
    (
        "slow answers",
        {GATEWAY % 200: 600, BUCKET % 500: 590, BUCKET % 1000: 600, BUCKET % "+Inf": 600},
        {"endpoint-slow"},
    ),
    ("three slow answers an hour", {GATEWAY % 200: 0.05, BUCKET % 500: 0, BUCKET % "+Inf": 0.05}, set()),
    ("look-ups that DynamoDB answers", {LOOKUPS % "found": 600, LOOKUPS % "unanswered": 1}, set()),
    ("look-ups that nobody answers", {LOOKUPS % "found": 600, LOOKUPS % "unanswered": 20}, {"lookups-unanswered"}),
    ("predictions that S3 does not take", {DROPPED: 1}, {"predictions-dropped"}),
    ("predictions that S3 takes", {DROPPED: 0}, set()),
]


def asked(alert, rings):
    annotations = {
        name: text.replace("{{ $labels.job }}", "model-servers") for name, text in alert["annotations"].items()
    }
    labels = {"job": "model-servers"} if alert["alert"] == "metrics-unreadable" else {}
    expected = [{"exp_labels": labels, "exp_annotations": annotations}] if rings else []
    return {"eval_time": "30m", "alertname": alert["alert"], "exp_alerts": expected}


def promtool(folder, *arguments):
    command = [PROMTOOL, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def proved(folder, series, ringing):
    """Run promtool's own test of the rules on series given in its notation."""
    (folder / "rules.yaml").write_text(yaml.safe_dump(RULES))
    inputs = [{"series": name, "values": values} for name, values in series.items()]
    alerts = [asked(alert, name in ringing) for name, alert in ALERTS.items()]
    test = {"interval": "1m", "input_series": inputs, "alert_rule_test": alerts}
    (folder / "test.yaml").write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "tests": [test]}))
    return promtool(folder, "test", "rules", "test.yaml")


@needs_promtool
@pytest.mark.integration
@pytest.mark.parametrize(("story", "growth", "ringing"), STORIES)
def test_a_rule_rings_for_what_is_wrong_and_for_nothing_else(story, growth, ringing, tmp_path):
    done = proved(tmp_path, {name: f"0+{each}x40" for name, each in growth.items()}, ringing)
    assert done.returncode == 0, (story, done.stdout + done.stderr)


@needs_promtool
@pytest.mark.integration
@pytest.mark.parametrize(("values", "ringing"), [("1x40", set()), ("0x40", {"metrics-unreadable"})])
def test_servers_whose_metrics_cannot_be_read_ring(values, ringing, tmp_path):
    done = proved(tmp_path, {'up{job="model-servers"}': values, 'up{job="gateway"}': "1x40"}, ringing)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
@pytest.mark.integration
def test_what_grafana_asks_is_promql(tmp_path):
    asks = [target["expr"] for panel in GRAFANA["panels"] for target in panel["targets"]]
    rules = [{"record": f"panel_{place}", "expr": expression} for place, expression in enumerate(asks)]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "grafana", "rules": rules}]}))
    done = promtool(tmp_path, "check", "rules", "rules.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def exported():
    """Return the names of the metrics that the server's own code makes, as Prometheus stores them."""
    text = "\n".join(path.read_text() for path in (ROOT / "images" / "serve").rglob("*.py"))
    made = re.findall(r'(\w+?)(?:MetricFamily)?\(\s*"(credit_serve_\w+)"', text)
    endings = {"Counter": ("_total",), "Gauge": ("",), "Histogram": ("_bucket", "_sum", "_count")}
    return {name + ending for kind, name in made for ending in endings[kind]}


@pytest.mark.parametrize(
    "expression",
    [
        *(rule["expr"] for rule in ALERTS.values()),
        *(target["expr"] for panel in GRAFANA["panels"] for target in panel["targets"]),
    ],
)
def test_every_metric_that_is_asked_for_is_exported(expression):
    names = set(re.findall(r"\b(?:credit_serve|istio)_\w+", expression))
    assert names <= exported() | ISTIO
    assert names or expression == ALERTS["metrics-unreadable"]["expr"]


@pytest.mark.parametrize("name", ALERTS)
def test_every_rule_leads_to_its_section(name):
    (anchor,) = re.findall(r"docs/operations\.md#([a-z0-9-]+)", ALERTS[name]["annotations"]["summary"])
    assert anchor == name
    assert anchor in anchors()


def test_the_collector_reaches_the_metrics_of_the_model_servers():
    policy = yaml.safe_load((ROOT / "deployments" / "kserve" / "network.yaml").read_text())["spec"]
    let_in = [
        {block["ipBlock"]["cidr"] for block in rule["from"]}
        for rule in policy["ingress"]
        if {"port": 15020, "protocol": "TCP"} in rule["ports"] and "ipBlock" in rule["from"][0]
    ]
    subnets = templates.load("network")["Resources"]
    assert let_in == [{subnets[name]["Properties"]["CidrBlock"] for name in ("PrivateSubnetA", "PrivateSubnetB")}]


def test_the_collector_reads_the_jobs_that_rules_name_and_keeps_their_metrics():
    kept = {job["job_name"]: job["metric_relabel_configs"][0]["regex"] for job in SCRAPES}
    asked_of = set(re.findall(r'job="([\w-]+)"', str(RULES) + json.dumps(GRAFANA).replace('\\"', '"')))
    assert asked_of <= kept.keys()
    for name in exported():
        assert re.fullmatch(kept["model-servers"], name)
    for name in ISTIO:
        assert re.fullmatch(kept["gateway"], name)


def test_prometheus_writes_to_the_topic_of_all_alarms():
    definition = HERE.evaluate(RESOURCES["Metrics"]["Properties"]["AlertManagerDefinition"])
    routes = yaml.safe_load(yaml.safe_load(definition)["alertmanager_config"])
    (receiver,) = routes["receivers"]
    assert routes["route"]["receiver"] == receiver["name"]
    assert receiver["sns_configs"][0]["topic_arn"] == "arn:topic"
    assert receiver["sns_configs"][0]["sigv4"] == {"region": "eu-west-1"}


# --- The dashboards ---

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
REQUIRED = {
    "text": {"markdown"},
    "alarm": {"alarms", "title"},
    "metric": {"metrics", "region"},
    "log": {"query", "region"},
}


@pytest.mark.parametrize("widget", BODY["widgets"], ids=lambda widget: widget["properties"].get("title", "text"))
def test_a_widget_is_what_cloudwatch_documents(widget):
    assert widget.keys() == {"type", "x", "y", "width", "height", "properties"}
    assert widget["x"] >= 0
    assert widget["x"] + widget["width"] <= 24
    assert 1 <= widget["height"] <= 1000
    assert REQUIRED[widget["type"]] <= widget["properties"].keys()


def test_widgets_do_not_cover_each_other():
    cells = [
        (x, y)
        for one in BODY["widgets"]
        for x in range(one["x"], one["x"] + one["width"])
        for y in range(one["y"], one["y"] + one["height"])
    ]
    assert len(cells) == len(set(cells))


def drawn():
    for widget in BODY["widgets"]:
        for line in widget["properties"].get("metrics", []):
            yield widget["properties"]["region"], [part for part in line if isinstance(part, str)], line[-1]


def test_what_is_drawn_is_documented_or_counted_here():
    counted = {one["MetricName"] for filtered in FILTERS.values() for one in filtered["MetricTransformations"]}
    for region, parts, options in drawn():
        if "expression" in options:
            ask = r'SELECT SUM\((\w+)\) FROM SCHEMA\("([\w/]+)", (\w+)\)'
            name, namespace, dimension = re.fullmatch(ask, options["expression"]).groups()
            found = (namespace, name, frozenset({dimension}))
        else:
            found = (parts[0], parts[1], frozenset(parts[2::2]))
        assert found in SHOWN or (found[0] == "credit" and found[1] in counted), found
        assert (region == "us-east-1") is (found[0] == "AWS/Billing")


def test_the_dashboard_shows_every_alarm_that_is_always_there():
    (shown,) = [one["properties"]["alarms"] for one in BODY["widgets"] if one["type"] == "alarm"]
    always = [one for name, one in ALARMS.items() if "Condition" not in templates.load("alarms")["Resources"][name]]
    prefix = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:"
    assert set(shown) == {prefix + one["AlarmName"] for one in always}


def test_grafana_shows_what_the_person_on_call_asks_for():
    titles = " ".join(panel["title"].lower() for panel in GRAFANA["panels"])
    for word in ("traffic", "latency", "errors", "pd distribution", "missing", "drift", "models"):
        assert word in titles
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in GRAFANA["panels"])
    assert len({panel["id"] for panel in GRAFANA["panels"]}) == len(GRAFANA["panels"])


# --- Logs and audits ---


def test_every_group_that_the_add_on_writes_is_there_before_it_and_ends_some_day():
    addon = RESOURCES["ObservabilityAddon"]
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Container-Insights-setup-logs-FluentBit.html
    wanted = {
        f"/aws/containerinsights/credit-dev/{name}" for name in ("application", "dataplane", "host", "performance")
    }
    groups = {name: one["Properties"] for name, one in RESOURCES.items() if one["Type"] == "AWS::Logs::LogGroup"}
    ready = {HERE.evaluate(groups[name]["LogGroupName"]) for name in addon["DependsOn"] if name in groups}
    assert ready == wanted
    assert all(one["RetentionInDays"] == {"Ref": "LogDays"} for one in groups.values())


def test_the_add_on_collects_logs_and_puts_no_code_into_pods():
    values = json.loads(RESOURCES["ObservabilityAddon"]["Properties"]["ConfigurationValues"])
    assert values["containerLogs"] == {"enabled": True}
    collected = values["agent"]["config"]["logs"]["metrics_collected"]
    assert collected.keys() == {"kubernetes"}, "application_signals would instrument the servers"


@pytest.mark.parametrize(
    ("switch", "kind"),
    [
        ("BucketAudit", "AWS::CloudTrail::Trail"),
        ("NetworkAudit", "AWS::EC2::FlowLog"),
        ("GuardDuty", "AWS::GuardDuty::Detector"),
    ],
)
def test_an_audit_is_off_until_it_is_asked_for_and_says_its_price(switch, kind):
    rules = TEMPLATE["Parameters"][switch]
    assert rules["Default"] == "false"
    assert "US dollars" in rules["Description"]
    conditions = [one["Condition"] for one in RESOURCES.values() if one["Type"] == kind]
    assert [TEMPLATE["Conditions"][name] for name in conditions] == [{"Fn::Equals": [{"Ref": switch}, "true"]}]


def test_the_sources_of_metrics_are_pages_of_aws():
    assert all(source.startswith(DOCS) for source in DOCUMENTED.values())
