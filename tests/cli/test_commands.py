"""Exit codes, streams and help of the command line, without a node that runs."""

from __future__ import annotations

import errno
import json
import re
import socket
import sqlite3
from pathlib import Path
from unittest.mock import Mock

import pytest

import rtgf_node
from rtgf_node import __version__
from rtgf_node.cli import commands, main
from rtgf_node.cli.commands import app
from rtgf_node.core import canonical_json
from tests.cli.audit_world import World

VERBS = (
    "init",
    "serve",
    "status",
    "fetch",
    "compile",
    "replay",
    "verify",
    "explain",
    "diff",
    "incident report",
    "incident check",
    "keys list",
    "keys prepare",
    "keys sign",
    "keys rotate",
    "keys revoke",
    "policy new",
    "policy check",
    "policy key",
    "policy sign",
    "policy coverage",
    "library check",
    "library key",
    "library sign",
    "builds list",
    "builds show",
    "builds cancel",
    "audit-trail verify",
    "cluster init",
    "cluster prepare",
    "cluster add",
    "cluster seat",
    "cluster join",
    "cluster promote",
    "cluster remove",
    "cluster transfer",
    "cluster status",
    "cluster leave",
    "cluster demo",
    "cluster drill",
    "approvals list",
    "approvals approve",
    "approvals refuse",
    "quarantine list",
    "quarantine release",
    "waiver sign",
    "waiver push",
    "waiver list",
    "revoke",
    "reinstate",
    "tokens",
    "corridors",
    "revocations",
    "sources",
    "events",
    "actors",
    "safety",
    "audit",
    "backup",
    "restore",
    "export",
    "partner-kit",
    "decisions",
    "log resume",
    "check",
    "dashboard",
    "demo",
    "version",
)


def test_version_is_one_line_or_one_document(rtgf):
    plain, document = rtgf("version"), rtgf("version", "--json")
    assert (plain.returncode, plain.stdout) == (0, f"rtgf {__version__}\n")
    assert json.loads(document.stdout)["version"] == __version__
    assert plain.stderr == document.stderr == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ("frobnicate",),
        ("revoke",),
        ("revoke", "RMT:EU:payments_aml:2026-10.1"),
        ("revoke", "RMT:EU:payments_aml:2026-10.1", "--reason", "because"),
        ("init",),
        ("status", "--bnd", "x"),
        ("verify",),
        ("verify", "--corridor", "EU-SG"),
        ("verify", "token.json"),
    ],
)
def test_a_command_that_makes_no_sense_exits_2(rtgf, arguments):
    done = rtgf(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("init",), "FOLDER is missing.\nSee: rtgf init --help\n"),
        (("keys", "revoke", "kid"), "SIGNED is missing.\nSee: rtgf keys revoke --help\n"),
        (("status", "--strct"), "Unknown option: --strct. Did you mean --strict?"),
    ],
)
def test_a_mistake_is_named_with_the_help_that_answers_it(rtgf, arguments, said):
    assert rtgf(*arguments).stderr.startswith(f"rtgf: {said}")


def test_what_the_system_refuses_is_told_and_a_bug_is_called_one(monkeypatch, capsys):
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL
    refused = OSError(errno.ENOSPC, "No space left on device", "x/manifest.json")
    for error, code, said in (
        (refused, 75, "x/manifest.json: No space left on device; mend that and run this again"),
        (PermissionError(errno.EACCES, "Permission denied", "x"), 65, "x: Permission denied"),
        (full, 75, "the store: database or disk is full; mend that and run this again"),
        (ValueError("never thought of"), 70, "RTGF_INTERNAL: this is a bug of rtgf"),
    ):
        monkeypatch.setattr(commands, "app", Mock(side_effect=error))
        assert commands.run(["version"]) == code
        assert said in capsys.readouterr().err


def test_a_misspelt_option_is_answered_with_the_right_one(rtgf):
    assert "--strict" in rtgf("status", "--strct").stderr


