"""A node with a predicate library of its operator's own, and with resolvers that are late."""

from __future__ import annotations

import shutil

from rtgf_node import policy_library
from rtgf_node.core import base64url
from rtgf_node.core.keys import SeedSigner
from rtgf_node.core.policy import library_signature
from rtgf_node.core.policy.templates import MANIFEST
from tests import worlds
from tests.nodes import RATES, TestNode, context

SEED = bytes(range(32))
PUBLIC = base64url.encode(SeedSigner("", SEED).public)


def own_library(folder):
    """A library without one of the templates, signed with the operator's key; its settings."""
    shutil.copytree(worlds.LIBRARY, folder)
    (folder / "human_oversight.json").unlink()
    files = policy_library.read(folder)
    (folder / MANIFEST).write_bytes(library_signature.sign(files, version="own", seed=SEED))
    return f'\n[library]\nfolder = "{folder}"\nkey = "{PUBLIC}"\n'


def test_a_library_of_ones_own_is_used_only_as_it_was_signed(template, tmp_path):
    node = template.copy(tmp_path / "node")
    settings = own_library(tmp_path / "library")
    node.toml.write_text(node.toml.read_text() + settings)
    with node.running():
        # Another library is another scope: every token is due again.
        assert node.compile(jurisdictions=["SG"]).issued

    (tmp_path / "library" / "human_oversight.json").write_text("{}")
    done = node.cli("serve")
    assert (done.returncode, "RTGF_BUILD_HASH_MISMATCH" in done.stderr) == (65, True)

    node.toml.write_text(node.toml.read_text().replace(PUBLIC, policy_library.SHIPPED_KEY))
    done = node.cli("serve")
    assert (done.returncode, "pin the key that signed it" in done.stderr) == (10, True)


def test_a_folder_without_its_key_is_refused(tmp_path):
    node = TestNode(tmp_path / "node", settings=f'{RATES}\n[library]\nfolder = "library"\n')
    done = node.cli("serve")
    assert (done.returncode, "library.folder" in done.stderr) == (78, True)


def test_a_screening_that_is_late_denies_as_an_error(template, tmp_path):
    late = RATES + "\n[verify]\nresolver_timeout_seconds = 1e-9\n"
    node = template.copy(tmp_path / "node", settings=late)
    with node.running():
        asked = [node.verify(context=context("payment-eu-sg"), corridor="EU-SG") for _ in range(2)]
    for answer in asked:
        assert (answer.valid, answer.decision) == (False, "DENY")
        assert answer.reasons == ["RESOLVER_ERROR:sanctions"]
