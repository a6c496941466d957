"""One TOML file and the environment become a `Config`, checked whole before anything starts.

This is the only reader of the environment. Each value in a section can be given as
`RTGF_<SECTION>__<NAME>`, which wins over the file. A setting that does not exist, or has the wrong
type, stops the start with the file, the line and the nearest setting that does exist.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn, TypeVar, get_args
from urllib.parse import urlsplit

import msgspec

from rtgf_node.config_places import Places, refuse
from rtgf_node.core import note
from rtgf_node.core.witness_policy import WitnessPolicy
from rtgf_node.errors import Code, RtgfError
from rtgf_node.settings import Config, DatasetConfig, FetchConfig, RemoteConfig

MAX_FILE_BYTES = 1 << 20  # a thousand sources with their datasets are a tenth of it
ENVIRONMENT_PREFIX = "RTGF_"
DEFAULT_FILES = (Path("rtgf.toml"), Path("/etc/rtgf/rtgf.toml"))  # in this order

S = TypeVar("S", bound=msgspec.Struct)


def load(path: Path, environ: Mapping[str, str] | None = None) -> Config:
    """Read the settings at `path`, and the environment's over them.

    Relative paths, and URIs without a scheme, are relative to the folder of the file.

    Raises:
      RtgfError: RTGF_CONFIG_INVALID, with `file:line` as its pointer where there is a line.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        refuse(f"{path} cannot be read: {error.strerror or error}", str(path))
    if len(data) > MAX_FILE_BYTES:
        refuse(f"{path} is larger than {MAX_FILE_BYTES} bytes", str(path))
    try:
        text = data.decode()
        raw = tomllib.loads(text)
    except UnicodeDecodeError as error:
        refuse(f"{path} is not UTF-8 at byte {error.start}", str(path))
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        refuse(f"{path}: {error}", f"{path}:{line[1]}" if line else str(path))
    places = Places(path, text)
    overridden = _override(raw, os.environ if environ is None else environ)  # noqa: TID251 - the only reader
    places.overridden.update(overridden)
    try:
        config = msgspec.convert(raw, Config, dec_hook=_decode_path)
    except msgspec.ValidationError as error:
        _explain(error, places)
    config = _resolved(config, path.resolve().parent)
    _check(config, places)
    return config


def locate(path: Path | None, environ: Mapping[str, str] | None = None) -> Path:
    """Return the settings file that a command uses: as told, `RTGF_CONFIG`, or the first default.

    Raises:
      RtgfError: RTGF_CONFIG_INVALID if nothing is told and no default file exists.
    """
    told = (os.environ if environ is None else environ).get("RTGF_CONFIG")  # noqa: TID251 - the only reader
    if path is not None or told:
        return path or Path(told or "")
    for default in DEFAULT_FILES:
        if default.is_file():
            return default
    raise RtgfError(
        Code.RTGF_CONFIG_INVALID,
        f"there is no {' or '.join(str(default) for default in DEFAULT_FILES)}; name the file with "
        "--config or RTGF_CONFIG, or make a node with: rtgf init FOLDER",
    )


def host_and_port(bind: str) -> tuple[str, int]:
    """Return the parts of `host:port`; an IPv6 address stands in brackets; port 0 means any.

    Raises:
      RtgfError: RTGF_CONFIG_INVALID if it has not that form.
    """
    host, _, port = bind.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if bracketed else host
    if not host or (":" in host and not bracketed) or not re.fullmatch(r"[0-9]{1,5}", port):
        refuse(f"{bind!r} is not of the form host:port, such as 127.0.0.1:8443", None)
    if int(port) > 65535:
        refuse(f"{bind!r} names a port above 65535", None)
    return host, int(port)


def _decode_path(kind: type, value: object) -> Any:  # noqa: ANN401 - msgspec's own signature
    if kind is Path and isinstance(value, str) and value and "\0" not in value:
        return Path(value)
    raise TypeError("Expected a path")


def _resolved(value: S, base: Path) -> S:
    """Return the Struct with every path in it absolute."""
    changes: dict[str, Any] = {}
    for field in value.__struct_fields__:
        inner = getattr(value, field)
        if isinstance(inner, Path):
            changes[field] = base / inner
        elif isinstance(inner, msgspec.Struct):
            changes[field] = _resolved(inner, base)
        elif field in {"uri", "checksum_uri"} and isinstance(inner, str):
            changes[field] = _absolute_uri(inner, base)
        elif field == "uris":
            changes[field] = {part: _absolute_uri(uri, base) for part, uri in inner.items()}
        elif isinstance(inner, tuple) and inner and isinstance(inner[0], msgspec.Struct):
            changes[field] = tuple(_resolved(item, base) for item in inner)
    return msgspec.structs.replace(value, **changes)


def _absolute_uri(uri: str, base: Path) -> str:
    return uri if urlsplit(uri).scheme else (base / uri).as_uri()


