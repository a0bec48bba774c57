"""The library's public names: all there, in any order of imports, and none loaded before it is asked for."""

import subprocess
import sys
from doctest import SKIP, DocTestFinder

import pytest

import credit_model

pytestmark = pytest.mark.integration

HEAVY = "sklearn scipy pandas lightgbm optuna jinja2 pyarrow"


def test_every_public_name_is_a_thing_to_call_even_after_its_module_was_imported():
    code = "import credit_model, credit_model.gate, credit_model.simulation, credit_model.training; "
    code += "assert all(callable(getattr(credit_model, name)) for name in credit_model.__all__)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_the_library_loads_nothing_heavy():
    code = f"import credit_model, sys; assert not set(sys.modules) & set('{HEAVY}'.split())"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_scoring_loads_neither_scikit_learn_nor_scipy_nor_pandas(bundle, portfolio, tmp_path):
    folder = bundle.save(tmp_path / "model")
    row = {name: value for name, value in portfolio.holdout.to_pylist()[0].items() if name in bundle.document.features}
    code = f"import credit_model, sys; scorer = credit_model.Scorer(credit_model.Bundle.load({str(folder)!r})); "
    code += f"scorer.score_rows([{row!r}]); scorer.explain_rows([{row!r}]); "
    code += "assert not set(sys.modules) & {'sklearn', 'scipy', 'pandas', 'lightgbm', 'optuna', 'jinja2'}"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_error_of_an_unknown_name_lists_the_names():
    with pytest.raises(AttributeError, match="has no attribute 'fit'; it offers Bundle"):
        credit_model.fit  # noqa: B018 - the access is what is tested


@pytest.mark.parametrize("name", credit_model.__all__)
def test_every_public_name_has_an_example_that_runs(name):
    examples = DocTestFinder(recurse=False).find(getattr(credit_model, name), name)[0].examples
    assert [example for example in examples if not example.options.get(SKIP)]
