"""One command, one atomic change; refused ones leave no trace; a number is applied once."""

from __future__ import annotations

import sqlite3

import pytest
from msgspec import structs

from rtgf_node.core import digests, merkle, tree_head
from rtgf_node.core.canonical_json import canonical_bytes
from rtgf_node.core.keys import SeedSigner
from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication.commands import (
    AppendEvents,
    ConfirmDataset,
    KeyRow,
    NoteBuild,
    Outcome,
    Proposal,
    PublishBuild,
    QuarantineDataset,
    RecordRefusal,
    SignedHead,
    decode,
    decode_record,
    encode,
)
from rtgf_node.replication.state_machine import StateMachine
from rtgf_node.store import open_store
from rtgf_node.store.command_store import CLIENTS_KEPT, COMMANDS_KEPT, OUTCOMES_KEPT
from rtgf_node.store.intake_store import REFUSALS_KEPT
from tests.replication import samples

SIGNER = SeedSigner("log.example:ed25519:2026-11:001", bytes(range(32)))


def head(store, *, size: int | None = None, root: bytes | None = None) -> SignedHead:
    size = store.log.size if size is None else size
    root = store.log.root_at(size) if root is None else root
    signed = tree_head.sign("log.example", size, root, samples.AT, SIGNER)
    return SignedHead(canonical_bytes(tree_head.to_document(signed)), size, root)


class TestAppending:
    def test_events_get_their_places_in_order(self, store, client):
        first = client.accepted(samples.append("a", "b"))
        second = client.accepted(samples.append("c"))
        assert first.leaf_indexes == (0, 1)
        assert second.leaf_indexes == (2,)
        entries = [samples.event_bytes(subject) for subject in "abc"]
        assert store.log.entries(0) == entries
        root = merkle.root_hash(merkle.leaf_hash(entry) for entry in entries)
        assert (second.tree_size, store.log.root()) == (3, root)

    def test_same_event_again_is_a_no_op_with_the_same_index(self, store, client):
        client.accepted(samples.append("a", "b"))
        again = client.accepted(samples.append("b"))
        assert again.leaf_indexes == (1,)
        assert store.log.size == 2

    def test_event_twice_in_one_command_is_one_entry(self, store, client):
        outcome = client.accepted(samples.append("a", "a", "b"))
        assert outcome.leaf_indexes == (0, 0, 1)
        assert store.log.size == 2

    def test_other_bytes_under_a_known_id_are_a_violation(self, store, client):
        """RTGF-CT-64: the command is refused whole, with the code that halts intake."""
        client.accepted(samples.append("a"))
        root = store.log.root()
        forged = samples.altered(samples.event_bytes("a"))
        refusal = client.refused(AppendEvents((samples.event_bytes("new"), forged)))
        assert refusal.code is Code.RTGF_TXP_APPEND_VIOLATION
        assert (store.log.size, store.log.root()) == (1, root)

    @pytest.mark.parametrize("entry", [b"", b"{}", b"[]", b"\xff", b"x" * 60_001])
    def test_what_is_no_event_is_refused(self, store, client, entry):
        refusal = client.refused(AppendEvents((entry,)))
        assert refusal.code is Code.RTGF_TXP_EVENT_INVALID
        assert store.log.size == 0

    def test_a_refused_command_undoes_only_itself(self, store, client):
        forged = samples.altered(samples.event_bytes("a"))
        applied = client.apply(
            samples.append("a"),
            AppendEvents((samples.event_bytes("lost"), forged)),
            samples.append("b"),
        )
        assert [type(result.outcome) for result in applied] == [Outcome, RtgfError, Outcome]
        assert applied[2].outcome.leaf_indexes == (1,)
        expected = [samples.event_bytes("a"), samples.event_bytes("b")]
        assert store.log.entries(0) == expected
        assert store.log.root() == merkle.root_hash(map(merkle.leaf_hash, expected))
        store.log.check_all()

    @pytest.mark.parametrize("spoils", ["", "known", "twice", "no event", "number again"])
    def test_commands_of_one_batch_come_to_what_they_come_to_alone(self, store, client, spoils):
        client.accepted(samples.append("known"))
        batch = client.proposals(*(samples.append(f"{n}", f"{n}+") for n in range(5)))
        match spoils:
            case "known":
                batch[2:2] = client.proposals(samples.append("new", "known"))
            case "twice":
                batch[2:2] = client.proposals(samples.append("new", "0"))
            case "no event":
                batch[2:2] = client.proposals(AppendEvents((samples.event_bytes("new"), b"{}")))
            case "number again":
                batch[2:2] = batch[:1]
        applied = client.machine.apply_batch(batch)
        extra = applied.pop(2) if spoils else None
        match spoils:
            case "known":
                assert (extra.outcome.leaf_indexes, extra.outcome.tree_size) == ((5, 0), 6)
            case "twice":
                assert (extra.outcome.leaf_indexes, extra.outcome.tree_size) == ((5, 1), 6)
            case "no event":
                assert extra.outcome.code is Code.RTGF_TXP_EVENT_INVALID
            case "number again":
                assert (extra.repeated, extra.outcome) == (True, applied[0].outcome)
        shift = 1 if spoils in {"known", "twice"} else 0
        for number, result in enumerate(applied):
            first = 1 + 2 * number + (shift if number >= 2 else 0)
            assert result.outcome.leaf_indexes == (first, first + 1)
            assert result.outcome.tree_size == first + 2
        assert [result.repeated for result in applied] == [False] * 5
        again = client.machine.apply_batch(batch)
        assert all(result.repeated for result in again)
        store.log.check_all()

    def test_tiles_are_whole_across_batches_with_refusals(self, store, client):
        forged = samples.altered(samples.event_bytes("0:0"))
        for batch in range(6):
            client.apply(
                *(samples.append(f"{batch}:{number}") for number in range(100)),
                AppendEvents((samples.event_bytes(f"lost {batch}"), forged)),
            )
        assert store.log.size == 600
        store.log.check_all()


