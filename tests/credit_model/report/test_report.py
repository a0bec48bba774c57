"""The papers of a bundle: self-contained, complete, small, and free of markup that comes from data."""

import html.parser
import re

import pytest

from credit_model.bundle.document import Document
from credit_model.contract.derived import Derived
from credit_model.gate.compare import compare
from credit_model.report.model_report import render_card, render_report
from credit_model.training.train import train


class _Tags(html.parser.HTMLParser):
    """Collects tags and complains about those closed in the wrong order."""

    void = frozenset({"meta", "br", "rect", "line", "circle", "path", "polyline"})

    def __init__(self):
        super().__init__()
        self.open, self.faults, self.seen = [], [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append((tag, self.getpos()))


def parsed(text):
    tags = _Tags()
    tags.feed(text)
    return tags


def test_the_report_is_whole_self_contained_and_small(bundle):
    tags = parsed(bundle.report)
    assert not tags.faults
    assert not tags.open
    assert not [tag for tag, attributes in tags.seen if {"src", "href"} & set(attributes) or tag == "script"]
    assert len(bundle.report.encode()) < 5_000_000
    assert not re.search(r"https?://|@import|\bnan\b|\binf\b|Undefined", bundle.report)
    for heading in ("Can it be trusted?", "Grades", "Decisions", "For comparison only", "Fairness", "For the reviewer"):
        assert heading in bundle.report
    for name in bundle.document.features:
        assert name in bundle.report


def test_the_report_can_be_drawn_again_from_the_bundle(bundle, tmp_path):
    bundle.save(tmp_path / "model")
    again = type(bundle).load(tmp_path / "model")
    assert render_report(again.document) == bundle.report
    assert render_card(again.document) == bundle.model_card


def test_a_comparison_says_what_changed_against_the_champion(bundle, portfolio, case, quick):
    rival = train(portfolio.training, case, quick.model_copy(update={"max_rounds": 5}))
    verdict = compare(rival, bundle, portfolio.holdout).model_dump(mode="json")
    report = render_report(bundle.document, comparison=verdict)
    assert "Against the champion" in report
    assert rival.version in report
    assert all(check["detail"].split(":")[0].split("'")[0] in report for check in verdict["checks"])
    assert not parsed(report).faults


def test_hostile_names_stay_text(bundle):
    contract = bundle.contract.model_copy(update={"title": "<script>alert(1)</script>"})
    columns = tuple(c.model_copy(update={"reason": "<b onclick=x>bad</b>"}) for c in contract.columns)
    document = bundle.document.model_copy(update={"contract": contract.model_copy(update={"columns": columns})})
    report = render_report(document)
    assert "<script" not in report
    assert "<b onclick" not in report
    dropped = {"age": "<img src=x>&"}
    card = render_card(document.model_copy(update={"dropped": dropped}))
    assert card.startswith("# Model card: &lt;script&gt;alert(1)&lt;/script&gt;\n")
    assert "age (&lt;img src=x&gt;&amp;)" in card
    assert not re.search("<[a-z]", card)


def test_an_old_bundle_without_evidence_still_has_papers(bundle):
    old = bundle.document.model_dump(mode="json") | {"evidence": {}, "reasons": None}
    for measured in old["metrics"].values():
        del measured["intervals"], measured["brier_parts"], measured["curves"]["densities"]
    document = Document.model_validate(old)
    assert not parsed(render_report(document)).faults
    assert "Limits" in render_card(document)


def test_the_card_names_purpose_limits_and_what_a_reviewer_decides(bundle):
    for words in ("**Purpose.**", "## Limits", "## What a reviewer decides", "SR 26-2", "CCD2", "no legal assessment"):
        assert words in bundle.model_card


def test_the_card_lists_the_directions_that_bound_the_model(bundle):
    def directions(document):
        return re.search(r"one direction: (.*)\.\n", render_card(document))[1]

    document = bundle.document
    bound = {c.name: c.monotone for c in document.contract.features if c.monotone != "none"}
    assert directions(document) == ", ".join(f"{name} ({way})" for name, way in bound.items())
    total = Derived(name="unpaid_in_all", rule="sum", of=("num_unpaid_bills",), monotone="increasing", reason="Unpaid")
    contract = document.contract.model_copy(update={"derived": (total,)})
    features = (*(name for name in document.features if name != "age"), "unpaid_in_all")
    changed = directions(document.model_copy(update={"contract": contract, "features": features}))
    assert "unpaid_in_all (increasing)" in changed
    assert "age (" not in changed
    free = document.model_copy(update={"settings": document.settings | {"monotone_constraints": False}})
    assert directions(free).startswith("none")


@pytest.mark.parametrize(
    ("candidate", "words"),
    [("lightgbm", "Boosted trees, 17 rounds"), ("random_forest", "forest of 17 trees"), ("scorecard", "of 3 bins")],
)
def test_the_card_says_what_kind_of_model_it_is(bundle, candidate, words):
    document = bundle.document.model_copy(
        update={
            "settings": bundle.document.settings | {"candidate": candidate},
            "training": bundle.document.training | {"rounds": 17},
            "evidence": bundle.document.evidence | {"scorecard": [{"feature": "age", "bin": "any", "share": 1.0}] * 3},
        }
    )
    assert words in render_card(document)


def test_the_choices_made_in_training_are_shown(bundle):
    studies, table = bundle.document.evidence.studies, bundle.document.evidence.calibration
    for words in (
        "Would more applications help?",
        "Without the monotone constraints",
        f"{studies.unconstrained.difference:+.4f}",
        "A points scorecard instead",
        "Penalised log loss",
        table.reason.capitalize(),
    ):
        assert words in bundle.report
    assert "What the search found" not in bundle.report


def test_a_search_is_shown_with_its_best_trial_and_why_it_stopped(bundle):
    params = {"num_leaves": 12, "learning_rate": 0.05}
    losses = [(0, "complete", 0.2), (1, "pruned", 0.4), (2, "complete", 0.19)]
    trials = [{"number": n, "state": state, "loss": loss, "params": params} for n, state, loss in losses]
    search = {"folds": "time", "rows": 900, "best": 2, "stopped_by": "seconds", "trials": trials}
    document = bundle.document.model_copy(update={"evidence": bundle.document.evidence | {"search": search}})
    report = render_report(document)
    assert "3 parameter sets were tried on 900 applications with folds that go forward in time" in report
    assert "2 were measured on every fold" in report
    assert "its time ran out" in report
    assert "by 0.01000 against" in report
    assert report.count("<svg") == bundle.report.count("<svg") + 1
    assert not parsed(report).faults
