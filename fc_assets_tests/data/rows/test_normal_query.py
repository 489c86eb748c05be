"""The normal form of questions."""

import re

from hypothesis import given
from hypothesis import strategies as st

from fc_assets.data.rows.normal_query import normal_query


@given(st.text(st.characters(max_codepoint=127)))
def test_the_normal_form_of_ascii_is_words_in_lower_case(query: str):
    assert normal_query(query) == (" ".join(re.findall(r"\w+", query.lower())) or query)
