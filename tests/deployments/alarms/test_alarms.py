"""The alarms of deployments/aws/alarms.yaml: numbers and events that must wake somebody do, and healthy ones do not."""

import json
import re
import subprocess
import sys
from pathlib import Path

import botocore.session
import pytest

from deployments import templates
from deployments.functions import Evaluator
from sandbox.aws.events import patterns
from tests.deployments.alarms.cloudwatch import metric, queried, state

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "operations.md").read_text()
VALUES = {
    "Stage": "dev", "EcsCluster": "credit-dev", "EksCluster": "credit-dev", "Topic": "topic", "DailyScores": "true",
    "AWS::AccountId": "123456789012", "AWS::Region": "eu-west-1", "AWS::Partition": "aws",
}  # fmt: skip
TEMPLATE = templates.load("alarms")
DOCS = "https://docs.aws.amazon.com/"
ECS = DOCS + "AmazonCloudWatch/latest/monitoring/Container-Insights-metrics-ECS.html"
EVENTS = DOCS + "eventbridge/latest/userguide/eb-monitoring.html"
SQS = DOCS + "AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html"
# Each service's metrics with the names of their dimensions, and where AWS documents them.
DOCUMENTED = {
    ("ECS/ContainerInsights", "RunningTaskCount", frozenset({"ClusterName", "ServiceName"})): ECS,
    ("ECS/ContainerInsights", "MemoryUtilized", frozenset({"ClusterName", "TaskDefinitionFamily"})): ECS,
    ("AWS/SQS", "ApproximateAgeOfOldestMessage", frozenset({"QueueName"})): SQS,
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible", frozenset({"QueueName"})): SQS,
    ("AWS/Events", "RetryInvocationAttempts", frozenset({"RuleName"})): EVENTS,
    ("AWS/Events", "FailedInvocations", frozenset({"RuleName"})): EVENTS,
    ("ContainerInsights", "cluster_failed_node_count", frozenset({"ClusterName"})): (
        DOCS + "AmazonCloudWatch/latest/monitoring/Container-Insights-metrics-EKS.html"
    ),
    ("AWS/NetworkELB", "UnHealthyHostCount", frozenset({"LoadBalancer", "TargetGroup"})): (
        DOCS + "elasticloadbalancing/latest/network/load-balancer-cloudwatch-metrics.html"
    ),
}


def of_type(kind):
    here = Evaluator(TEMPLATE, ref=VALUES.get, attribute=lambda resource, name: f"{resource}.{name}")
    found = {name: one["Properties"] for name, one in TEMPLATE["Resources"].items() if one["Type"] == kind}
    return {name: here.evaluate(properties) for name, properties in found.items()}


ALARMS = of_type("AWS::CloudWatch::Alarm")
RULES = of_type("AWS::Events::Rule")
FILTERS = of_type("AWS::Logs::MetricFilter")


# --- The evaluator, on the tables of CloudWatch's documentation: the newest point is last, X breaches, - is missing ---


@pytest.mark.parametrize(
    ("needed", "points", "missing", "ignore", "breaching", "not_breaching"),
    [
        (3, "0 - X - X", "OK", "OK", "OK", "OK"),
        (3, "0 - - - -", "OK", "OK", "OK", "OK"),
        (3, "- - - - -", "INSUFFICIENT_DATA", "before", "ALARM", "OK"),
        (3, "0 X X - X", "ALARM", "ALARM", "ALARM", "ALARM"),
        (3, "- - X - -", "ALARM", "before", "ALARM", "OK"),
        (2, "0 - X - X", "ALARM", "ALARM", "ALARM", "ALARM"),
        (2, "0 0 X 0 X", "ALARM", "ALARM", "ALARM", "ALARM"),
        (2, "0 - X - -", "OK", "OK", "ALARM", "OK"),
        (2, "- - - - 0", "OK", "OK", "ALARM", "OK"),
        (2, "- - - X -", "ALARM", "before", "ALARM", "OK"),
    ],
)
def test_the_evaluator_answers_as_the_documentation_says(needed, points, missing, ignore, breaching, not_breaching):
    series = [{"0": 0.0, "X": 1.0, "-": None}[mark] for mark in points.split()]
    rules = {"EvaluationPeriods": 3, "DatapointsToAlarm": needed, "Threshold": 0}
    rules["ComparisonOperator"] = "GreaterThanThreshold"
    treatments = {"missing": missing, "ignore": ignore, "breaching": breaching, "notBreaching": not_breaching}
    for treatment, expected in treatments.items():
        assert state({**rules, "TreatMissingData": treatment}, series, before="before") == expected, treatment


