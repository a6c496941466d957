"""The demonstration's story: each step does the real thing and checks that it went as told."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from rtgf_node import config, wire
from rtgf_node.audit import judgement as audit
from rtgf_node.audit.material import collect
from rtgf_node.cli import audit as auditing
from rtgf_node.cli import compile as compiling
from rtgf_node.cli import demo_proof, demo_world, fetch, layout, node_folder, output, verify
from rtgf_node.cli import revoke as revoking
from rtgf_node.cli.demo_node import RunningNode, free_port
from rtgf_node.cli.demo_world import World
from rtgf_node.cli.node_folder import Folder, Wish
from rtgf_node.client import Node
from rtgf_node.core import base64url, canonical_json, identifiers
from rtgf_node.errors import Code, RtgfError
from rtgf_node.keys.pki import CA_DAYS
from rtgf_node.settings import Config
from rtgf_node.system_clock import SystemClock
from rtgf_node.whole_file import write_whole

CORRIDOR, DOMAIN, PLACE = "EU-SG", "payments_aml", "SG"
"""The corridor that the partner asks for, and the end of it that is withdrawn later."""

Tell = Callable[[str], None]


class Outcome(msgspec.Struct, frozen=True):
    """What the demonstration did, for whoever wants it as JSON."""

    folder: str
    url: str
    root_fingerprint: str
    issued: list[str]
    accepted_conflicts: list[str]
    decisions: dict[str, str | None]
    proof_of: str
    revoked: list[str]
    revEpoch: int  # noqa: N815 - the contract's spelling
    audit_findings: int


class Story:
    """One run of the demonstration in one folder.

    Args:
      folder: where the node is made; new or empty.
      lists: the publishers' real lists, or None for the small invented ones.
      port: the node's port, or None for a free one.
      tell: takes each line that is told.
    """

    def __init__(self, folder: Path, *, lists: Path | None, port: int | None, tell: Tell) -> None:
        self._folder = folder.absolute()
        self._lists = lists
        self._port = port if port is not None else free_port()
        self._tell = tell
        self._clock = SystemClock()
        self._step = 0

    def run(self, *, keep: bool = False) -> Outcome:
        """Tell the story to its end; with `keep`, the node runs on until Ctrl-C.

        Raises:
          RtgfError: a step did not go as told.
        """
        made = self._make_node()
        world = self._make_world()
        told = config.load(self._folder / "rtgf.toml")
        log = self._folder / "serve.log"
        self._chapter("The node starts", "It listens on TLS 1.3 only, on this machine only.")
        with RunningNode(self._folder / "rtgf.toml", log) as running:
            with self._as("operator", told) as operator:
                running.wait_ready(operator)
                self._tell(f"rtgf serve is up at {made.url}; its log is {_quoted(log)}")
                self._take_in(operator, world)
                issued, accepted = self._build(operator, told, world)
            with self._as("partner", told) as partner:
                ids, decisions = self._ask(partner, world)
                proof_of = self._prove(partner, ids[1], made)
            with self._as("operator", told) as operator, self._as("partner", told) as partner:
                withdrawn = self._withdraw(operator, partner, ids)
            with self._as("auditor", told) as auditor:
                report = self._audit(auditor, made)
            if keep:
                self._tell(f"\nThe node runs on at {made.url} until Ctrl-C.")
                running.wait_end()
        return Outcome(
            folder=str(self._folder),
            url=made.url,
            root_fingerprint=made.root_fingerprint,
            issued=issued,
            accepted_conflicts=accepted,
            decisions=decisions,
            proof_of=proof_of,
            revoked=[entry.token_id for entry in withdrawn.entries],
            revEpoch=withdrawn.revEpoch,
            audit_findings=len(report.findings),
        )

    # --- the chapters ---------------------------------------------------------------------------

    def _make_node(self) -> Folder:
        self._chapter(
            "Keys and a private certificate authority",
            "A root key that will go offline, the online keys that it vouches for, certificates",
            "for the node and for each role, settings, and an empty log.",
        )
        wish = Wish(
            issuer="did:web:fma.example",
            url=f"https://localhost:{self._port}",
            bind=f"127.0.0.1:{self._port}",
            metrics_bind=f"127.0.0.1:{free_port()}",
            passphrase_file=None,
            ca_days=CA_DAYS,
        )
        self._tell("")
        self._tell(f"$ rtgf init {_quoted(self._folder)}")
        made = node_folder.make(self._folder, wish, at=self._clock.now())
        self._tell(f"{len(made.files)} files in {_quoted(self._folder)}")
        self._tell("root key fingerprint " + output.groups_of_four(made.root_fingerprint))
        return made

    def _make_world(self) -> World:
        self._chapter(
            "Authorities and publishers",
            "Each authority makes its own key now and signs its illustrative snapshots; the node",
            "pins those keys. "
            + (
                "The sanctions lists are small and invented, in their publishers' real formats."
                if self._lists is None
                else f"The sanctions lists are the publishers' real ones in {self._lists}."
            ),
        )
        world = demo_world.prepare(self._folder, self._lists, at=self._clock.now())
        settings = self._folder / "rtgf.toml"
        text = settings.read_text().replace(
            "allowed_hosts = []", "allowed_hosts = []\nallow_file = true", 1
        )
        write_whole(settings, f"{text}\n{world.settings}".encode())
        for taken in world.snapshots:
            name = taken.issuer.removeprefix("did:web:")
            self._tell(f"{name} signed {taken.id}: {len(taken.clauses)} clauses")
        return world

    def _take_in(self, operator: Node, world: World) -> None:
        self._chapter(
            "The node takes in rules and lists",
            "Every snapshot must be signed by its pinned authority and cite law in force; every",
            "list must be readable and plausible. What is taken in becomes an event in the log.",
        )
        self._command("fetch")
        answer = operator.fetch()
        self._tell(fetch.text(answer))
        bad = [item.source for item in answer.items if item.outcome not in fetch.GOOD]
        self._expect(not bad, f"these were not taken in: {', '.join(bad)}")
        taken = {item.subject for item in answer.items}
        missing = [one.id for one in world.snapshots if one.id not in taken]
        self._expect(not missing, f"these snapshots were not fetched: {', '.join(missing)}")

    def _build(self, operator: Node, told: Config, world: World) -> tuple[list[str], list[str]]:
        """Build as operator, then accept as approver; return what was issued and accepted."""
        self._chapter(
            "Rules become tokens",
            "Every build runs twice, in two fresh processes, and must come out the same byte for",
            "byte. A corridor whose two rule books differ waits until a second person accepts the",
            "stricter rule.",
        )
        self._command("compile")
        first = self._built(operator, wire.CompileRequest())
        issued, held = list(first.issued), list(first.held)
        self._tell(f"published {len(issued)}, held for an approver {len(held)}")
        if held:
            self._command("compile --accept-conflicts", "    (as the approver)")
            with self._as("approver", told) as approver:
                second = self._built(approver, wire.CompileRequest(accept_conflicts=True))
            issued += second.issued
            self._tell(f"published {len(second.issued)} more")
        due = _due(world)
        have = {_of_what(token_id) for token_id in issued}
        wrong = f"not issued: {sorted(due - have)}, not due: {sorted(have - due)}"
        self._expect(due == have, wrong)
        rmts = sum(token_id.startswith("RMT:") for token_id in issued)
        self._tell(f"{rmts} RMTs and {len(issued) - rmts} IMTs: every ordered corridor is there")
        return issued, held

    def _ask(self, partner: Node, world: World) -> tuple[tuple[str, str], dict[str, str | None]]:
        """Ask the three questions; return the ids of RMT and IMT, and the decisions."""
        self._chapter(
            f"A partner asks: may this payment go from {CORRIDOR.replace('-', ' to ')}?",
            "The answer names every rule that decided; nothing is sent but the question.",
        )
        ids = verify.newest_of(partner, CORRIDOR, DOMAIN)
        decisions: dict[str, str | None] = {}
        for name, wanted, context in self._payments(world):
            path = self._folder / "payments" / f"{name}.json"
            asked = f"--corridor {CORRIDOR} --domain {DOMAIN} --context {_quoted(path)}"
            self._command(f"verify {asked} --explain")
            answer = partner.verify(self._question(ids, context))
            why = partner.evaluate(wire.EvaluateRequest(ids[1], context), explain=True)
            self._tell(verify.text(answer, why.explanation))
            wrong = f"{name}: {wanted} was due, not {answer.decision}"
            self._expect(answer.decision == wanted, wrong)
            self._expect(answer.valid == (wanted != "DENY"), f"{name}: the verdict contradicts it")
            decisions[name] = answer.decision
            if wanted == "DENY":
                self._expect_article(why.explanation or "", world)
        return ids, decisions

    def _payments(self, world: World) -> Iterable[tuple[str, str, dict[str, Any]]]:
        """Yield name, due decision and context of each payment, written down for the reader."""
        folder = self._folder / "payments"
        folder.mkdir()
        lawful = _example("payment-eu-sg.json")
        large = _example("payment-eu-sg-large.json")
        receiver = {**lawful["beneficiary"], "name": world.listed_name, "kind": "natural"}
        listed = {**lawful, "beneficiary": receiver}
        payments = (
            ("lawful", "PERMIT", lawful),
            ("above-threshold", "PERMIT_WITH_CONTROLS", large),
            ("listed-name", "DENY", listed),
        )
        for name, wanted, context in payments:
            pretty = msgspec.json.format(msgspec.json.encode(context), indent=2)
            write_whole(folder / f"{name}.json", pretty + b"\n")
            self._tell("")
            self._tell(_PLAIN[name])
            yield name, wanted, context

    def _prove(self, partner: Node, token_id: str, made: Folder) -> str:
        self._chapter(
            "Is the token really in the public log?",
            "The proof is fetched and checked on this side: with the pinned root key, the key set",
            "it signed, and the log's signature; the node's word is not used.",
        )
        proof = demo_proof.check(partner, token_id, root_public=base64url.decode(made.root_public))
        for line in proof.lines():
            self._tell(line)
        return proof.event_id

    def _withdraw(self, operator: Node, partner: Node, ids: tuple[str, str]) -> wire.RevokeAnswer:
        self._chapter(
            f"{PLACE} withdraws its policy",
            f"The operator revokes the RMT of {PLACE}; every corridor that rests on it falls too.",
        )
        before = partner.verify(self._question(ids, None))
        self._expect(before.valid, "the tokens were to be valid before")
        falling = _id_of_rmt(partner)
        self._command(f"revoke {falling} --reason policy_withdrawn")
        answer = operator.revoke(
            wire.RevokeRequest(items=[wire.RevokeItem(falling, "policy_withdrawn")])
        )
        self._tell(revoking.text(answer))
        after = partner.verify(self._question(ids, None))
        self._tell("")
        self._tell("The same question again:")
        self._tell(verify.text(after, None))
        fell = not after.valid and after.reason == Code.RTGF_VERIFY_REVOKED.name
        self._expect(fell, f"RTGF_VERIFY_REVOKED was due, not {after.reason}")
        self._expect(after.revEpoch > before.revEpoch, "revEpoch did not grow")
        fallen = {entry.token_id for entry in answer.entries}
        standing = [
            entry.uri
            for entry in partner.catalog_entries(domain=DOMAIN)
            if PLACE in _of_what(identifiers.token_reference(entry.uri))[1].split("-")
            and not entry.revoked
        ]
        self._expect(not standing, f"these still stand: {', '.join(standing)}")
        self._expect(ids[1] in fallen, f"{ids[1]} did not fall with {falling}")
        self._tell(f"revEpoch grew from {before.revEpoch} to {after.revEpoch}")
        return answer

    def _audit(self, auditor: Node, made: Folder) -> audit.Report:
        self._chapter(
            "An auditor who trusts only the root key",
            "reads the whole log, rebuilds the tree, and holds all that is served against it.",
        )
        state = self._folder / "audit-state.json"
        self._command(f"audit --state {_quoted(state)}")
        material = collect(
            auditor, at=self._clock.now(), remembered=None, progress=lambda text: None
        )
        report = audit.check(material, root_public=base64url.decode(made.root_public))
        self._tell(auditing.text(report))
        self._expect(not report.findings, f"the audit has {len(report.findings)} findings")
        write_whole(state, msgspec.json.encode(report.remember()))
        return report

    # --- small things ---------------------------------------------------------------------------

    def _as(self, role: str, told: Config) -> Node:
        pki = self._folder / "pki"
        return Node(
            told.node.public_url,
            ca_file=pki / "ca.pem",
            certificate_file=pki / f"{role}.pem",
            key_file=pki / f"{role}.key",
        )

    def _built(self, node: Node, request: wire.CompileRequest) -> wire.BuildAnswer:
        answer = compiling.build(
            node, request, tell=lambda stage: self._tell(f"{stage.stage:<8} {stage.detail}")
        )
        self._expect(answer.state == "published", compiling.text(answer))
        self._expect(not answer.unsatisfiable, compiling.text(answer))
        return answer

    def _question(self, ids: tuple[str, str], context: dict[str, Any] | None) -> wire.VerifyRequest:
        return wire.VerifyRequest(
            tokens=wire.VerifyTokens(rmt=ids[0], imt=ids[1]),
            context=context,
            corridor=CORRIDOR,
            domain=DOMAIN,
        )

    def _expect_article(self, explanation: str, world: World) -> None:
        """The refusal leads to an article of law that a sanctions clause of the corridor cites."""
        articles = {
            clause.citation.article
            for one in world.snapshots
            if one.domain == DOMAIN and one.jurisdiction in CORRIDOR.split("-")
            for clause in one.clauses
            if clause.template == "sanctions_screening"
        }
        named = any(article in explanation for article in articles)
        self._expect(named, "the explanation does not name the article of law")

    def _chapter(self, title: str, *lines: str) -> None:
        self._step += 1
        self._tell("")
        self._tell(f"{self._step}. {title}")
        self._tell(layout.hung("   ", " ".join(lines), layout.PAGE))

    def _command(self, line: str, remark: str = "") -> None:
        """Show the command that does the same, as it can be typed."""
        self._tell("")
        settings = _quoted(self._folder / "rtgf.toml")
        self._tell(layout.command(f"$ rtgf {line} --config {settings}", layout.PAGE) + remark)

    def _expect(self, holds: object, detail: str) -> None:
        if not holds:
            _fail(detail)


_PLAIN = {
    "lawful": "A small payment with all its information:",
    "above-threshold": "A large payment, which the rules permit with controls:",
    "listed-name": "A payment to a name on a sanctions list:",
}


def _quoted(path: Path) -> str:
    """Return a path as it is typed in this folder."""
    here = Path.cwd()
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))


def _fail(detail: str) -> NoReturn:
    raise RtgfError(Code.RTGF_INTERNAL, f"the demonstration did not go as told: {detail}")


def _due(world: World) -> set[tuple[str, str, str]]:
    """Return (type, place, domain) of every token that the snapshots make due."""
    due = {("RMT", one.jurisdiction, one.domain) for one in world.snapshots}
    for a in world.snapshots:
        for b in world.snapshots:
            if a.domain == b.domain and a.jurisdiction != b.jurisdiction:
                due.add(("IMT", f"{a.jurisdiction}-{b.jurisdiction}", a.domain))
    return due


def _of_what(token_id: str) -> tuple[str, str, str]:
    parts = identifiers.split_token_id(token_id)
    return parts.type, parts.place, parts.name


def _id_of_rmt(node: Node) -> str:
    token = canonical_json.parse(node.rmt(PLACE, DOMAIN))
    return str(token["token_id"]) if isinstance(token, dict) else ""


def _example(name: str) -> dict[str, Any]:
    path = demo_world.POLICIES / "examples" / name
    document = canonical_json.parse(path.read_bytes())
    if not isinstance(document, dict):
        raise RtgfError(Code.RTGF_INPUT_INVALID, f"{path} is not a context")
    return document
