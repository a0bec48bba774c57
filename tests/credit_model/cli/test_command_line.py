"""The laptop's command line, run as a process: simulate, validate, train, score, and readable errors."""

import csv
import json
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from credit_model.bundle.archive import read_archive
from credit_model.bundle.bundle import Bundle

pytestmark = pytest.mark.integration


def run(*arguments):
    command = [sys.executable, "-m", "credit_model", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    made = run("simulate", folder / "case.csv", "--rows", 4000, "--months", 4, "--seed", 2)
    assert made.returncode == 0, made.stderr
    quick = ["--set", "max_rounds=30", "--set", "folds=2"]
    trained = run(
        *("train", folder / "case.csv", folder / "model", "--contract", "case", *quick),
        *("--archive", folder / "model.tar.gz"),
    )
    assert trained.returncode == 0, trained.stderr
    (folder / "train.txt").write_text(trained.stdout)
    return folder


def test_training_leaves_a_bundle_and_prints_its_measures(work, tmp_path):
    bundle = Bundle.load(work / "model")
    printed = (work / "train.txt").read_text()
    metrics = json.loads(printed[: printed.rindex("bundle ")])
    assert metrics["holdout"]["roc_auc"] == bundle.metrics.holdout.roc_auc
    assert bundle.version in printed
    assert Bundle.load(read_archive(work / "model.tar.gz", tmp_path / "model")).version == bundle.version


def test_scoring_writes_csv_and_parquet_alike(work, tmp_path):
    for name in ("scores.csv", "scores.parquet"):
        done = score(work, work / "case.csv", tmp_path / name)
        assert done.returncode == 0, done.stderr
    from_csv = pacsv.read_csv(tmp_path / "scores.csv").column("pd").to_pylist()
    assert from_csv == pq.read_table(tmp_path / "scores.parquet").column("pd").to_pylist()
    assert len(from_csv) == 4000


def score(work, source, target, *more):
    return run("score", "--bundle", work / "model", "--input", source, "--output", target, *more)


def test_validate_shows_bad_rows_and_fails(work, tmp_path):
    lines = (work / "case.csv").read_text().splitlines()
    lines[3] = lines[3].replace(";false;", ";maybe;").replace(";true;", ";maybe;")
    (tmp_path / "bad.csv").write_text("\n".join(lines))
    found = run("validate", tmp_path / "bad.csv", "--contract", "case", "--rejected", tmp_path / "faults.csv")
    assert found.returncode == 3
    assert "3,999 of 4,000 rows" in found.stdout
    assert "column 'has_paid' row 3" in found.stderr  # its outcome is spelled wrongly as well
    assert pacsv.read_csv(tmp_path / "faults.csv").column("row").to_pylist() == [3, 3]
    assert run("validate", work / "case.csv", "--contract", "case").returncode == 0


def test_compare_prints_the_checks_and_writes_the_report(work, tmp_path):
    made = run("simulate", tmp_path / "later.csv", "--rows", 3000, "--months", 1, "--seed", 3)
    assert made.returncode == 0, made.stderr
    pair = [work / "model", work / "model", tmp_path / "later.csv"]
    lenient = [word for name in ("max_in_the_large", "max_slope_error") for word in ("--set", f"{name}=3")]
    same = run("compare", *pair, *lenient, "--report", tmp_path / "r.html", "--json", tmp_path / "v.json")
    assert same.returncode == 0, same.stdout + same.stderr
    assert "may replace" in same.stdout
    verdict = json.loads((tmp_path / "v.json").read_text())
    assert verdict["swap_set"]["changed"] == 0
    assert all(check["name"] in same.stdout for check in verdict["checks"])
    assert "Against the champion: what changes" in (tmp_path / "r.html").read_text()
    stricter = run("compare", *pair, "--set", "min_gain=0.01")
    assert (stricter.returncode, "NOT gain" in stricter.stdout) == (4, True)
    unknown = run("compare", *pair, "--set", "patience=1")
    assert (unknown.returncode, "known limits: margin" in unknown.stderr) == (1, True)


def test_compare_lets_each_model_read_its_own_columns(tmp_path):
    draw = np.random.default_rng(0)
    first, second = draw.normal(size=(2, 2000))
    bad = draw.random(2000) < 1 / (1 + np.exp(1 - 2 * first))
    with (tmp_path / "all.csv").open("w", newline="") as file:
        rows = ([f"i{i}", first[i], second[i], int(bad[i])] for i in range(2000))
        csv.writer(file).writerows([["ID", "X1", "X2", "bad"], *rows])
    for number in (1, 2):
        (tmp_path / f"{number}.yaml").write_text(
            "name: p\ntitle: P\nid: {source: ID}\ntarget: {source: bad, required: false}\n"
            f"columns:\n  - {{name: x, source: X{number}, kind: numeric, reason: X}}\n"
        )
        quick = [word for value in ("max_rounds=5", "folds=2", "studies=false") for word in ("--set", value)]
        folder = tmp_path / str(number)
        trained = run("train", tmp_path / "all.csv", folder, "--contract", tmp_path / f"{number}.yaml", *quick)
        assert trained.returncode == 0, trained.stderr
    compared = run("compare", tmp_path / "1", tmp_path / "2", tmp_path / "all.csv", "--json", tmp_path / "v.json")
    assert compared.returncode == 4, compared.stdout + compared.stderr
    pair = json.loads((tmp_path / "v.json").read_text())["comparison"]
    assert pair["first"] > 0.8  # the champion's column tells defaulters, the challenger's is noise
    assert pair["second"] < 0.65
    with (tmp_path / "later.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["ID", "X2", "bad"], *([f"i{i}", second[i], int(bad[i])] for i in range(2000))])
    compared = run("compare", tmp_path / "1", tmp_path / "2", tmp_path / "later.csv")
    assert compared.returncode == 4, compared.stdout + compared.stderr
    assert "the champion can read 0 of 2,000 applicants" in compared.stdout
    assert "column 'x' is missing" in compared.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["train", "none.csv", "out", "--contract", "case"], 1, "none.csv: cannot be read"),
        (["validate", "none.csv", "--contract", "nope"], 1, "use one of case, uci_credit_card"),
        (
            ["score", "--bundle", "no-model", "--input", "none.csv", "--output", "out.csv"],
            1,
            "manifest.json is missing",
        ),
        (["train", "none.csv", "out", "--contract", "case", "--set", "folds"], 1, "name=value"),
        (
            ["train", "none.csv", "out", "--contract", "case", "--set", "foo=1"],
            1,
            "unknown setting 'foo'; known settings: ",
        ),
        (["simulate", ".", "--rows", "100"], 1, "error: .: is a folder; name a file"),
        (["simulate", "/nowhere/case.csv", "--rows", "100"], 1, "folder /nowhere does not exist; make it"),
        (["simulate", "never.csv", "--seed", "-1"], 1, "seed -1 is negative"),
        (["simulate", "never.csv", "--rows", "0"], 1, "0 rows over 12 months: ask for"),
        (["fly"], 2, "invalid choice"),
        ([], 2, "required"),
    ],
)
def test_errors_are_one_readable_line(arguments, code, words):
    failed = run(*arguments)
    assert failed.returncode == code
    assert words in failed.stderr
    assert "Traceback" not in failed.stderr


