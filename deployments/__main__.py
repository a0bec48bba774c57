"""Command line of a stage: `python -m deployments plan|deploy|destroy|outputs|manifests|connect STAGE`."""

import argparse
import sys
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from deployments import connect, manifests, stages
from deployments.errors import EstateError
from deployments.estate import Estate

VERBS = {
    "plan": "show what deploy would change, without changing anything",
    "deploy": "create or update every stack, in order; safe to repeat",
    "destroy": "delete the stage; without --yes only show what that means",
    "outputs": "print the outputs of the stacks, NAME=value",
    "manifests": "write the stage's copy of deployments/kserve",
    "connect": "set Prefect's variables and work pool",
}


def main(argv: list[str] | None = None) -> int:
    """Run one command on one stage; return the exit code."""
    asked = _parser().parse_args(argv)
    try:
        return _do(asked)
    except EstateError as error:
        print(error, file=sys.stderr)
    except BotoCoreError as error:
        print(f"{error}: AWS credentials and a region are needed; docs/aws.md, step 1, says which", file=sys.stderr)
    except ClientError as error:
        denied = "Denied" in error.response["Error"].get("Code", "")
        hint = "; docs/aws.md, step 1, lists the permissions needed" if denied else ""
        print(f"AWS refuses: {error}{hint}", file=sys.stderr)
    except KeyboardInterrupt:
        print("stopped; AWS continues what it has begun, and the same command resumes from there", file=sys.stderr)
        return 130
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deployments", description="A stage on AWS")
    parser.add_argument("--stages", type=Path, default=stages.FOLDER, help="folder of the stage files")
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb, text in VERBS.items():
        one = verbs.add_parser(verb, help=text, description=text)
        one.add_argument("stage")
        if verb == "destroy":
            one.add_argument("--yes", action="store_true", help="do it")
            one.add_argument(
                "--with-data", action="store_true", help="also delete lake, registry, images and their key"
            )
        if verb == "manifests":
            one.add_argument("--to", type=Path, required=True, help="folder to write; replaced if it holds manifests")
    return parser


def _do(asked: argparse.Namespace) -> int:
    values = stages.read(asked.stages / f"{asked.stage}.env")
    estate = Estate(asked.stage, values)
    if asked.verb == "plan":
        estate.plan()
    elif asked.verb == "deploy":
        estate.deploy()
    elif asked.verb == "destroy":
        return _destroy(estate, asked)
    elif asked.verb == "outputs":
        print("\n".join(f"{name}={value}" for name, value in sorted(estate.outputs().items())))
    elif asked.verb == "manifests":
        for folder in manifests.write(asked.to, values, estate.outputs()):
            print(folder)
    elif asked.verb == "connect":
        connect.connect(asked.stage, values, estate.outputs())
    return 0


def _destroy(estate: Estate, asked: argparse.Namespace) -> int:
    if asked.yes:
        estate.destroy(with_data=asked.with_data)
        return 0
    doomed = ", ".join(reversed(estate.doomed(with_data=asked.with_data)))
    print(f"would delete, in this order: {doomed}; add --yes to do it (make destroy STAGE={asked.stage} YES=1)")
    return 1


if __name__ == "__main__":
    sys.exit(main())