def test_an_early_breach_among_gaps_waits_for_the_next_point():
    rules = {"EvaluationPeriods": 3, "Threshold": 0, "ComparisonOperator": "GreaterThanThreshold"}
    assert state(rules, [None, None, None, None, 1.0]) == "OK"
    assert state(rules, [None, None, None, 1.0, None]) == "OK"


# --- The alarms ---

N = None
HEALTHY_AND_SICK = [
    # A deployment replaces the worker, which takes a minute or two.
    ("NoWorker", "a worker, missed for two minutes", [1, 1, 1, N, 0, 1, 1], "OK"),
    ("NoWorker", "no worker", [1, 1, 0, 0, 0, 0, 0], "ALARM"),
    ("NoWorker", "a service without tasks, of which ECS may report nothing", [N] * 7, "ALARM"),
    ("StuckWorker", "a worker that was replaced", [0, 0, 920, 960, 3, 2, 2], "OK"),
    ("StuckWorker", "an empty queue that reports nothing any more", [N] * 7, "OK"),
    ("StuckWorker", "a worker that reads nothing", [0, 0, 0, 860, 920, 980, 1040], "ALARM"),
    ("LongTask", "a day of flows with pauses", [60, 60, 30, 60, 60, 60, 60, 60, 60, 60, 60, 60, N, 60], "OK"),
    ("LongTask", "a task that hangs", [N, 20, *[60] * 12], "ALARM"),
    ("FailedRun", "no flow ran", [N] * 3, "OK"),
    ("FailedRun", "flows ran well", [0, 0, 0], "OK"),
    ("FailedRun", "a failed run", [0, 0, 1], "ALARM"),
    ("LateScores", "scores at five every day", [N] * 20 + [1] + [N] * 7, "OK"),
    ("LateScores", "no scores since the day before yesterday", [N] * 28, "ALARM"),
    ("Undelivered", "an empty queue", [0, 0, 0], "OK"),
    ("Undelivered", "a dead letter", [0, 0, 1], "ALARM"),
    ("NodeNotReady", "a node that restarts", [0, 0, 1, 1, 1, 0, 0], "OK"),
    ("NodeNotReady", "a node that stays away", [0, 0, 1, 1, 1, 1, 1], "ALARM"),
    ("NodeNotReady", "no add-on that counts", [N] * 7, "INSUFFICIENT_DATA"),
]
QUERIED = [
    ("WaitingEvents", "nothing to retry", [[N] * 5, [N] * 5], "OK"),
    ("WaitingEvents", "Prefect was away for ten minutes", [[N, 4, 2, N, N], [N, N, 1, N, N]], "OK"),
    ("WaitingEvents", "Prefect is away", [[N, N, 9, N, 1], [N, N, N, 3, N]], "ALARM"),
    ("FailedEvents", "no failure", [[N] * 3, [N] * 3], "OK"),
    ("FailedEvents", "one rule of two has failed", [[N] * 3, [N, N, 1]], "ALARM"),
    ("UnhealthyTargets", "no load balancer yet", [[N] * 7], "OK"),
    ("UnhealthyTargets", "a gateway that moves", [[0, 0, 2, 2, 1, 0, 0], [0] * 7], "OK"),
    ("UnhealthyTargets", "one target stays unhealthy", [[0] * 7, [0, 0, 1, 1, 1, 1, 1]], "ALARM"),
]


