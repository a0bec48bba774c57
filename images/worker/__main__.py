"""Entry point of the worker image: gives kubectl-style access to EKS, then runs the command it is given.

An ECS task runs `python -m images.worker prefect flow-run execute`. `… token CLUSTER REGION` prints a short-lived EKS
token in the format of Kubernetes clients' `exec` plug-ins.
"""

import os
import sys

from images.worker.eks import print_token, write_kubeconfig
from images.worker.supervisor import supervise

USAGE = "usage: python -m images.worker COMMAND [ARGUMENT…] | token CLUSTER REGION"


def main(arguments: list[str]) -> int:
    """Print a token, or run the command."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE)
        return 0 if arguments else 2
    if arguments[0] == "token":
        print_token(*arguments[1:3])
        return 0
    cluster = os.environ.get("CREDIT_EKS_CLUSTER")
    if cluster and "KUBECONFIG" not in os.environ:
        os.environ["KUBECONFIG"] = write_kubeconfig(cluster)
    return supervise(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