class TestNumbers:
    def test_same_number_again_gives_the_same_outcome(self, store, client):
        proposals = client.proposals(samples.append("a"), samples.append("b"))
        first = client.machine.apply_batch(proposals)
        again = client.machine.apply_batch(proposals)
        assert [(r.index, r.outcome) for r in again] == [(r.index, r.outcome) for r in first]
        assert [result.repeated for result in again] == [True, True]
        assert store.log.size == 2

    def test_same_number_twice_in_one_batch_is_applied_once(self, store, client):
        [proposal] = client.proposals(samples.append("a"))
        first, second = client.machine.apply_batch([proposal, proposal])
        assert (first.repeated, second.repeated) == (False, True)
        assert second.outcome == first.outcome

    def test_a_refusal_is_repeated_as_it_was(self, client):
        client.accepted(samples.append("a"))
        forged = AppendEvents((samples.altered(samples.event_bytes("a")),))
        [proposal] = client.proposals(forged)
        [first] = client.machine.apply_batch([proposal])
        [again] = client.machine.apply_batch([proposal])
        assert str(again.outcome) == str(first.outcome)
        assert again.repeated

    def test_numbers_are_remembered_through_a_restart(self, store, client):
        proposals = client.proposals(samples.append("a"))
        [first] = client.machine.apply_batch(proposals)
        store.close()
        with open_store(store.folder) as again:
            [result] = StateMachine(again).apply_batch(proposals)
            assert result.repeated
            assert result.outcome == first.outcome

    def test_numbers_of_two_clients_are_their_own(self, store, client):
        other = samples.Client(client.machine, "other")
        client.accepted(samples.append("a"))
        other.accepted(samples.append("b"))
        assert store.log.size == 2

    def test_a_late_number_that_was_never_seen_is_applied(self, store, client):
        machine = client.machine
        machine.apply_batch([Proposal("c", 5, samples.append("five"))])
        [late] = machine.apply_batch([Proposal("c", 3, samples.append("three"))])
        assert not late.repeated
        assert store.log.size == 2

    def test_what_is_kept_is_bounded_and_forgotten_numbers_are_refused(self, store, client):
        machine = client.machine
        count = COMMANDS_KEPT + 10
        command = samples.append("a")
        for start in range(0, count, 1000):
            machine.apply_batch(
                [Proposal("c", seq, command) for seq in range(start, min(start + 1000, count))]
            )
        kept = {
            table: store.reader.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("command_log", "applied")
        }
        assert kept == {"command_log": COMMANDS_KEPT, "applied": OUTCOMES_KEPT}
        [result] = machine.apply_batch([Proposal("c", 1, samples.append("again"))])
        assert result.outcome.code is Code.RTGF_CONFLICT
        assert store.log.size == 1

    def test_clients_that_fell_silent_are_forgotten(self, store, client):
        command = samples.append("a")
        for start in range(0, CLIENTS_KEPT + 100, 281):
            client.machine.apply_batch(
                [Proposal(f"c{number}", 1, command) for number in range(start, start + 281)]
            )
        for table in ("clients", "applied"):
            held = store.reader.execute(f"SELECT count(*) FROM {table}").fetchone()
            assert held == (CLIENTS_KEPT,)
        [result] = client.machine.apply_batch([Proposal("c1123", 1, command)])
        assert result.repeated

    def test_every_command_survives_its_stored_form(self, store):
        build = samples.corridor_build()
        for command in (
            build,
            samples.revoke(samples.IMT),
            samples.snapshot("2026-10"),
            samples.dataset("x"),
            samples.append("a"),
            head(store),
        ):
            assert decode(encode(command)) == command


