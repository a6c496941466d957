"""For whom an authority may speak, at the door of a running node."""

from __future__ import annotations

from tests.snapshot_door import EU, OTHER, SIGNATURE, door_node, of, sent, signed
from tests.worlds import document


def test_a_pinned_authority_takes_no_place_over_from_another(tmp_path):
    """RTGF-CT-01."""
    node = door_node(tmp_path)
    with node.running():
        assert sent(node, signed(of("NO"))).status == 201
        taking_over = signed(document("NO", issuer=OTHER.did, version="2026-11"), OTHER)
        problem = sent(node, taking_over).problem(422, SIGNATURE)
        assert problem["errors"][0]["pointer"] == "/jurisdiction"
        assert sent(node, signed(of("NO", version="2026-11"))).status == 201
    text = node.toml.read_text().replace(
        f'did = "{EU.did}"', f'did = "{EU.did}"\njurisdictions = ["NO"]'
    )
    node.toml.write_text(text)
    with node.running():
        problem = sent(node, signed(of("FR"))).problem(422, SIGNATURE)
        assert "may not speak for FR" in problem["detail"]