@pytest.mark.parametrize(("name", "story", "points", "expected"), HEALTHY_AND_SICK)
def test_an_alarm_rings_for_what_is_wrong_and_for_nothing_else(name, story, points, expected):
    assert len(points) == ALARMS[name]["EvaluationPeriods"] + 2, "CloudWatch looks further back than it needs"
    assert state(ALARMS[name], points) == expected, story


@pytest.mark.parametrize(("name", "story", "series", "expected"), QUERIED)
def test_an_alarm_on_a_query_rings_for_what_is_wrong_and_for_nothing_else(name, story, series, expected):
    assert all(len(points) == ALARMS[name]["EvaluationPeriods"] + 2 for points in series)
    assert state(ALARMS[name], queried(ALARMS[name], series)) == expected, story


def test_every_alarm_has_a_sick_and_a_healthy_story():
    told = {(name, expected) for name, _, _, expected in (*HEALTHY_AND_SICK, *QUERIED)}
    assert {(name, word) for name in ALARMS for word in ("OK", "ALARM")} <= told


@pytest.mark.parametrize("name", ALARMS)
def test_what_an_alarm_watches_is_documented_or_made_here(name):
    namespace, number, dimensions = metric(ALARMS[name])
    made = {
        (one["MetricNamespace"], one["MetricName"])
        for filtered in FILTERS.values()
        for one in filtered["MetricTransformations"]
    }
    if namespace == "credit":
        assert (namespace, number) in made
        assert not dimensions
    else:
        assert (namespace, number, dimensions) in DOCUMENTED


NAMED = {"ServiceName": "ServiceName", "QueueName": "QueueName", "TaskDefinitionFamily": "Family"}


def made_of(field):
    """Return what the resources of all stacks have in a property."""
    evaluate = Evaluator({}, ref={"Stage": "dev"}.get, attribute=lambda resource, name: None).evaluate
    found = [one for stack in templates.STACKS for one in templates.load(stack)["Resources"].values()]
    properties = [one.get("Properties", {}) for one in found if one["Type"] != "AWS::Logs::MetricFilter"]
    return [evaluate(one[field]) for one in properties if field in one]


def test_what_the_alarms_name_is_what_the_other_stacks_make():
    named = [one for alarm in ALARMS.values() for one in alarm.get("Dimensions", []) if one["Name"] in NAMED]
    assert {one["Name"] for one in named} == NAMED.keys()
    assert [one for one in named if one["Value"] not in made_of(NAMED[one["Name"]])] == []
    assert [one for one in FILTERS.values() if one["LogGroupName"] not in made_of("LogGroupName")] == []


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_looks_back_no_further_than_cloudwatch_allows(name):
    alarm = ALARMS[name]
    period = alarm.get("Period") or alarm["Metrics"][0]["Period"]
    longest = 604_800 if period >= 3600 else 86_400
    assert period * alarm["EvaluationPeriods"] <= longest
    if "Metrics" in alarm:  # a query of Metrics Insights reaches three hours back
        assert period * alarm["EvaluationPeriods"] <= 3 * 3600


# --- What is counted in the log ---


def passes(pattern, line):
    """Whether a line has all terms of a filter pattern in quotes."""
    terms = re.findall(r'"([^"]*)"', pattern)
    assert " ".join(f'"{term}"' for term in terms) == pattern
    return all(term in line for term in terms)


def counted(line):
    names = [name for name, one in FILTERS.items() if passes(one["FilterPattern"], line)]
    return {one["MetricName"] for name in names for one in FILTERS[name]["MetricTransformations"]}, len(names)


