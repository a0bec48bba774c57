"""The library's public names: all there, in any order of imports, and none loaded before it is asked for."""

import subprocess
import sys

import pytest

import credit_model

pytestmark = pytest.mark.integration

HEAVY = "sklearn pandas lightgbm optuna jinja2 pyarrow"


def test_every_public_name_is_a_thing_to_call_even_after_its_module_was_imported():
    code = "import credit_model, credit_model.gate, credit_model.simulation, credit_model.training; "
    code += "assert all(callable(getattr(credit_model, name)) for name in credit_model.__all__)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_the_library_loads_nothing_heavy():
    code = f"import credit_model, sys; assert not set(sys.modules) & set('{HEAVY}'.split())"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_scoring_loads_neither_scikit_learn_nor_pandas():
    code = "import credit_model, sys; credit_model.Scorer; credit_model.Bundle; "
    code += "assert not set(sys.modules) & {'sklearn', 'pandas', 'lightgbm', 'optuna', 'jinja2'}"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_name_is_told_what_there_is():
    with pytest.raises(AttributeError, match="has no attribute 'fit'; it offers Bundle"):
        credit_model.fit  # noqa: B018 - the access is what is tested