class TestFailure:
    def test_full_disk_undoes_the_whole_batch_and_is_raised(self, store, client):
        client.accepted(samples.append("a"))
        pages = store.conn.execute("PRAGMA page_count").fetchone()[0]
        store.conn.execute(f"PRAGMA max_page_count = {pages + 4}")
        many = [samples.append(*(f"{n}:{m}" for m in range(50))) for n in range(20)]
        proposals = client.proposals(*many)
        with pytest.raises(sqlite3.OperationalError, match="full"):
            client.machine.apply_batch(proposals)
        assert store.log.size == 1
        store.log.check_all()
        store.conn.execute("PRAGMA max_page_count = 1000000")
        applied = client.machine.apply_batch(proposals)
        assert not any(result.repeated for result in applied)
        assert store.log.size == 1001
        store.log.check_all()

    def test_failed_commit_leaves_memory_as_the_disk_is(self, store, client):
        class Failing:
            def __init__(self, conn):
                self.conn = conn

            def __getattr__(self, name):
                return getattr(self.conn, name)

            def execute(self, statement, *arguments):
                if statement == "COMMIT":
                    raise sqlite3.OperationalError("disk I/O error")
                return self.conn.execute(statement, *arguments)

        machine = client.machine
        client.accepted(samples.corridor_build())
        root = store.log.root()
        machine._conn = Failing(store.conn)
        with pytest.raises(sqlite3.OperationalError, match="I/O"):
            client.apply(samples.append("lost"), samples.revoke(samples.RMT_EU))
        machine._conn = store.conn
        assert store.log.root() == root
        assert store.revocation.rev_epoch() == 0
        outcome = client.accepted(samples.append("kept"))
        assert outcome.rev_epoch == 0
        assert outcome.leaf_indexes == (6,)
        store.log.check_all()


