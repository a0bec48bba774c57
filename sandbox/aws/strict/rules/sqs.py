"""Rules of SQS."""

from sandbox.aws.strict.rules.rule import Rule

RULES: tuple[Rule, ...] = ()