def test_revoking_without_a_terminal_needs_yes(rtgf, node_folder):
    done = rtgf(
        "revoke",
        "RMT:EU:payments_aml:2026-10.1",
        "--reason",
        "superseded",
        "--config",
        node_folder / "rtgf.toml",
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "--yes" in done.stderr


def test_the_dashboard_without_a_terminal_names_what_there_is_instead(rtgf):
    done = rtgf("dashboard")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "rtgf: the dashboard needs a terminal; without one: rtgf status\n"
    served = rtgf("dashboard", TEXTUAL_DRIVER="textual.drivers.web_driver:WebDriver")
    assert served.returncode == 78, "a browser is no terminal, and is drawn for"


def test_a_demonstration_on_a_port_in_use_leaves_nothing_behind(rtgf, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = rtgf("demo", "--port", port)
    assert (done.returncode, done.stdout) == (65, "")
    assert f"port {port} cannot be had: Address already in use" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments", [("status",), ("fetch",), ("compile",), ("keys", "list"), ("audit",)]
)
def test_a_node_that_does_not_run_exits_4(rtgf, node_folder, arguments):
    done = rtgf(*arguments, "--config", node_folder / "rtgf.toml")
    assert (done.returncode, done.stdout) == (4, "")
    assert "RTGF_UNREACHABLE" in done.stderr


def test_a_failure_is_json_on_stderr_when_json_is_asked(rtgf, node_folder):
    done = rtgf("status", "--json", "--config", node_folder / "rtgf.toml")
    assert done.stdout == ""
    assert json.loads(done.stderr)["code"] == "RTGF_UNREACHABLE"


def test_without_settings_it_says_how_to_name_them(rtgf):
    done = rtgf("status")
    assert done.returncode == 78
    assert "--config" in done.stderr
    assert "rtgf init" in done.stderr


def test_settings_are_found_by_option_environment_and_folder(rtgf, node_folder):
    file = node_folder / "rtgf.toml"
    assert rtgf("status", RTGF_CONFIG=str(file)).returncode == 4
    assert rtgf("status", cwd=node_folder).returncode == 4
    assert rtgf("status", "--config", "none.toml", RTGF_CONFIG=str(file)).returncode == 78


def test_a_wrong_setting_stops_the_start_with_its_line(rtgf, node_folder, tmp_path):
    text = (node_folder / "rtgf.toml").read_text().replace("[http]\nbind", "[http]\nbnd")
    (tmp_path / "rtgf.toml").write_text(text)
    done = rtgf("serve")
    assert done.returncode == 78
    line = 1 + text.splitlines().index(next(x for x in text.splitlines() if x.startswith("bnd")))
    assert f"rtgf.toml:{line}" in done.stderr
    assert "http.bind" in done.stderr


def test_an_approvers_command_without_an_approver_says_what_is_missing(rtgf, node_folder, tmp_path):
    text = (node_folder / "rtgf.toml").read_text()
    (tmp_path / "rtgf.toml").write_text(re.sub(r"(?m)^approver_.*\n", "", text))
    (tmp_path / "pki").symlink_to(node_folder / "pki")
    done = rtgf("compile", "--accept-conflicts")
    assert done.returncode == 78
    assert "approver" in done.stderr


def test_a_token_file_is_checked_offline(rtgf, tmp_path):
    """RTGF-CT-31: without a signature, and altered, a token is refused with its own code."""
    world = World()
    (tmp_path / "jwks.json").write_bytes(world.jwks)
    body = next(iter(world.tokens.values()))
    document = canonical_json.parse(body)
    cases = {
        "good": (body, 0),
        "unsigned": (canonical_json.canonical_bytes({**document, "signatures": []}), 10),
        "altered": (body.replace(b'"ttl_sec":3600', b'"ttl_sec":9999'), 65),
        "not-json": (b"{", 65),
    }
    for name, (data, code) in cases.items():
        (tmp_path / f"{name}.json").write_bytes(data)
        done = rtgf("verify", f"{name}.json", "--jwks", "jwks.json", "--json")
        assert done.returncode == code, (name, done.stderr)
    good = rtgf("verify", "good.json", "--jwks", "jwks.json", "--json")
    assert json.loads(good.stdout)["revocation_checked"] is False


def test_json_that_cannot_be_read_is_named_with_its_file(rtgf, node_folder, tmp_path):
    (tmp_path / "payment.json").write_text('{"amount":\n  oops}')
    asked = ("--corridor", "EU-SG", "--domain", "payments_aml", "--context", "payment.json")
    done = rtgf("verify", *asked, "--config", node_folder / "rtgf.toml")
    assert done.returncode == 65
    assert "at payment.json:2:3: " in done.stderr


@pytest.mark.parametrize("verb", VERBS)
def test_help_says_where_it_runs_and_shows_examples(verb, capsys):
    app([*verb.split(), "--help"], result_action="return_value")
    text = capsys.readouterr().out
    assert "Where it runs:" in text
    assert len(re.findall(rf"(?m)^  rtgf {verb}", text)) >= 2


def test_messages_name_only_commands_that_exist():
    """Each `rtgf VERB` in the program's own texts is a verb there is."""
    for path in Path(rtgf_node.__file__).parent.rglob("*.py"):
        text = path.read_text()
        for verb in re.findall(r"(?:[`(]|run: |  )rtgf ([a-z-]+)\b", text):
            groups = {"log", *(verb.split()[0] for verb in VERBS)}
            assert verb in groups, f"{path.name} names rtgf {verb}"
        for act in re.findall(r"(?:[`(]|run: |  )rtgf keys ([a-z]+)\b", text):
            assert f"keys {act}" in VERBS, f"{path.name} names rtgf keys {act}"


def test_ctrl_c_while_modules_are_read_is_no_traceback(monkeypatch, capsys):
    def interrupted(name, *arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("builtins.__import__", interrupted)
    with pytest.raises(SystemExit) as ended:
        main.main()
    monkeypatch.undo()
    assert ended.value.code == 130
    assert capsys.readouterr().err == "rtgf: interrupted\n"