def test_what_cannot_be_written_is_told_before_any_work(work, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("")
    new, start = tmp_path / "new", ["train", work / "case.csv"]
    tries = [
        ([*start, tmp_path / "file", "--contract", "case"], "is a file; name a new folder"),
        ([*start, tmp_path / "full", "--contract", "case"], "folder is not empty"),
        ([*start, new, "--contract", "case", "--archive", tmp_path / "file" / "m.tar.gz"], "is a file, not a folder"),
        ([*start, new, "--contract", "case", "--archive", new / "m.tar.gz"], "bundle's own folder"),
        (["score", "--bundle", work / "model", "--input", work / "case.csv", "--output", new / "s.csv"], "make it"),
        (["validate", work / "case.csv", "--contract", "case", "--rejected", tmp_path], "is a folder"),
        (["compare", work / "model", work / "model", work / "case.csv", "--report", tmp_path], "is a folder"),
    ]
    for arguments, words in tries:
        failed = run(*arguments)
        assert (failed.returncode, failed.stdout) == (1, "")
        assert words in failed.stderr
        assert str(tmp_path) in failed.stderr
        assert failed.stderr.count("\n") == 1
    assert not new.exists()


def _listen():
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize(("told", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_command_told_to_stop_says_so_and_leaves_nothing(work, tmp_path, told, code):
    header, rows = (work / "case.csv").read_text().split("\n", 1)
    (tmp_path / "in.csv").write_text(header + "\n" + rows * 60)
    arguments = ["score", "--bundle", work / "model", "--input", tmp_path / "in.csv", "--output", tmp_path / "out.csv"]
    command = [sys.executable, "-m", "credit_model", *arguments]
    # Where the tests run in the background, shells have them ignore SIGINT, and children inherit that.
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=_listen) as run:  # noqa: PLW1509
        while not list(tmp_path.glob(".out.csv.*.part")):
            assert run.poll() is None
            time.sleep(0.01)
        run.send_signal(told)
        said = run.communicate(timeout=60)[1]
    assert run.returncode == code
    assert said.splitlines()[-1] == f"stopped by {'Ctrl-C' if told is signal.SIGINT else 'SIGTERM'}"
    assert "Traceback" not in said
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_the_kind_of_holdout_is_told_in_the_bundles_papers(work):
    bundle = Bundle.load(work / "model")
    kind = bundle.document.lineage.extra["holdout"]
    assert kind.startswith("the latest months, from 2025-04-")
    assert kind in bundle.report
    assert kind in bundle.model_card
