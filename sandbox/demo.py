"""The demo: the platform's whole loop on one machine, stage by stage, with a summary of the results."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from prefect.types import DateTime
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sandbox import estate, evidence
from sandbox.demo_files import DemoFiles, check_file, simulate_files, split_file
from sandbox.flow_runs import FlowRuns, now
from sandbox.stack import Sandbox

METRICS = ("roc_auc", "pr_auc", "brier", "ks")
SHOWN_APPLICANTS = 3


class NoModelError(RuntimeError):
    """The portfolio has no approved model, so the loop cannot continue."""


class Demo:
    """One run of the loop for one portfolio.

    Attributes:
        seconds: Duration of each stage.
        summary: The results for scripts; README.md lists the main fields.
    """

    def __init__(self, sandbox: Sandbox, files: DemoFiles, console: Console) -> None:
        self.files = files
        self.portfolio = files.portfolio
        self.seconds: dict[str, float] = {}
        self.summary: dict[str, Any] = {}
        self._console = console
        self._runs = FlowRuns(api=sandbox.environment["PREFECT_API_URL"], say=self._log, check=sandbox.check)
        self._sandbox = sandbox

    def run(self) -> None:
        """Run the loop: history, first model, online predictions, then a file that starts the loop by itself."""
        with self.stage("ingest"):
            uri = self._upload("import", self.files.first)
            self._runs.run("ingest", {"uri": uri, "retrain": False})
        with self.stage("train"):
            since = now()
            self._runs.run("train", {"portfolio": self.portfolio})
        first = evidence.newest_model(self.portfolio)
        self._show_gate(first)
        if first.status != "Approved":
            raise NoModelError(f"the gate rejected the first model ({_failed(first)}): nothing can serve")
        with self.stage("release"):
            self._runs.await_triggered("release", since)
        with self.stage("score"):
            self._runs.run("score", {"portfolio": self.portfolio})
        with self.stage("online"):
            self._ask_online()
        if self.files.second is not None:
            self._close_the_loop(self.files.second)
        self._summarise()

    def _close_the_loop(self, second: Path) -> None:
        """Drop a file and only watch: its arrival starts ingest, training, the gate, and release if the model wins."""
        since = now()
        self._say(f"dropping {second.name} into landing/: the rest starts by itself")
        self._upload("landing", second)
        with self.stage("ingest again"):
            self._runs.await_triggered("ingest", since)
        outcomes = evidence.outcomes_of_newest_file(self.portfolio)
        if outcomes >= estate.RETRAIN_OUTCOMES:
            self._challenge(since)
        else:
            self._say(f"the file holds {outcomes} outcomes, and {estate.RETRAIN_OUTCOMES} new ones start a training")
        with self.stage("score again"):
            self._runs.run("score", {"portfolio": self.portfolio})

    def _challenge(self, since: DateTime) -> None:
        with self.stage("train challenger"):
            self._runs.await_triggered("train", since)
        challenger = evidence.newest_model(self.portfolio)
        self._show_gate(challenger)
        if challenger.status == "Approved":
            with self.stage("release challenger"):
                self._runs.await_triggered("release", since)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Print the stage's heading, time it, and print its duration."""
        self._console.rule(f"[bold]{name}", align="left")
        started = time.perf_counter()
        yield
        self.seconds[name.replace(" ", "_")] = round(time.perf_counter() - started, 1)
        self._say(f"{name} took {self.seconds[name.replace(' ', '_')]:.1f} s")

    def _upload(self, place: str, path: Path) -> str:
        key = f"{place}/{self.portfolio}/applications/{path.name}"
        self._say(f"{path.name} ({path.stat().st_size / 1e6:.1f} MB) to s3://{estate.BUCKET}/{key}")
        boto3.client("s3").upload_file(str(path), estate.BUCKET, key)
        return f"s3://{estate.BUCKET}/{key}"

    def _ask_online(self) -> None:
        self._say(f"POST {evidence.endpoint(self.portfolio)}/v1/models/credit-model:predict")
        for row in evidence.applicants(self.portfolio, SHOWN_APPLICANTS):
            self._say("request " + json.dumps({"instances": [row]}))
            self._say("answer  " + json.dumps(evidence.predict(self.portfolio, [row])))

    def _show_gate(self, challenger: evidence.Model) -> None:
        table = Table(title=f"gate: challenger {challenger.version} is {challenger.status}", title_justify="left")
        for column in ("check", "value", "limit", "passed"):
            table.add_column(column)
        for check in challenger.verdict()["checks"]:
            table.add_row(
                check["name"], _short(check["value"]), _short(check["limit"]), "yes" if check["passed"] else "NO"
            )
        self._console.print(table)

    def _summarise(self) -> None:
        champion = evidence.champion(self.portfolio)
        scores = evidence.published_scores(self.portfolio)
        matches = evidence.online_matches(self.portfolio, scores)
        self.summary = {
            "model_version": champion.version,
            "metrics": {name: champion.metrics[name] for name in METRICS},
            "rows_scored": scores.num_rows,
            "online_matches_batch": matches,
            "seconds": self.seconds,
            "models": {model.version: model.status for model in evidence.models(self.portfolio)},
            "endpoint": evidence.endpoint(self.portfolio),
            "report": evidence.fetch_report(champion, self._sandbox.state),
            "scores": evidence.scores_uri(self.portfolio),
            "prefect_ui": self._sandbox.addresses()["Prefect UI"],
        }
        if self.files.true_pd is not None:
            self.summary["true_pd_roc_auc"] = evidence.true_auc(champion, self.files.true_pd)
        self._show_summary()

    def _show_summary(self) -> None:
        self._console.rule(f"[bold]{self.portfolio}", align="left")
        table = Table(show_header=False, box=None)
        for key, value in self.summary.items():
            table.add_row(key, escape(json.dumps(value) if isinstance(value, dict) else str(value)))
        self._console.print(table)

    def _say(self, text: str) -> None:
        self._console.print(f"  {escape(text)}", highlight=False)

    def _log(self, line: str) -> None:
        self._console.print(f"  [dim]{escape(line)}[/dim]", highlight=False, soft_wrap=True)