def _override(raw: dict[str, Any], environ: Mapping[str, str]) -> dict[str, str]:
    """Write the environment's values into `raw`; return which variable gave which setting."""
    given: dict[str, str] = {}
    sections = {
        field.name: field.type
        for field in msgspec.structs.fields(Config)
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct)
    }
    for variable in sorted(environ):
        section, mark, name = variable.removeprefix(ENVIRONMENT_PREFIX).lower().partition("__")
        if not variable.startswith(ENVIRONMENT_PREFIX) or not mark:
            continue
        if section not in sections:
            hint = _nearest(section, list(sections))
            refuse(f"the environment's {variable} names no section of settings{hint}", variable)
        fields = {field.name: field.type for field in msgspec.structs.fields(sections[section])}
        if name not in fields:
            hint = _nearest(name, list(fields), prefix=f"{variable[: -len(name)]}", upper=True)
            refuse(f"the environment's {variable} is not a setting{hint}", variable)
        table = raw.setdefault(section, {})
        if isinstance(table, dict):
            table[name] = _environment_value(variable, environ[variable], fields[name])
        given[f"{section}.{name}"] = variable
    return given


def _environment_value(variable: str, text: str, kind: Any) -> object:  # noqa: ANN401 - a type form
    """Return the text as the file would give it: lists are written as in TOML."""
    try:
        if text.lstrip().startswith("["):
            return tomllib.loads(f"value = {text}")["value"]
        value: object = msgspec.convert(text, kind, strict=False, dec_hook=_decode_path)
    except (msgspec.ValidationError, tomllib.TOMLDecodeError) as error:
        refuse(f"the environment's {variable} does not fit: {error}", variable)
    return text if isinstance(value, Path) else value


def _explain(error: msgspec.ValidationError, places: Places) -> NoReturn:
    """Refuse with the setting's place, and the nearest name if it does not exist."""
    message, _, path = str(error).partition(" - at `$")
    setting = path.rstrip("`").removeprefix(".")
    unknown = re.search(r"contains unknown field `(.*)`", message)
    if unknown is None:
        shown = "it is not written as config/rtgf.example.toml shows; its form is"
        message = message.replace("Expected `str` matching regex", shown)
        refuse(f"{setting}: {message}" if setting else message, places.pointer(setting))
    full = f"{setting}.{unknown[1]}" if setting else unknown[1]
    hint = _nearest(unknown[1], _names_in(setting), prefix=f"{setting}." if setting else "")
    refuse(f"{full} is not a setting{hint}", places.pointer(full))


def _names_in(setting: str) -> list[str]:
    kind: Any = Config
    for name in re.sub(r"\[[^\]]*\]", "", setting).split(".") if setting else ():
        kind = {field.name: field.type for field in msgspec.structs.fields(kind)}[name]
        kind = get_args(kind)[0] if get_args(kind) else kind
    return [field.name for field in msgspec.structs.fields(kind)]


def _nearest(name: str, known: list[str], *, prefix: str = "", upper: bool = False) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    shown = [prefix + (item.upper() if upper else item) for item in near or known]
    if near:
        return f"; did you mean {shown[0]}?"
    return f"; there are {', '.join(shown)}"


def _check(config: Config, places: Places) -> None:
    """Refuse settings that fit one by one and not together."""
    for section in ("http", "cluster", "metrics"):
        setting, bind = f"{section}.bind", getattr(config, section).bind
        if bind or section != "metrics":
            try:
                host, _ = host_and_port(bind)
            except RtgfError as error:
                refuse(f"{setting}: {error.detail}", places.pointer(setting))
            if section == "metrics" and not _is_loopback(host):
                detail = f"{setting}: it has no TLS and asks nobody who they are; bind to loopback"
                refuse(detail, places.pointer(setting))
    if (config.keys.root_kid is None) != (config.keys.root_public is None):
        refuse("keys: root_kid and root_public go together", places.pointer("keys"))
    if (config.audit.certificate_file is None) != (config.audit.key_file is None):
        refuse("audit: certificate_file and key_file go together", places.pointer("audit"))
    if config.library.folder is not None and config.library.key is None:
        refuse(
            "library.folder: pin the public key that signed it as library.key",
            places.pointer("library.folder"),
        )
    known = {authority.did for authority in config.authority}
    for index, source in enumerate(config.source):
        place = f"source[{index}]"
        for did in source.authorities:
            if did not in known:
                refuse(
                    f"{place}.authorities: {did} has no pinned keys; add an [[authority]] for it",
                    places.pointer(f"{place}.authorities"),
                )
        _check_uri(source.uri, f"{place}.uri", config.fetch, places)
    for index, dataset in enumerate(config.dataset):
        _check_dataset(dataset, f"dataset[{index}]", config.fetch, places)
    for index, hook in enumerate(config.webhook):
        _check_uri(hook.url, f"webhook[{index}].url", config.fetch, places)
    for index, channel in enumerate(config.alert_channel):
        _check_uri(channel.url, f"alert_channel[{index}].url", config.fetch, places)
    _check_witnesses(config, places)
    _check_oauth(config, places)
    tables = (
        ("authority", "did", [item.did for item in config.authority]),
        ("approver", "did", [item.did for item in config.approver]),
        ("proof_verifier", "did", [item.did for item in config.proof_verifier]),
        ("source", "name", [item.name for item in config.source]),
        ("dataset", "name", [item.name for item in config.dataset]),
        ("witness", "name", [item.name for item in config.witness]),
        ("witnessed_log", "origin", [item.origin for item in config.witnessed_log]),
        ("peer_log", "name", [item.name for item in config.peer_log]),
        ("webhook", "name", [item.name for item in config.webhook]),
        ("alert_channel", "name", [item.name for item in config.alert_channel]),
        ("role", "uri", [item.uri for item in config.role]),
    )
    for table, field, values in tables:
        for index, value in enumerate(values):
            if value in values[:index]:
                setting = f"{table}[{index}].{field}"
                refuse(f"{setting}: {value} stands there twice", places.pointer(setting))