class TestIntake:
    def test_snapshot_is_held_with_its_exact_bytes(self, store, client):
        command = samples.snapshot("2026-10")
        [leaf] = client.accepted(command).leaf_indexes
        held = store.intake.snapshot(command.snapshot_id)
        assert (held.body, held.digest, held.leaf_index) == (command.body, command.digest, leaf)
        assert held.at == "2026-09-21T14:13:20Z"
        assert store.intake.newest_snapshot("EU", "payments_aml") == held

    def test_same_snapshot_again_is_a_no_op(self, store, client):
        first = client.accepted(samples.snapshot("2026-10"))
        again = client.accepted(samples.snapshot("2026-10"))
        assert again.leaf_indexes == first.leaf_indexes
        assert store.log.size == 1

    @pytest.mark.parametrize(("version", "text"), [("2026-09", ""), ("2026-10", " other bytes")])
    def test_older_or_equal_version_with_other_bytes_is_stale(self, store, client, version, text):
        client.accepted(samples.snapshot("2026-10"))
        refusal = client.refused(samples.snapshot(version, text=text))
        assert refusal.code is Code.RTGF_POL_MATRIX_STALE
        assert store.log.size == 1

    def test_newer_snapshot_supersedes_and_the_older_stays(self, store, client):
        client.accepted(samples.snapshot("2026-10"))
        client.accepted(samples.snapshot("2026-11"))
        client.accepted(samples.snapshot("2026-09", jurisdiction="SG"))
        assert store.intake.newest_snapshot("EU", "payments_aml").version == "2026-11"
        assert store.intake.snapshot("snapshot:eu:payments_aml:2026-10") is not None
        assert [row.snapshot_id for row in store.intake.newest_snapshots()] == [
            "snapshot:eu:payments_aml:2026-11",
            "snapshot:sg:payments_aml:2026-09",
        ]

    def test_a_version_without_numbers_is_refused_not_a_crash(self, client):
        client.accepted(samples.snapshot("2026-10"))
        refusal = client.refused(samples.snapshot("newest"))
        assert refusal.code is Code.RTGF_POL_MATRIX_SCHEMA_INVALID

    def test_dataset_is_recorded_and_the_same_again_is_not(self, store, client):
        first = client.accepted(samples.dataset("monday"))
        again = client.accepted(samples.dataset("monday", at=samples.AT + 60))
        assert again.leaf_indexes == first.leaf_indexes
        assert store.intake.newest_dataset("un-sc").record_count == 3

    def test_a_list_that_returns_to_old_content_is_a_new_record(self, store, client):
        client.apply(samples.dataset("monday"), samples.dataset("tuesday"))
        client.accepted(samples.dataset("monday", at=samples.AT + 60))
        assert store.intake.newest_dataset("un-sc").version == "monday"
        assert store.log.size == 3

    def test_confirming_the_dataset_in_force_moves_its_time(self, store, client):
        command = samples.dataset("monday")
        client.accepted(command)
        client.accepted(ConfirmDataset("un-sc", command.raw_sha256, samples.AT + 3600))
        assert store.intake.newest_dataset("un-sc").checked_at == samples.AT + 3600
        # A clock that was ahead is set right; what it said is not kept.
        client.accepted(ConfirmDataset("un-sc", command.raw_sha256, samples.AT + 60))
        assert store.intake.newest_dataset("un-sc").checked_at == samples.AT + 60
        assert [at for _, _, at in store.intake.checked_contents()] == [samples.AT + 60]
        other = digests.sha256(b"other")
        refusal = client.refused(ConfirmDataset("un-sc", other, samples.AT + 7200))
        assert refusal.code is Code.RTGF_CONFLICT

    def test_quarantined_file_is_released_by_recording_it(self, store, client):
        command = samples.dataset("small")
        client.accepted(QuarantineDataset(command, "shrank", samples.AT))
        [row] = store.intake.quarantined()
        assert (row.name, row.reason, row.raw_sha256) == ("un-sc", "shrank", command.raw_sha256)
        assert store.intake.newest_dataset("un-sc") is None
        client.accepted(decode_record(row.record))
        assert store.intake.newest_dataset("un-sc").raw_sha256 == command.raw_sha256
        assert store.intake.quarantined() == []

    def test_quarantine_holds_the_newest_file_until_another_is_the_newest(self, store, client):
        held = samples.dataset("monday")
        client.accepted(held)
        for number, content in enumerate(("tuesday", "wednesday")):
            record = samples.dataset(content)
            client.accepted(QuarantineDataset(record, content, samples.AT + number))
            assert [row.reason for row in store.intake.quarantined()] == [content]
        client.accepted(QuarantineDataset(samples.dataset("x", name="eu-fsf"), "x", samples.AT))
        client.accepted(ConfirmDataset("un-sc", held.raw_sha256, samples.AT + 60))
        assert [row.name for row in store.intake.quarantined()] == ["eu-fsf"]

    def test_refusals_are_counted_and_the_kept_rows_are_bounded(self, store, client):
        refusal = RecordRefusal("RTGF_X", "un-sc", "", samples.AT, "unreadable")
        for _ in range(11):
            client.apply(*[refusal] * 1000)
        assert store.intake.refusal_counts() == {"RTGF_X": 11_000}
        rows = store.reader.execute("SELECT count(*) FROM refusals").fetchone()[0]
        assert rows == REFUSALS_KEPT
        assert store.log.size == 0


