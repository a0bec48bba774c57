"""Entry point of the worker image: gives kubectl-style access to EKS, then runs the command it is given.

An ECS task runs `python -m images.worker prefect flow-run execute`. `… token CLUSTER REGION` prints a short-lived EKS
token in the format of Kubernetes clients' `exec` plug-ins.
"""

import os
import signal
import sys

if __name__ == "__main__":
    # A container's first process ignores SIGTERM until it has a handler; the supervisor sets its own.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(128 + signal.SIGTERM))

from images.worker.eks import print_token, write_kubeconfig
from images.worker.supervisor import supervise

USAGE = "usage: python -m images.worker COMMAND [ARGUMENT…] | token CLUSTER REGION"
# A shell's exit codes of a command that it cannot run.
NOT_EXECUTABLE, NOT_FOUND = 126, 127


def main(arguments: list[str]) -> int:
    """Print a token, or run the command; return the exit code."""
    if arguments and arguments[0] in ("-h", "--help"):
        print(USAGE)
        return 0
    if not arguments or (arguments[0] == "token" and len(arguments) != 3):
        print(USAGE, file=sys.stderr)
        return 2
    if arguments[0] == "token":
        print_token(*arguments[1:])
        return 0
    cluster = os.environ.get("CREDIT_EKS_CLUSTER")
    if cluster and "KUBECONFIG" not in os.environ:
        os.environ["KUBECONFIG"] = write_kubeconfig(cluster)
    return _run(arguments)


def _run(command: list[str]) -> int:
    try:
        return supervise(command)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}; the task's command is wrong\n{USAGE}", file=sys.stderr)
        return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
