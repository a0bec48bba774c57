"""Values reach Athena as parameters, whatever they hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.lake import athena

pytestmark = pytest.mark.xdist_group("platform")


@given(st.text(alphabet=st.characters(blacklist_categories=("Cs", "Cc")), max_size=30))
def test_a_text_parameter_is_one_literal_however_it_is_quoted(text):
    [literal] = athena.literals([text])
    assert literal[0] == literal[-1] == "'"
    assert literal[1:-1].replace("''", "").count("'") == 0
    assert literal[1:-1].replace("''", "'") == text


@pytest.mark.parametrize("text", ["o'neil", "'; DROP TABLE outcomes; --", "50 %", "ünïcode", "?"])
def test_a_parameter_comes_back_as_it_went(platform, text):
    assert athena.rows("SELECT ? AS said, ? AS number", [text, 7]) == [{"said": text, "number": 7}]