class TestBuilds:
    def test_build_is_published_with_all_its_tokens(self, store, client):
        build = samples.corridor_build()
        outcome = client.accepted(build)
        assert outcome.leaf_indexes == (0, 1, 2, 3, 4, 5)
        assert store.registry.build("build-1").state == "published"
        for row, leaf in zip(build.tokens, outcome.leaf_indexes[1:], strict=True):
            issued = store.registry.token(row.token_id)
            assert (issued.token, issued.leaf_index) == (row, leaf)
            assert store.registry.by_jti(row.jti) == issued
        assert store.registry.children(samples.RMT_EU) == (samples.IMT,)
        assert store.registry.next_status_index(0) == 5

    def test_same_build_again_is_a_no_op(self, store, client):
        first = client.accepted(samples.corridor_build())
        again = client.accepted(samples.corridor_build())
        assert again.leaf_indexes == first.leaf_indexes
        assert store.log.size == 6

    def test_same_build_with_other_bytes_is_a_conflict(self, store, client):
        client.accepted(samples.publish("b", samples.token(samples.RMT_EU, number=0)))
        changed = samples.token(samples.RMT_EU, number=0, body=b"other")
        assert client.refused(samples.publish("b", changed)).code is Code.RTGF_CONFLICT

    @pytest.mark.parametrize(
        ("token_id", "number"), [(samples.RMT_EU, 1), (samples.RMT_SG, 0)], ids=["id", "status"]
    )
    def test_taken_id_or_status_index_refuses_the_whole_build(
        self, store, client, token_id, number
    ):
        client.accepted(samples.publish("one", samples.token(samples.RMT_EU, number=0)))
        fresh = samples.token("RMT:US:payments_aml:2026-10.1", number=7)
        refusal = client.refused(
            samples.publish("two", fresh, samples.token(token_id, number=number, body=b"other"))
        )
        assert refusal.code is Code.RTGF_CONFLICT
        assert store.registry.token(fresh.token_id) is None
        assert store.registry.build("two") is None
        assert store.log.size == 2

    def test_token_that_rests_on_nothing_known_is_refused(self, client):
        orphan = samples.token(samples.IMT, number=0, parents=[samples.RMT_EU])
        refusal = client.refused(samples.publish("b", orphan))
        assert refusal.code is Code.RTGF_VERIFY_TOKEN_NOT_FOUND

    def test_token_built_while_its_mandate_was_revoked_is_refused(self, store, client):
        client.accepted(samples.publish("rmt", samples.token(samples.RMT_EU, number=0)))
        client.accepted(samples.revoke(samples.RMT_EU))
        late = samples.token(samples.IMT, number=1, parents=[samples.RMT_EU])
        assert client.refused(samples.publish("imt", late)).code is Code.RTGF_CONFLICT
        assert store.registry.token(samples.IMT) is None

    def test_events_must_match_tokens(self, client):
        build = samples.corridor_build()
        short = PublishBuild(
            build.build_id, build.manifest_digest, build.at, build.events[:-1], build.tokens
        )
        assert client.refused(short).code is Code.RTGF_INPUT_INVALID

    def test_newest_is_the_one_issued_last(self, store, client):
        client.accepted(samples.publish("one", samples.token(samples.RMT_EU, number=0)))
        second = "RMT:EU:payments_aml:2026-10.2"
        client.accepted(samples.publish("two", samples.token(second, number=1)))
        assert store.registry.newest("RMT", "EU", "payments_aml").token.token_id == second
        versions = store.registry.versions("RMT", "EU", "payments_aml")
        assert [issued.token.issue for issued in versions] == [2, 1]

    def test_refused_build_is_noted_and_a_published_one_is_final(self, store, client):
        client.accepted(NoteBuild("build-1", "refused", samples.AT, "diverged"))
        assert store.registry.build("build-1").state == "refused"
        client.accepted(samples.corridor_build())
        note = NoteBuild("build-1", "refused", samples.AT, "late")
        assert client.refused(note).code is Code.RTGF_CONFLICT
        note = NoteBuild("build-2", "published", samples.AT, "not so")
        assert client.refused(note).code is Code.RTGF_INPUT_INVALID


class TestKeys:
    KEY = KeyRow("log:001", "log", b"k" * 32, samples.AT, samples.AT + 1000)

    def test_keys_are_published_with_their_entries(self, store, client):
        other = KeyRow("token:001", "token", b"t" * 32, samples.AT, samples.AT + 1000)
        outcome = client.accepted(samples.keys(self.KEY, other))
        assert store.keys.all() == [self.KEY, other]
        assert store.keys.leaf_index("token:001") == outcome.leaf_indexes[1]
        assert store.keys.documents().jwks == b'{"keys":[]}'

    def test_key_can_be_revoked_and_never_unrevoked(self, store, client):
        client.accepted(samples.keys(self.KEY))
        revoked = KeyRow("log:001", "log", b"k" * 32, samples.AT, samples.AT + 1000, samples.AT)
        client.accepted(samples.keys(revoked))
        assert store.keys.all() == [revoked]
        assert client.refused(samples.keys(self.KEY)).code is Code.RTGF_CONFLICT

    def test_kid_never_names_another_key(self, client):
        client.accepted(samples.keys(self.KEY))
        other = KeyRow("log:001", "log", b"x" * 32, samples.AT, samples.AT + 1000)
        assert client.refused(samples.keys(other)).code is Code.RTGF_CONFLICT


