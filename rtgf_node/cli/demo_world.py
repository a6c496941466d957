"""The world around the demonstration's node: authorities with keys, and publishers with lists.

The keys are made when the demonstration runs; the snapshots of `config/policies` are signed with
them and put where the node fetches from. The lists are the small invented ones of
`config/demo-lists`, or the publishers' real files in a folder that the user names.
"""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

import rtgf_node
from rtgf_node.core import canonical_json, identifiers, snapshot, times
from rtgf_node.core.keys import SEED_BYTES, KeySet, PublicKey, SeedSigner
from rtgf_node.core.lists.readers import READERS
from rtgf_node.errors import Code, RtgfError
from rtgf_node.whole_file import write_whole

CONFIG = Path(rtgf_node.__file__).parent.parent / "config"
POLICIES = CONFIG / "policies"
SMALL_LISTS = CONFIG / "demo-lists"

INVENTED_NAME = "Isaveta Quorrin"
"""Stands on each of the small lists; nobody is called so."""

YEAR_SECONDS = 365 * 86_400


class ListFiles(NamedTuple):
    """A list: what the settings call it, who publishes it, and its files below a folder.

    A file may be a pattern; of several that match, the last in order is the newest.
    """

    name: str
    provider: str
    reader: str
    files: dict[str, str]


SMALL: tuple[ListFiles, ...] = (
    ListFiles(
        "us-ofac-sdn",
        "ofac",
        "ofac-csv",
        {
            "sdn": "us-ofac/sdn.csv",
            "alt": "us-ofac/alt.csv",
            "add": "us-ofac/add.csv",
            "comments": "us-ofac/sdn_comments.csv",
        },
    ),
    ListFiles("un-sc", "un", "un-xml", {"": "un/consolidated.xml"}),
    ListFiles("eu-fsf", "eu-commission", "eu-csv", {"": "eu/fsf.csv"}),
    ListFiles("uk-sanctions", "hmt-ofsi", "uk-csv", {"": "uk/conlist.csv"}),
    ListFiles("au-dfat", "dfat", "au-jsonl", {"": "au/dfat.jsonl"}),
)

FULL: tuple[ListFiles, ...] = (
    ListFiles(
        "us-ofac-sdn",
        "ofac",
        "ofac-csv",
        {
            "sdn": "us-ofac/bench*_sdn.csv",
            "alt": "us-ofac/bench*_alt.csv",
            "add": "us-ofac/bench*_add.csv",
            "comments": "us-ofac/bench*_sdn_comments.csv",
        },
    ),
    ListFiles("un-sc", "un", "un-xml", {"": "un/un-data_*.xml"}),
    ListFiles("eu-fsf", "eu-commission", "eu-jsonl", {"": "eu/eu_fsf_*.jsonl.gz"}),
    ListFiles("uk-sanctions", "hmt-ofsi", "uk-jsonl", {"": "uk/uk_sanctions_list_*.jsonl"}),
    ListFiles("au-dfat", "dfat", "au-jsonl", {"": "au-dfat/au_dfat_*.jsonl"}),
    ListFiles("ca-sema", "global-affairs-canada", "ca-xml", {"": "ca/sema_consolidated.xml"}),
)


class World(NamedTuple):
    """What was prepared: the authorities, what they signed, and a name that is listed."""

    authorities: tuple[str, ...]
    snapshots: tuple[snapshot.Snapshot, ...]
    listed_name: str
    settings: str
    """Tables to add to the node's settings."""


