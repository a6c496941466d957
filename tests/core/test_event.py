"""Events: made twice the same, altered never accepted."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgf_node.core import event, times
from rtgf_node.core.canonical_json import canonical_bytes, parse
from rtgf_node.core.digests import sha256
from rtgf_node.errors import Code, RtgfError

NOW = times.parse("2026-11-22T10:00:00Z")


def make(**changes):
    members = {
        "type": "token_issue",
        "at": NOW,
        "subject": "RMT:SG:payments_aml:2026-10.1",
        "digest": sha256(b"token"),
        "refs": {"build": sha256(b"build"), "datasets": [sha256(b"a"), sha256(b"b")]},
        "actor": "compiler",
        "payload": {"jti": "0" * 32, "count": 3},
    }
    return event.make(**{**members, **changes})


def refusal(data):
    with pytest.raises(RtgfError) as caught:
        event.parse(data)
    assert caught.value.code is Code.RTGF_TXP_EVENT_INVALID
    return caught.value


def test_the_id_tells_type_and_time_and_is_fixed_by_the_content():
    made = make()
    assert made == make()
    kind, name, rest = made.event_id.split(":", 2)
    assert (kind, name) == ("evt", "token_issue")
    assert rest.startswith("2026-11-22T10:00:00Z:")
    uuid = rest.rpartition(":")[2]
    assert uuid[14] == "5"
    # Fixed for ever: a log that holds this event must find it under this id again.
    assert uuid == "8f195f78-a5e2-5555-90dc-aa536b6e408e"


@pytest.mark.parametrize("kind", sorted(event.TYPES))
def test_every_type_is_written_and_read_back_to_the_same_bytes(kind):
    made = make(type=kind)
    data = event.to_bytes(made)
    assert event.parse(data) == made
    assert event.to_bytes(event.parse(data)) == data


@given(
    st.dictionaries(st.text(max_size=8), st.text() | st.integers(-9, 9) | st.booleans()),
    st.dictionaries(st.text(max_size=8), st.text() | st.lists(st.text())),
    st.integers(0, 2**33),
)
def test_any_content_is_read_back(payload, refs, at):
    made = make(payload=payload, refs=refs, at=at)
    assert event.parse(event.to_bytes(made)) == made


@pytest.mark.parametrize(
    "change",
    [
        {"type": "revocation"},
        {"at": NOW + 1},
        {"subject": "x"},
        {"digest": sha256(b"x")},
        {"refs": {}},
        {"actor": "other"},
        {"payload": {}},
    ],
)
def test_any_other_content_has_another_id(change):
    assert make(**change).event_id != make().event_id


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("event_id", "evt:token_issue:2026-11-22T10:00:00Z:00000000-0000-5000-8000-000000000000"),
        ("type", "revocation"),
        ("type", "party"),
        ("at", "2026-11-22T10:00:01Z"),
        ("at", "yesterday"),
        ("subject", "RMT:SG:payments_aml:2026-10.2"),
        ("subject", ""),
        ("subject", "a\nb"),
        ("subject", 1),
        ("digest", sha256(b"other")),
        ("digest", "abc"),
        ("refs", {"build": 1}),
        ("refs", []),
        ("actor", "somebody"),
        ("payload", {"count": 4}),
        ("payload", []),
        ("extra", 1),
    ],
)
def test_an_altered_event_is_refused(name, value):
    """RTGF-CT-61: a tampered event is refused."""
    document = parse(event.to_bytes(make()))
    refusal(canonical_bytes({**document, name: value}))


@given(st.data())
def test_no_flipped_bit_passes(data):
    """RTGF-CT-61: whichever bit of an event is changed, it is refused."""
    altered = bytearray(event.to_bytes(make()))
    altered[data.draw(st.integers(0, len(altered) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    refusal(bytes(altered))


@pytest.mark.parametrize("name", msgspec.structs.asdict(make()))
def test_a_missing_member_is_refused(name):
    document = parse(event.to_bytes(make()))
    del document[name]
    refusal(canonical_bytes(document))


def test_bytes_that_are_not_canonical_are_refused():
    data = event.to_bytes(make())
    for other in (
        b" " + data,
        data + b"\n",
        data.replace(b":", b": ", 1),
        b"{}",
        b"[]",
        b"",
        b"\xff",
    ):
        refusal(other)


def test_an_event_holds_sixty_kilobytes_and_no_more():
    room = event.MAX_BYTES - len(event.to_bytes(make(payload={"x": ""})))
    largest = make(payload={"x": "a" * room})
    data = event.to_bytes(largest)
    assert len(data) == event.MAX_BYTES
    assert event.parse(data) == largest
    with pytest.raises(RtgfError) as caught:
        make(payload={"x": "a" * (room + 1)})
    assert caught.value.code is Code.RTGF_TXP_EVENT_INVALID
    refusal(data + b" ")


@pytest.mark.parametrize(
    "change", [{"type": "party"}, {"digest": ""}, {"subject": ""}, {"actor": "x" * 513}]
)
def test_what_makes_no_event(change):
    with pytest.raises(RtgfError) as caught:
        make(**change)
    assert caught.value.code is Code.RTGF_TXP_EVENT_INVALID