def _failed(model: evidence.Model) -> str:
    return ", ".join(check["detail"] for check in model.verdict()["checks"] if not check["passed"])


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def run(*, data: Path | None, portfolio: str, state: Path, leave: bool, summary: Path | None) -> None:
    """Run the demo; stay up until Ctrl-C unless `leave`; write the summary as JSON if asked.

    Args:
        data: A file of applications; None simulates them.
        portfolio: The portfolio whose contract the file follows.
        state: Folder of all files of the sandbox.
        leave: Whether to stop after the summary.
        summary: Where to write the summary; None for nowhere.
    """
    console = Console(soft_wrap=True)
    started = time.perf_counter()
    console.rule("[bold]sandbox", align="left")
    console.print(f"reading {data}" if data else "simulating applications")
    if data:
        check_file(data, portfolio)
    files = split_file(data, portfolio, state / "files") if data else simulate_files(state / "files")
    with Sandbox(state, say=lambda line: console.print(line, highlight=False)) as sandbox:
        demo = Demo(sandbox, files, console)
        demo.seconds["sandbox"] = round(time.perf_counter() - started, 1)
        demo.run()
        if summary:
            summary.write_text(json.dumps({files.portfolio: demo.summary}, indent=1))
        console.print(f"whole loop: {time.perf_counter() - started:.0f} s")
        if not leave:
            console.print("the sandbox is still running: look around, and stop it with Ctrl-C")
            _stay(sandbox)


def _stay(sandbox: Sandbox) -> None:
    while True:
        sandbox.check()
        time.sleep(1)