def prepare(folder: Path, lists: Path | None, *, at: int) -> World:
    """Make the authorities and publishers in the node's folder.

    Raises:
      RtgfError: RTGF_NOT_FOUND if a policy or a list is missing.
    """
    documents = [_document(path) for path in sorted(POLICIES.glob("*.json"))]
    if not documents:
        raise RtgfError(Code.RTGF_NOT_FOUND, f"there are no policies in {POLICIES}")
    issuers = sorted({str(document["issuer"]) for document in documents})
    settings: list[str] = []
    taken: list[snapshot.Snapshot] = []
    for issuer in issuers:
        own = [document for document in documents if document["issuer"] == issuer]
        taken += _authority(folder, issuer, own, at=at)
        host = issuer.removeprefix(identifiers.DID_PREFIX)
        places = sorted({str(document["jurisdiction"]) for document in own})
        settings.append(
            f"[[authority]]\ndid = {_toml(issuer)}\n"
            f"jwks_file = {_toml(f'authorities/{host}/jwks.json')}\n"
            f"jurisdictions = [{', '.join(map(_toml, places))}]\n\n"
            f"[[source]]\nname = {_toml(host)}\n"
            f"uri = {_toml(f'authorities/{host}/index.jsonld')}\n"
            f"authorities = [{_toml(issuer)}]\n"
        )
    if lists is None:
        shutil.copytree(SMALL_LISTS, folder / "lists")
        where, chosen = folder / "lists", SMALL
    else:
        where, chosen = lists.resolve(), FULL
    settings += [_dataset(where, one) for one in chosen]
    return World(
        authorities=tuple(issuers),
        snapshots=tuple(taken),
        listed_name=INVENTED_NAME if lists is None else _listed_name(where),
        settings="\n".join(settings),
    )


def _authority(
    folder: Path, issuer: str, documents: Sequence[dict[str, Any]], *, at: int
) -> list[snapshot.Snapshot]:
    """Make an authority's keys, sign its snapshots, and publish them with an index."""
    home = folder / "authorities" / issuer.removeprefix(identifiers.DID_PREFIX)
    home.mkdir(parents=True)
    month = times.to_text(at)[:7]
    quorum = max(int(document.get("signature_threshold", 1)) for document in documents)
    signers = [
        SeedSigner(identifiers.key_id(issuer, month, number), secrets.token_bytes(SEED_BYTES))
        for number in range(1, quorum + 1)
    ]
    keys = KeySet(
        PublicKey(signer.kid, signer.public, "authority", at, at + YEAR_SECONDS)
        for signer in signers
    )
    write_whole(home / "jwks.json", canonical_json.canonical_bytes(keys.to_jwks()))
    index: list[dict[str, Any]] = []
    taken: list[snapshot.Snapshot] = []
    for document in documents:
        body = snapshot.seal(document, signers)
        name = f"{str(document['id']).replace(':', '-')}.json"
        write_whole(home / name, body)
        taken.append(snapshot.parse(body))
        index.append(
            {
                "jurisdiction": document["jurisdiction"],
                "domain": document["domain"],
                "source_uri": name,
                "issuing_authority_did": issuer,
                "jwks_uri": "jwks.json",
                "last_updated": times.to_text(at),
            }
        )
    write_whole(home / "index.jsonld", msgspec.json.format(msgspec.json.encode(index)))
    return taken


def _dataset(where: Path, one: ListFiles) -> str:
    """Return the settings of one list."""
    uris = {part: _newest(where, pattern).as_uri() for part, pattern in one.files.items()}
    if list(uris) == [""]:
        place = f"uri = {_toml(uris[''])}"
    else:
        parts = ", ".join(f"{part} = {_toml(uri)}" for part, uri in uris.items())
        place = f"uris = {{ {parts} }}"
    return (
        f"[[dataset]]\nname = {_toml(one.name)}\nprovider = {_toml(one.provider)}\n"
        f"reader = {_toml(one.reader)}\n{place}\n"
    )


def _listed_name(where: Path) -> str:
    """Return the name of a person on the real UN list."""
    un = next(one for one in FULL if one.name == "un-sc")
    records = READERS[un.reader].read(_newest(where, un.files[""]).read_bytes()).records
    return next(record.names[0] for record in records if record.kind == "person")


def _newest(where: Path, pattern: str) -> Path:
    found = sorted(where.glob(pattern))
    if not found:
        raise RtgfError(Code.RTGF_NOT_FOUND, f"there is no list {pattern} in {where}")
    return found[-1]


def _document(path: Path) -> dict[str, Any]:
    document = canonical_json.parse(path.read_bytes(), max_bytes=snapshot.MAX_SNAPSHOT_BYTES)
    if not isinstance(document, dict):
        raise RtgfError(Code.RTGF_INPUT_INVALID, f"{path} is not a policy")
    return document


def _toml(text: str) -> str:
    """Return a TOML basic string; JSON's escapes are all TOML's too."""
    return json.dumps(text, ensure_ascii=False)