LINES = [
    ("Flow run 'score case 2026-11-22' - Finished in state Completed()", {"CompletedScores"}),
    ("Flow run 'score case 2026-11-22' - Finished in state Failed('no champion')", {"FailedRuns"}),
    ("Flow run 'ingest case' - Finished in state Crashed('Execution was aborted by SIGTERM.')", {"FailedRuns"}),
    ("prefect.flow_runs.runner - Reported flow run '0a1b' as crashed: exit code -9", {"FailedRuns"}),
    ("Flow run 'train case 2026-10' - Finished in state Completed()", set()),
    ("Flow run 'train case 2026-10' - Finished in state Cancelled()", set()),
    ("Task run 'smoke-1f2' - Finished in state Failed('503')", set()),
    ("Flow run 'score case 2026-11-22' - [job] rows Completed", set()),
]


@pytest.mark.parametrize(("line", "expected"), LINES)
def test_a_line_of_the_log_counts_once_for_what_it_means(line, expected):
    assert counted(f"05:00:17.123 | INFO    | {line}") == (expected, len(expected))


SAYS = """
import sys
from prefect import flow, task
@task
def step(): raise ValueError("a step")
@flow(flow_run_name="score case 2026-11-22")
def well(): step(return_state=True); return 1
@flow(flow_run_name="train case 2026-10")
def badly(): raise ValueError("no data")
@flow(flow_run_name="ingest case")
def killed(): raise KeyboardInterrupt
from prefect.testing.utilities import prefect_test_harness
with prefect_test_harness(server_startup_timeout=180):
    for one in (well, badly, killed):
        try: one()
        except BaseException as error: print(type(error), file=sys.stderr)
"""


@pytest.mark.integration
@pytest.mark.slow
def test_prefect_still_says_what_the_filters_look_for():
    done = subprocess.run([sys.executable, "-c", SAYS], capture_output=True, text=True, check=True)
    counts = [counted(line) for line in done.stderr.splitlines()]
    names = sorted(name for found, _ in counts for name in found)
    assert names == ["CompletedScores", "FailedRuns", "FailedRuns"]


# --- What AWS reports as events ---

CLUSTER = "arn:aws:ecs:eu-west-1:123456789012:cluster/credit-dev"


def task(code, stop, *, group="family:credit-flows", status="STOPPED", cluster=CLUSTER):
    container = {"name": "prefect", "lastStatus": status} | ({} if code is None else {"exitCode": code})
    detail = {"clusterArn": cluster, "group": group, "lastStatus": status, "containers": [container]}
    return event("aws.ecs", "ECS Task State Change", {**detail, **({"stopCode": stop} if stop else {})})


def event(source, kind, detail):
    return {"source": source, "detail-type": kind, "account": "123456789012", "detail": detail}


def job(kind, name, status):
    detail = {f"{kind}JobName": name, f"{kind}JobStatus": status}
    return event("aws.sagemaker", f"SageMaker {kind} Job State Change", detail)


def pipeline(name, status):
    return event(
        "aws.codepipeline", "CodePipeline Pipeline Execution State Change", {"pipeline": name, "state": status}
    )


HAPPENS = [
    ("FailedTask", True, task(137, "EssentialContainerExited")),
    ("FailedTask", True, task(None, "TaskFailedToStart")),
    ("FailedTask", False, task(0, "EssentialContainerExited")),
    ("FailedTask", False, task(143, "UserInitiated")),
    ("FailedTask", False, task(None, "", status="RUNNING")),
    ("FailedTask", False, task(1, "EssentialContainerExited", group="service:credit-worker")),
    ("FailedTask", False, task(1, "EssentialContainerExited", cluster=CLUSTER + "-other")),
    ("FailedJob", True, job("Training", "credit-case-1", "Failed")),
    ("FailedJob", True, job("Transform", "credit-case-1", "Failed")),
    ("FailedJob", False, job("Training", "credit-case-1", "Completed")),
    ("FailedJob", False, job("Transform", "credit-case-1", "Stopped")),
    ("FailedJob", False, job("Training", "somebody-elses", "Failed")),
    ("FailedPipeline", True, pipeline("credit-dev", "FAILED")),
    ("FailedPipeline", False, pipeline("credit-dev", "SUPERSEDED")),
    ("FailedPipeline", False, pipeline("other", "FAILED")),
]