class TestHeads:
    def test_signed_head_is_kept_with_its_exact_bytes(self, store, client):
        client.accepted(samples.append("a", "b"))
        command = head(store)
        client.accepted(command)
        held = store.log.latest_head()
        assert (held.document, held.tree_size, held.root) == (command.document, 2, command.root)

    def test_head_for_a_smaller_tree_than_the_newest_is_signed_in_time(self, store, client):
        client.accepted(samples.append("a"))
        command = head(store)
        client.accepted(samples.append("b"))
        client.accepted(command)
        assert store.log.latest_head().tree_size == 1

    def test_head_with_another_root_cannot_be_true(self, store, client):
        client.accepted(samples.append("a"))
        refusal = client.refused(head(store, root=bytes(32)))
        assert refusal.code is Code.RTGF_TXP_GOSSIP_INCONSISTENT
        assert store.log.latest_head() is None

    def test_heads_never_go_back_nor_beyond_the_tree(self, store, client):
        client.accepted(samples.append("a", "b"))
        client.accepted(head(store))
        assert client.refused(head(store, size=1)).code is Code.RTGF_CONFLICT
        assert client.refused(head(store, size=3, root=bytes(32))).code is Code.RTGF_CONFLICT

    def test_head_whose_document_says_something_else_is_refused(self, store, client):
        """Kept, it would stop the next start."""
        client.accepted(samples.append("a"))
        true = head(store)
        for document in (
            b"",
            b"{}",
            b"\xff",
            true.document.replace(b'"tree_size":1', b'"tree_size":2'),
        ):
            refusal = client.refused(SignedHead(document, 1, true.root))
            assert refusal.code is Code.RTGF_INPUT_INVALID
        assert store.log.latest_head() is None

    def test_head_signed_anew_replaces_the_older_signature(self, store, client):
        client.accepted(samples.append("a"))
        client.accepted(head(store))
        again = SignedHead(head(store).document + b" ", 1, store.log.root())
        client.accepted(again)
        assert store.log.latest_head().document == again.document
        assert len(store.log.heads(9)) == 1


class TestPublishing:
    def reissue(self, **changes):
        rmt = samples.token("RMT:SG:payments_aml:2026-10.2", number=5)
        return structs.replace(samples.publish("build-2", rmt), **changes)

    @pytest.mark.parametrize("status", ["invalid", "suspended"])
    def test_what_was_withdrawn_while_a_build_ran_is_not_issued_again(self, store, client, status):
        client.accepted(samples.corridor_build())
        client.accepted(samples.revoke(samples.RMT_SG, status=status))
        refusal = client.refused(self.reissue(rev_epoch=0))
        assert refusal.code is Code.RTGF_CONFLICT
        assert store.registry.token("RMT:SG:payments_aml:2026-10.2") is None
        assert store.registry.build("build-2") is None

    def test_a_build_that_was_planned_after_the_withdrawal_may_issue(self, store, client):
        client.accepted(samples.corridor_build())
        epoch = client.accepted(samples.revoke(samples.RMT_SG)).rev_epoch
        client.accepted(self.reissue(rev_epoch=epoch))
        assert store.registry.token("RMT:SG:payments_aml:2026-10.2") is not None

    def test_a_withdrawal_of_something_else_holds_no_build_up(self, client):
        client.accepted(samples.corridor_build())
        client.accepted(samples.revoke(samples.RMT_EU))
        client.accepted(self.reissue(rev_epoch=0))

    def test_approvals_are_logged_with_the_build_or_not_at_all(self, store, client):
        client.accepted(samples.corridor_build())
        size = store.log.size
        approval = samples.event_bytes("EU-SG:payments_aml", kind="approval")
        client.accepted(samples.revoke(samples.RMT_SG))
        with_approval = self.reissue(rev_epoch=0, approvals=(approval,))
        client.refused(with_approval)
        revocations = 4  # the RMT and what rests on it
        assert store.log.size == size + revocations
        outcome = client.accepted(structs.replace(with_approval, rev_epoch=4))
        assert store.log.size == size + revocations + 3
        assert len(outcome.leaf_indexes) == 2
        assert store.log.entry(store.log.size - 1) == approval
