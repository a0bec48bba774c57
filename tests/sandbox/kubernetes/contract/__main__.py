"""Print the table of the contract: `python -m tests.sandbox.kubernetes.contract [--verbose]`.

REAL_KUBECONFIG names the kubeconfig of a real API server; without it, only the sandbox takes the steps. KServe's own
definition is installed there from CRD_FILE (`../shared/kube/inferenceservice-crd.json.xz` by default), if it is there.
"""

import sys

from tests.sandbox.kubernetes import api_process, real_api
from tests.sandbox.kubernetes.contract.known import KNOWN
from tests.sandbox.kubernetes.contract.runner import STEPS, Answer, Server, difference


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
    same, unexplained = 0, []
    for name, answer in ours.items():
        found = compared(answer, theirs[name])
        same += not found
        reason = KNOWN.get(name, "")
        verdict = "same" if not found else "different"
        print(f"{verdict:10} {answer.code:3} {theirs[name].code:3} {name}{f': {reason}' if found and reason else ''}")
        if found and (verbose or not reason):
            print(*(f"               {line[:600]}" for line in found[:8]), sep="\n")
        if found and not reason:
            unexplained.append(name)
    print(f"{same} of {len(ours)} steps are the same; {len(unexplained)} differences have no reason yet")
    return bool(unexplained)


def compared(ours: Answer, theirs: Answer) -> list[str]:
    """Return how two answers differ."""
    codes = [] if ours.code == theirs.code else [f"code: {ours.code} | {theirs.code}"]
    return [*codes, *difference(ours.body, theirs.body)]


if __name__ == "__main__":
    sys.exit(main())
