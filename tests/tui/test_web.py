"""The dashboard in a browser has no login: who may ask is told by where a request comes from."""

from __future__ import annotations

import pytest

from tui.web import is_own


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000"])
@pytest.mark.parametrize("origin", [None, "http://127.0.0.1:8000", "http://localhost:8000"])
def test_its_own_page_is_answered(host, origin):
    assert is_own(host, origin, 8000)


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("127.0.0.1:8000", "https://evil.example"),
        ("127.0.0.1:8000", "null"),
        ("127.0.0.1:8000", "http://127.0.0.1:9000"),
        ("127.0.0.1:8000", "http://127.0.0.1:8000.evil.example"),
        ("evil.example:8000", None),
        ("evil.example:8000", "http://evil.example:8000"),
        ("127.0.0.1", None),
    ],
)
def test_no_other_page_in_the_same_browser_is(host, origin):
    assert not is_own(host, origin, 8000)
