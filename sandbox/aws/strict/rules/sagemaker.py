"""Rules of SageMaker."""

from sandbox.aws.strict.rules.rule import Rule

RULES: tuple[Rule, ...] = ()