def _check_dataset(dataset: DatasetConfig, place: str, fetch: FetchConfig, places: Places) -> None:
    if (dataset.uri is None) == (not dataset.uris):
        refuse(f"{place}: give either uri, or uris with one for each part", places.pointer(place))
    needs = {"signed": "key", "checksum": "checksum_uri"}.get(dataset.authenticity)
    if needs is not None and getattr(dataset, needs) is None:
        refuse(
            f"{place}.authenticity: {dataset.authenticity} needs {needs}",
            places.pointer(f"{place}.authenticity"),
        )
    if dataset.min_records > dataset.max_records:
        setting = f"{place}.min_records"
        refuse(f"{setting}: it is above max_records", places.pointer(setting))
    settings: dict[str, str | None] = {
        f"{place}.uris.{part}": uri for part, uri in dataset.uris.items()
    }
    settings |= {f"{place}.uri": dataset.uri, f"{place}.checksum_uri": dataset.checksum_uri}
    for setting, uri in settings.items():
        if uri is not None:
            _check_uri(uri, setting, fetch, places)


def _check_witnesses(config: Config, places: Places) -> None:
    """Refuse verifier keys that are none, a quorum that cannot be met, hosts that are not asked."""
    asked: list[tuple[str, RemoteConfig]]
    asked = [(f"witness[{index}]", item) for index, item in enumerate(config.witness)]
    asked += [(f"peer_log[{index}]", item) for index, item in enumerate(config.peer_log)]
    for place, item in asked:
        _check_uri(item.url, f"{place}.url", config.fetch, places)
        _check_key(item.verifier_key, f"{place}.verifier_key", places)
    for index, log in enumerate(config.witnessed_log):
        for key in log.verifier_keys:
            _check_key(key, f"witnessed_log[{index}].verifier_keys", places)
    try:
        WitnessPolicy.of([item.verifier_key for item in config.witness], config.log.witness_quorum)
    except RtgfError as error:
        refuse(f"log.witness_quorum: {error.detail}", places.pointer("log.witness_quorum"))
    if config.log.witness_mode == "closed" and not config.witness:
        refuse(
            "log.witness_mode: closed needs a [[witness]], or no head is ever shown",
            places.pointer("log.witness_mode"),
        )


def _check_oauth(config: Config, places: Places) -> None:
    oauth = config.oauth
    if oauth.issuer is None:
        return
    if (oauth.jwks_uri is None) == (oauth.jwks_file is None):
        refuse("oauth: give either jwks_uri or jwks_file", places.pointer("oauth"))
    if not any(oauth.roles.values()):
        refuse("oauth.roles: without it no token gives a role", places.pointer("oauth"))
    if oauth.jwks_uri is not None:
        _check_uri(oauth.jwks_uri, "oauth.jwks_uri", config.fetch, places)


def _check_key(text: str, setting: str, places: Places) -> None:
    try:
        note.parse_key(text)
    except RtgfError as error:
        refuse(f"{setting}: {error.detail}", places.pointer(setting))


def _check_uri(uri: str, setting: str, fetch: FetchConfig, places: Places) -> None:
    parts = urlsplit(uri)
    if "@" in parts.netloc:
        problem = "a URI holds no user name or password"
    elif parts.scheme == "file":
        problem = "" if fetch.allow_file else "a file: fetch.allow_file is false"
    elif parts.scheme not in {"https", "http"}:
        problem = f"{parts.scheme}: is not fetched; only https, and http and file where allowed"
    elif parts.scheme == "http" and not fetch.allow_plain_http:
        problem = "plain HTTP: fetch.allow_plain_http is false"
    elif parts.hostname not in fetch.allowed_hosts:
        problem = f"{parts.hostname} is not in fetch.allowed_hosts"
    else:
        problem = ""
    if problem:
        refuse(f"{setting}: {problem}", places.pointer(setting))


def _is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    return False
