"""Command line of a stage: `python -m deployments check|preflight|plan|deploy|… STAGE`."""

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from deployments import account, connect, manifests, stages
from deployments.checks import findings, preflight, verify
from deployments.errors import EstateError
from deployments.estate import Estate
from deployments.registry import images, promote

VERBS = {
    "check": "check that the stage's file is complete and well-formed, without AWS",
    "preflight": "look for what would stop a deployment; exit code 1 if anything would",
    "plan": "show what deploy would change, without changing anything",
    "deploy": "create or update every stack, in order; safe to repeat",
    "destroy": "delete the stage; without --yes only show what that means",
    "outputs": "print the outputs of the stacks, NAME=value",
    "manifests": "write the stage's copy of deployments/kserve",
    "connect": "set Prefect's variables and work pool",
    "images": "build the images of this commit and push those that are not there yet",
    "promote": "copy the images that another stage runs into this stage's registry, by digest",
    "verify": "check that a deployed stage works; exit code 1 if anything does not",
    "drift": "show what somebody has changed past CloudFormation; exit code 1 if anything",
}


@dataclass(frozen=True)
class Asked:
    """One command on one stage.

    Attributes:
        options: what the command line says.
        values: values of the stage's file.
        place: its account and region, as the shell's.
        estate: the stage.
    """

    options: argparse.Namespace
    values: Mapping[str, str]
    place: account.Place
    estate: Estate


def main(argv: list[str] | None = None) -> int:
    """Run one command on one stage; return the exit code."""
    asked = _parser().parse_args(argv)
    try:
        return _do(asked)
    except EstateError as error:
        print(error, file=sys.stderr)
    except BotoCoreError as error:
        print(f"{error}: AWS credentials and a region are needed; docs/aws.md, step 3, says which", file=sys.stderr)
    except ClientError as error:
        denied = "Denied" in error.response["Error"].get("Code", "")
        hint = "; see docs/aws.md, step 3" if denied else ""
        print(f"AWS refuses: {error}{hint}", file=sys.stderr)
    except KeyboardInterrupt:
        print("stopped; AWS continues what it has begun, and the same command resumes from there", file=sys.stderr)
        return 130
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deployments", description="A stage on AWS")
    parser.add_argument("--stages", type=Path, default=stages.FOLDER, help="folder of the stage files")
    verbs = parser.add_subparsers(dest="verb", required=True)
    found = {verb: verbs.add_parser(verb, help=text, description=text) for verb, text in VERBS.items()}
    for one in found.values():
        one.add_argument("stage")
    destroy = found["destroy"]
    destroy.add_argument("--yes", action="store_true", help="do it")
    destroy.add_argument("--with-data", action="store_true", help="also delete lake, registry, images and their key")
    to = "folder to write; replaced if it holds manifests"
    found["manifests"].add_argument("--to", type=Path, required=True, help=to)
    found["images"].add_argument("--builder", default="", help="docker or buildah; the first that is installed")
    found["promote"].add_argument("--from", dest="source", required=True, help="stage whose images are copied")
    found["promote"].add_argument("--from-profile", required=True, help="AWS profile with credentials of that stage")
    return parser


def _do(options: argparse.Namespace) -> int:
    path = options.stages / f"{options.stage}.env"
    values = stages.read(path)
    if options.verb == "check":
        stages.check_complete({**values, "Stage": options.stage})
        print(f"{path}: complete")
        return 0
    place = account.enter(options.stage, values)
    print(f"stage {options.stage}: account {place.account}, region {place.region}, as {place.caller}", file=sys.stderr)
    return _ACTIONS[options.verb](Asked(options, values, place, Estate(options.stage, values)))


def _preflight(asked: Asked) -> int:
    return findings.report(preflight.findings(asked.options.stage, asked.values, asked.place))


def _plan(asked: Asked) -> int:
    asked.estate.plan()
    if asked.values.get("Repository") and images.uncommitted(str(stages.FOLDER)):
        print("note: the pipeline deploys the committed stage files, and here are others: commit and push them")
    return 0


def _deploy(asked: Asked) -> int:
    asked.estate.deploy()
    return 0


def _destroy(asked: Asked) -> int:
    estate, options = asked.estate, asked.options
    if options.yes:
        estate.destroy(with_data=options.with_data)
        return 0
    doomed = ", ".join(reversed(estate.doomed(with_data=options.with_data)))
    print(f"would delete, in this order: {doomed}; add --yes to do it (make destroy STAGE={options.stage} YES=1)")
    for one in estate.holders():
        print(f"would end first: {one}")
    return 1


def _outputs(asked: Asked) -> int:
    print("\n".join(f"{name}={value}" for name, value in sorted(asked.estate.outputs().items())))
    return 0


def _manifests(asked: Asked) -> int:
    for folder in manifests.write(asked.options.to, asked.values, asked.estate.outputs()):
        print(folder)
    return 0


def _connect(asked: Asked) -> int:
    connect.connect(asked.options.stage, asked.values, asked.estate.outputs())
    return 0


def _images(asked: Asked) -> int:
    images.push(asked.options.builder)
    return 0


def _promote(asked: Asked) -> int:
    stage, profile = asked.options.source, asked.options.from_profile
    session = promote.source(stage, stages.read(asked.options.stages / f"{stage}.env"), profile)
    commit = promote.promote(stage, session, asked.place)
    print(f"commit {commit} is ready: check it out and run make deploy STAGE={asked.options.stage}")
    return 0


def _verify(asked: Asked) -> int:
    return findings.report(verify.findings(asked.options.stage, asked.values, asked.estate.outputs()))


def _drift(asked: Asked) -> int:
    found = asked.estate.drift()
    for stack, lines in found.items():
        print(f"{stack}: {'as its template says' if not lines else 'changed past CloudFormation'}")
        for line in lines:
            print(f"  {line}")
    return int(any(found.values()))


_ACTIONS: dict[str, Callable[[Asked], int]] = {
    "preflight": _preflight,
    "plan": _plan,
    "deploy": _deploy,
    "destroy": _destroy,
    "outputs": _outputs,
    "manifests": _manifests,
    "connect": _connect,
    "images": _images,
    "promote": _promote,
    "verify": _verify,
    "drift": _drift,
}

if __name__ == "__main__":
    sys.exit(main())
