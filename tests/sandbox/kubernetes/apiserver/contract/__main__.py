"""Print the table of the contract: `python -m tests.sandbox.kubernetes.apiserver.contract [--verbose]`.

REAL_KUBECONFIG names the kubeconfig of a real API server; without it, only the sandbox takes the steps. KServe's own
definition is installed there from CRD_FILE (`../shared/kube/inferenceservice-crd.json.xz` by default), if it is there.
"""

import sys

from tests.sandbox.kubernetes import api_process, real_api
from tests.sandbox.kubernetes.apiserver.contract.known import KNOWN, aged
from tests.sandbox.kubernetes.apiserver.contract.runner import STEPS, Answer, Server, difference


def main() -> int:
    verbose = "--verbose" in sys.argv
    with api_process.serving() as host:
        ours = Server(host, {}).run()
    if not real_api.REAL:
        print(f"{len(STEPS)} steps; set REAL_KUBECONFIG to compare them with a real API server")
        return 0
    api = real_api.connect()
    real_api.install_kserves_own(api)
    theirs = Server.of(api).run()
    return report(ours, theirs, verbose=verbose)


def report(ours: dict[str, Answer], theirs: dict[str, Answer], *, verbose: bool) -> int:
    """Print one row a step, and how many are the same; return whether a difference has no reason."""
    verdicts = {name: verdict(answer, theirs[name]) for name, answer in ours.items()}
    unexplained = [name for name, found in verdicts.items() if found == "different" and name not in KNOWN]
    for name, found in verdicts.items():
        left, right, reason = ours[name], theirs[name], KNOWN.get(name, "")
        print(f"{found:10} {left.code:3} {right.code:3} {name}" + f": {reason}" * (found == "different"))
        if found == "different" and (verbose or not reason):
            print(*(f"               {line[:600]}" for line in compared(of_age(left), of_age(right))[:8]), sep="\n")
    count = list(verdicts.values()).count
    print(
        f"{len(ours)} steps: {count('same')} the same, {count('aged')} the same but for the real server's age, "
        f"{count('different')} different; {len(unexplained)} of these have no reason yet"
    )
    return bool(unexplained)


def verdict(ours: Answer, theirs: Answer) -> str:
    """Return whether two answers are `same`, the same but for a known change of later releases (`aged`), or not."""
    if not compared(ours, theirs):
        return "same"
    return "different" if compared(of_age(ours), of_age(theirs)) else "aged"


def of_age(answer: Answer) -> Answer:
    """Return an answer without what later releases changed everywhere."""
    return Answer(answer.code, aged(answer.body))


def compared(ours: Answer, theirs: Answer) -> list[str]:
    """Return how two answers differ."""
    codes = [] if ours.code == theirs.code else [f"code: {ours.code} | {theirs.code}"]
    return [*codes, *difference(ours.body, theirs.body)]


if __name__ == "__main__":
    sys.exit(main())
