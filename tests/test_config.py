"""The settings: what is accepted, what stops the start, and what the message says."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from rtgf_node.config import Config, host_and_port, load
from rtgf_node.errors import Code, RtgfError

EXAMPLE = Path(__file__).resolve().parents[1] / "config" / "rtgf.example.toml"
NODE = '[node]\nissuer = "did:web:a.example"\npublic_url = "https://a.example"\n'


@pytest.fixture
def write(tmp_path: Path):
    def write(text: str) -> Path:
        path = tmp_path / "rtgf.toml"
        path.write_text(NODE + text)
        return path

    return write


def refusal(path: Path, environ: dict[str, str] | None = None) -> RtgfError:
    with pytest.raises(RtgfError) as caught:
        load(path, environ or {})
    assert caught.value.code is Code.RTGF_CONFIG_INVALID
    return caught.value


def test_the_example_loads():
    config = load(EXAMPLE, {})
    assert config.node.issuer == "did:web:rtgf.eu.example"
    assert [dataset.name for dataset in config.dataset] == ["us-ofac-sdn", "un-sc"]
    assert sorted(config.dataset[0].parts()) == ["add", "alt", "comments", "sdn"]


def test_the_example_names_every_setting():
    """A setting that is added is also explained."""
    text = EXAMPLE.read_text()

    def names(kind: type[msgspec.Struct]) -> set[str]:
        return {field.name for field in msgspec.structs.fields(kind)}

    for field in msgspec.structs.fields(Config):
        kind = field.type if hasattr(field.type, "__struct_fields__") else field.type.__args__[0]
        assert re.search(rf"^\[+{field.name}\]", text, re.MULTILINE), field.name
        for name in names(kind):
            shown = re.search(rf"^(# )?{name} = ", text, re.MULTILINE)
            assert shown or f"[{field.name}.{name}]" in text, f"{field.name}.{name}"


def test_the_example_shows_the_defaults(write, tmp_path):
    shown = msgspec.to_builtins(load(EXAMPLE, {}), enc_hook=str)
    plain = msgspec.to_builtins(load(write(""), {}), enc_hook=str)
    for section in ("http", "metrics", "compiler", "verify", "limits"):
        assert shown[section] == plain[section]
    relative = str(plain["cluster"]).replace(f"{tmp_path}/", "")
    assert str(shown["cluster"]).replace(f"{EXAMPLE.parent}/", "") == relative


def test_a_small_file_is_enough_and_paths_are_beside_it(write, tmp_path):
    config = load(write(""), {})
    assert config.node.data_dir == tmp_path / "data"
    assert config.tls.key_file == tmp_path / "pki" / "node.key"
    assert config.log_origin() == "a.example"


def test_an_absolute_path_stays(write):
    assert load(write('[keys]\nfolder = "/srv/keys"\n'), {}).keys.folder == Path("/srv/keys")


def test_a_relative_uri_is_a_file_beside_the_configuration(write, tmp_path):
    text = (
        "[fetch]\nallow_file = true\n"
        '[[authority]]\ndid = "did:web:b.example"\njwks_file = "b.json"\n'
        '[[source]]\nname = "b"\nuri = "policies/b.jsonld"\nauthorities = ["did:web:b.example"]\n'
    )
    config = load(write(text), {})
    assert config.source[0].uri == (tmp_path / "policies" / "b.jsonld").as_uri()
    assert config.authority[0].jwks_file == tmp_path / "b.json"


def test_an_unknown_setting_stops_with_line_and_nearest_name(write):
    path = write('\n[http]\nbnd = "127.0.0.1:1"\n')
    error = refusal(path)
    assert error.pointer == f"{path}:6"
    assert error.detail == "http.bnd is not a setting; did you mean http.bind?"


def test_an_unknown_section_stops_with_its_line(write):
    path = write("[htpp]\n")
    error = refusal(path)
    assert error.pointer == f"{path}:4"
    assert "did you mean http?" in error.detail


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ('[http]\nmax_body_bytes = "big"\n', 5, "http.max_body_bytes: Expected `int`, got `str`"),
        ("[http]\nmax_connections = 0\n", 5, "Expected `int` >= 1"),
        ("http.max_connections = true\n", 4, "node.http is not a setting"),
        ('[verify]\nrequired = ["rmt",\n  "xyz"]\n', 5, "verify.required[1]: Invalid enum value"),
        ("[keys]\nfolder = 3\n", 5, "keys.folder: Expected a path"),
        ('[[role]]\nuri = "urn:a:b"\nroles = ["king"]\n', 6, "role[0].roles[0]"),
        (
            '[[role]]\nuri = "urn:a:b"\nroles = ["peer"]\n[[role]]\nuri = "urn:c:d"\nrols = []\n',
            9,
            "role[1].rols is not a setting; did you mean role[1].roles?",
        ),
        ('[[role]]\nuri = "urn:a:b"\n', 4, "role[0]: Object missing required field `roles`"),
        ('[log]\norigin = "a b"\n', 5, "log.origin"),
        ("[log]\nhead_every_seconds = 301\n", 5, "Expected `float` <= 300"),
        ('[metrics]\nbind = "0.0.0.0:1"\n', 5, "loopback"),
        ('[http]\nbind = "::1:80"\n', 5, "host:port"),
        ('[cluster]\nbind = ""\n', 5, "cluster.bind: '' is not of the form host:port"),
        ("[cluster]\nelection_ticks = 2\n", 5, "Expected `int` >= 3"),
        ('[keys]\nroot_kid = "a"\n', 4, "root_public"),
        ("[node]\n", 4, "Cannot declare"),
    ],
)
def test_a_wrong_value_stops_with_its_line(write, text: str, line: int, says: str):
    path = write(text)
    error = refusal(path)
    assert error.pointer == f"{path}:{line}"
    assert says in error.detail


DATASET = """\
[fetch]
allowed_hosts = ["l.example"]
[[dataset]]
name = "l"
provider = "L"
reader = "un-xml"
"""


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("", 6, "give either uri, or uris"),
        ('uri = "https://other.example/l"\n', 10, "other.example is not in fetch.allowed_hosts"),
        ('uri = "http://l.example/l"\n', 10, "plain HTTP"),
        ('uri = "l.xml"\n', 10, "fetch.allow_file is false"),
        ('uri = "ftp://l.example/l"\n', 10, "ftp: is not fetched"),
        ('uri = "https://me:pw@l.example/l"\n', 10, "no user name or password"),
        ('uri = "https://l.example/l"\nauthenticity = "signed"\n', 11, "needs key"),
        ('uri = "https://l.example/l"\nauthenticity = "checksum"\n', 11, "needs checksum_uri"),
        ('uri = "https://l.example/l"\nmax_shrink = "1.5"\n', 11, "max_shrink"),
        ('uri = "https://l.example/l"\nmin_records = 9\nmax_records = 8\n', 11, "above"),
    ],
)
def test_a_dataset_that_cannot_work_stops_the_start(write, text: str, line: int, says: str):
    path = write(DATASET + text)
    error = refusal(path)
    assert error.pointer == f"{path}:{line}"
    assert says in error.detail
    assert "pw" not in error.detail


def test_a_source_without_a_pinned_key_is_refused(write):
    path = write(
        '[[source]]\nname = "b"\nuri = "https://b.example/"\nauthorities = ["did:web:b"]\n'
    )
    error = refusal(path)
    assert error.pointer == f"{path}:7"
    assert "no pinned keys" in error.detail


def test_a_name_twice_is_refused(write):
    role = '[[role]]\nuri = "urn:a:b"\nroles = ["peer"]\n'
    path = write(role + role)
    assert refusal(path).pointer == f"{path}:8"


def test_the_environment_wins_over_the_file(write):
    environ = {
        "RTGF_HTTP__BIND": "127.0.0.1:9999",
        "RTGF_HTTP__MAX_CONNECTIONS": "7",
        "RTGF_HTTP__KEEP_ALIVE_SECONDS": "0.5",
        "RTGF_FETCH__ALLOW_FILE": "true",
        "RTGF_FETCH__ALLOWED_HOSTS": '["a.example", "b.example"]',
        "RTGF_KEYS__FOLDER": "elsewhere",
        "RTGF_NODE__ISSUER": "did:web:env.example",
        "RTGF_CONFIG": "not a setting of a section",
        "HOME": "/root",
    }
    path = write('[http]\nbind = "127.0.0.1:1"\n')
    config = load(path, environ)
    assert config.http.bind == "127.0.0.1:9999"
    assert config.http.max_connections == 7
    assert config.http.keep_alive_seconds == 0.5
    assert config.fetch.allow_file is True
    assert config.fetch.allowed_hosts == ("a.example", "b.example")
    assert config.keys.folder == path.parent / "elsewhere"
    assert config.node.issuer == "did:web:env.example"


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("RTGF_HTTP__BND", "x", "did you mean RTGF_HTTP__BIND?"),
        ("RTGF_HTPP__BIND", "x", "names no section of settings; did you mean http?"),
        ("RTGF_HTTP__MAX_CONNECTIONS", "many", "Expected `int`"),
        ("RTGF_HTTP__MAX_CONNECTIONS", "0", "Expected `int` >= 1"),
        ("RTGF_HTTP__BIND", "nowhere", "host:port"),
        ("RTGF_FETCH__ALLOWED_HOSTS", "[1", "does not fit"),
        ("RTGF_FETCH__ALLOWED_HOSTS", "[1]", "Expected `str`"),
    ],
)
def test_a_wrong_environment_stops_with_the_variable(write, variable: str, value: str, says: str):
    error = refusal(write(""), {variable: value})
    assert error.pointer == variable
    assert says in error.detail


def test_a_missing_file_and_broken_text_are_clear(tmp_path):
    assert "cannot be read" in refusal(tmp_path / "none.toml").detail
    broken = tmp_path / "broken.toml"
    broken.write_text("[node]\nissuer = \n")
    assert refusal(broken).pointer == f"{broken}:2"
    broken.write_bytes(b"\xff\xfe")
    assert "UTF-8" in refusal(broken).detail


def test_text_in_a_long_string_is_not_mistaken_for_a_setting(write):
    path = write('[log]\norigin = """\n[http]\nbind = 3\n"""\n[http]\nbind = 3\n')
    error = refusal(path)
    # Both are wrong; whichever is told, its line is its own.
    assert error.pointer in {f"{path}:5", f"{path}:10"}


def test_host_and_port():
    assert host_and_port("[::1]:80") == ("::1", 80)
    assert host_and_port("localhost:0") == ("localhost", 0)
    for wrong in ("", "80", ":80", "a:b", "a:70000", "::1"):
        with pytest.raises(RtgfError):
            host_and_port(wrong)


KEY_OF_IT = "witness.example.org+b8a2cf20+BFLN3yikSfFkVAJtrnh/CiY3Zozkoy7clp+P7XB28qUN"
OTHER_KEY = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"
ONE_WITNESS = f'[[witness]]\nname = "w"\nurl = "https://w.example"\nverifier_key = "{KEY_OF_IT}"\n'
WITNESS = f'[fetch]\nallowed_hosts = ["w.example"]\n{ONE_WITNESS}'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[log]\nwitness_mode = "closed"\n', "closed needs a [[witness]]"),
        (WITNESS + "[log]\nwitness_quorum = 2\n", "2 cosignatures are wanted, and there are 1"),
        (WITNESS.replace("https://w.example", "https://x.example"), "not in fetch.allowed_hosts"),
        (WITNESS.replace("b8a2cf20", "b8a2cf21"), "does not have the hash"),
        (WITNESS + ONE_WITNESS.replace(KEY_OF_IT, OTHER_KEY), "stands there twice"),
        (WITNESS + ONE_WITNESS.replace('"w"', '"v"'), "the same key"),
        ('[[witnessed_log]]\norigin = "l"\nverifier_keys = []\n', "length >= 1"),
        ('[[witnessed_log]]\norigin = "l"\nverifier_keys = ["l+b8a2cf20+BFLN"]\n', "verifier_keys"),
    ],
)
def test_witnesses_that_cannot_work_stop_the_start(write, text: str, says: str):
    assert says in refusal(write(text)).detail


CHANNEL = '[[alert_channel]]\nname = "duty"\nkind = "matrix"\nurl = "https://m.example/room"\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (CHANNEL, "alert_channel[0].url: m.example is not in fetch.allowed_hosts"),
        (CHANNEL.replace("matrix", "pager"), "Invalid enum value 'pager'"),
        (f'[fetch]\nallowed_hosts = ["m.example"]\n{CHANNEL}{CHANNEL}', "stands there twice"),
        ("[alerts]\nevery_seconds = 0.5\n", "`float` >= 1"),
    ],
)
def test_channels_that_cannot_work_stop_the_start(write, text: str, says: str):
    assert says in refusal(write(text)).detail


def test_a_witness_and_its_quorum_are_taken(write):
    config = load(write(WITNESS + '[log]\nwitness_mode = "closed"\nwitness_quorum = 1\n'), {})
    assert config.witness[0].name == "w"
    assert config.witness_name() == "a.example/witness"
