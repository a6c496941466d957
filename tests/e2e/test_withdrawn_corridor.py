"""What an operator withdrew stays withdrawn, whatever is built after."""

from __future__ import annotations

from tests.held_lists import fetched

CORRIDOR = "IMT:EU-SG:payments_aml:2026-10"
UN = "lists/un/consolidated.xml"


def test_a_suspended_corridor_is_not_issued_anew_because_a_list_changed(make_node):
    node = make_node(published=True)
    assert node.revoke(f"{CORRIDOR}.1", reason="corridor_suspended").status == 200
    file = node.folder / UN
    text = file.read_text()
    start = text.index("<INDIVIDUAL>")
    entry = (
        "<INDIVIDUAL><DATAID>1</DATAID><FIRST_NAME>Xylophia Brontide</FIRST_NAME>"
        "<REFERENCE_NUMBER>XXi.999</REFERENCE_NUMBER></INDIVIDUAL>"
    )
    file.write_text(text[:start] + entry + text[start:])
    assert fetched(node, "un-sc").outcome == "accepted"
    issued = node.compile(accept=False).issued
    assert "RMT:EU:payments_aml:2026-10.2" in issued
    assert "IMT:SG-EU:payments_aml:2026-10.2" in issued
    assert not [token for token in issued if token.startswith("IMT:EU-SG:payments_aml")]
    assert node.verify(CORRIDOR, rmt="RMT:SG:payments_aml:2026-10.1").reason == (
        "RTGF_VERIFY_REVOKED"
    )
    # Lifted, it follows the lists again.
    assert node.revoke(f"{CORRIDOR}.1", reason="corridor_suspended", act="reinstate").status == 200
    assert node.compile(accept=False).issued == [f"{CORRIDOR}.2"]
    assert node.verify(CORRIDOR).valid