@pytest.mark.parametrize(("name", "rings", "happened"), HAPPENS)
def test_a_rule_passes_on_failures_alone(name, rings, happened):
    pattern = RULES[name]["EventPattern"]
    patterns.check(pattern)
    assert patterns.matches(pattern, happened) is rings


def test_every_rule_has_both_kinds_of_events():
    assert {(name, rings) for name in RULES for rings in (True, False)} == {(name, rings) for name, rings, _ in HAPPENS}


def test_the_states_that_rules_look_for_are_those_of_the_services():
    models = botocore.session.get_session()
    ecs, sagemaker, codepipeline = (models.get_service_model(name) for name in ("ecs", "sagemaker", "codepipeline"))
    detail = {name: rule["EventPattern"]["detail"] for name, rule in RULES.items()}
    stops = [code for choice in detail["FailedTask"]["$or"] for code in choice["stopCode"]]
    assert set(stops) < set(ecs.shape_for("TaskStopCode").enum)
    for one, kind in zip(detail["FailedJob"]["$or"], ("Training", "Transform"), strict=True):
        assert set(one[f"{kind}JobStatus"]) < set(sagemaker.shape_for(f"{kind}JobStatus").enum)
    # The event spells the API's states in capitals.
    states = {name.upper() for name in codepipeline.shape_for("PipelineExecutionStatus").enum}
    assert set(detail["FailedPipeline"]["state"]) < states


# --- Who hears of it ---


def test_those_who_publish_to_the_topic_may():
    (policy,) = of_type("AWS::SNS::TopicPolicy").values()
    statements = {one["Principal"]["Service"]: one for one in policy["PolicyDocument"]["Statement"]}
    assert statements.keys() == {"cloudwatch.amazonaws.com", "events.amazonaws.com", "aps.amazonaws.com"}
    assert "Condition" not in statements["events.amazonaws.com"], "EventBridge sends nothing that it could check"
    assert all(alarm["AlarmActions"] == ["topic"] for alarm in ALARMS.values())
    assert all([target["Arn"] for target in rule["Targets"]] == ["topic"] for rule in RULES.values())


@pytest.mark.parametrize(("stack", "logical"), [("alarms", "Topic"), ("pipeline", "Approvals")])
@pytest.mark.parametrize("address", ["", "on-call@bank.example"])
def test_without_an_address_the_topic_is_there_and_nobody_is_subscribed(stack, logical, address):
    template = templates.load(stack)
    here = Evaluator(template, ref={**VALUES, "AlarmEmail": address}.get, attribute=lambda resource, name: None)
    found = here.evaluate(template["Resources"][logical]["Properties"])
    mails = [{"Protocol": "email", "Endpoint": address}] if address else None
    assert found.get("Subscription") == mails


@pytest.mark.parametrize("address", ["", "on-call@bank.example"])
def test_without_an_address_the_budget_notifies_nobody(address):
    template = templates.load("training")
    values = {"Stage": "dev", "AlarmEmail": address, "BudgetDollars": "600"}
    here = Evaluator(template, ref=values.get, attribute=lambda resource, name: None)
    found = here.evaluate(template["Resources"]["Bill"]["Properties"])
    told = [one["Address"] for note in found.get("NotificationsWithSubscribers", []) for one in note["Subscribers"]]
    assert told == ([address, address] if address else [])


def test_nothing_that_is_deployed_writes_to_an_address_of_nobody():
    files = [path for path in (ROOT / "deployments").rglob("*") if path.suffix in {".yaml", ".env", ".json", ".py"}]
    assert [path for path in files if re.search(r"[\w.-]+@example\.(com|org)", path.read_text())] == []


def anchors():
    titles = re.findall(r"^#+ (.*)$", PAGE, re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("name", [*ALARMS, *RULES])
def test_every_alarm_leads_to_its_section(name):
    text = json.dumps(ALARMS.get(name) or RULES[name]["Targets"])
    (anchor,) = re.findall(r"docs/operations\.md#([a-z0-9-]+)", text)
    assert anchor in anchors()
