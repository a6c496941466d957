"""What a query asks for, however it is spelled."""

from __future__ import annotations

import pytest

from rtgf_node.api.parameters import Query, wants_strong
from rtgf_node.errors import RtgfError

STRONG = ["consistency=strong", "a=1&consistency=strong", "consistency=%73trong"]
STRONG += ["consistenc%79=strong", "%63onsistency=str%6Fng&a="]


@pytest.mark.parametrize("query", STRONG)
def test_strong_is_strong_however_it_is_spelled(query):
    """Who is answered as if the word were understood gets what it promises."""
    Query("a", of=query)
    assert wants_strong(query)


@pytest.mark.parametrize("query", ["", "consistency=local", "a=consistency=strong", "a=strong"])
def test_others_do_not_wait_for_a_majority(query):
    Query("a", of=query)
    assert not wants_strong(query)


@pytest.mark.parametrize("query", ["consistency=STRONG", "consistency= strong", "consistency="])
def test_what_is_neither_word_is_refused(query):
    assert not wants_strong(query)
    with pytest.raises(RtgfError):
        Query("a", of=query)
