"""The settings of a node as frozen Structs: one table of the file each, units in the names.

Secrets are never values here, only paths of files that hold them. What each setting means, and who
could do what by changing it, stands in `config/rtgf.example.toml`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from rtgf_node.alerts.settings import AlertChannelConfig, AlertsConfig
from rtgf_node.setting_forms import (
    Collector,
    Count,
    Did,
    HttpsUrl,
    Jurisdiction,
    KeyName,
    Name,
    ProofType,
    Rate,
    Seconds,
    Section,
    Share,
    TokenAlgorithm,
    TokenType,
    VerifierKey,
    WholeSeconds,
)

Role = Literal[
    "regulator", "compiler", "operator", "approver", "auditor", "partner", "monitor", "peer"
]
Act = Literal["publish", "accept_conflicts", "rotate", "revoke_key", "membership"]
TokenRole = Literal["partner", "monitor"]
WebhookEvent = Literal["revocation", "reinstatement"]


class NodeConfig(Section, frozen=True):
    """`[node]`: who this node is. The issuer stands in everything it signs."""

    issuer: Did
    public_url: HttpsUrl
    data_dir: Path = Path("data")


class HttpConfig(Section, frozen=True):
    """`[http]`: the public listener and what one client may cost."""

    bind: str = "127.0.0.1:8443"
    admin_socket: Path | None = None
    max_body_bytes: Count = 1 << 20
    max_admin_body_bytes: Count = 32 << 20
    max_header_bytes: Annotated[int, msgspec.Meta(ge=1024, le=1 << 20)] = 16 << 10
    max_connections: Count = 1024
    max_connections_per_address: Count = 64
    max_streams_per_connection: Count = 100
    max_event_streams: Count = 256
    max_event_streams_per_client: Count = 8
    handshake_timeout_seconds: Seconds = 10.0
    request_timeout_seconds: Seconds = 30.0
    admin_timeout_seconds: Seconds = 600.0
    send_timeout_seconds: Seconds = 30.0
    keep_alive_seconds: Seconds = 30.0
    shutdown_seconds: Seconds = 5.0


class TlsConfig(Section, frozen=True):
    """`[tls]`: this node's certificate, and who may vouch for clients."""

    certificate_file: Path = Path("pki/node.pem")
    key_file: Path = Path("pki/node.key")
    client_ca_file: Path = Path("pki/ca.pem")


class MetricsConfig(Section, frozen=True):
    """`[metrics]`: the plain listener for Prometheus; an empty bind switches it off."""

    bind: str = "127.0.0.1:9464"


class KeysConfig(Section, frozen=True):
    """`[keys]`: the sealed signing keys, and the pinned root that vouches for them."""

    folder: Path = Path("keys")
    passphrase_file: Path = Path("keys/passphrase")
    root_kid: str | None = None
    root_public: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{43}$")] | None = None


class LogConfig(Section, frozen=True):
    """`[log]`: the transparency log. Without an origin, the public URL's host and path."""

    origin: Annotated[str, msgspec.Meta(pattern=r"^[^\s+]{1,255}$")] | None = None
    head_every_seconds: Annotated[float, msgspec.Meta(gt=0, le=300)] = 300.0
    guard_file: Path = Path("guard/last_signed_head.json")
    witness_mode: Literal["open", "closed"] = "open"
    witness_quorum: Annotated[int, msgspec.Meta(ge=1, le=99)] | None = None
    gossip_every_seconds: Seconds = 60.0
    batch_max: Annotated[int, msgspec.Meta(ge=1, le=4096)] = 256


class DecisionsConfig(Section, frozen=True):
    """`[decisions]`: how the answers to `/verify` and `/evaluate` are kept as evidence."""

    mode: Literal["durable", "batched", "off"] = "batched"
    batch_max: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1000
    flush_every_seconds: Annotated[float, msgspec.Meta(gt=0, le=60)] = 1.0
    root_every_seconds: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 60.0


class WorkersConfig(Section, frozen=True):
    """`[workers]`: further processes that answer reads and verifications; none if `count` is 0."""

    count: Annotated[int, msgspec.Meta(ge=0, le=64)] = 0
    max_lag_seconds: Annotated[float, msgspec.Meta(ge=0.2, le=10)] = 1.0


class ClusterConfig(Section, frozen=True):
    """`[cluster]`: how the nodes of a cluster reach each other; nothing listens on a node alone."""

    bind: str = "127.0.0.1:8444"
    certificate_file: Path = Path("pki/peer.pem")
    key_file: Path = Path("pki/peer.key")
    ca_file: Path = Path("pki/ca.pem")
    tick_milliseconds: Annotated[int, msgspec.Meta(ge=10, le=1000)] = 50
    election_ticks: Annotated[int, msgspec.Meta(ge=3, le=100)] = 10
    compact_every: Annotated[int, msgspec.Meta(ge=100, le=1_000_000)] = 10_000


class CompilerConfig(Section, frozen=True):
    """`[compiler]`: the builds."""

    timeout_seconds: Seconds = 1_800.0
    processes: Annotated[int, msgspec.Meta(ge=0, le=256)] = 0
    max_ttl_sec: WholeSeconds = 86_400


class ApprovalsConfig(Section, frozen=True):
    """`[approvals]`: what takes a second person, and how long it may wait for one."""

    required: tuple[Act, ...] = ()
    deadline_seconds: WholeSeconds = 86_400


class AuditConfig(Section, frozen=True):
    """`[audit]`: how much of the audit trail is kept here, and where else it goes."""

    max_file_bytes: Annotated[int, msgspec.Meta(ge=1 << 16, le=1 << 30)] = 16 << 20
    max_files: Annotated[int, msgspec.Meta(ge=2, le=10_000)] = 64
    syslog: Collector = ""
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None


class VerifyConfig(Section, frozen=True):
    """`[verify]`: what `/verify` asks for, and when it no longer answers."""

    required: tuple[TokenType, ...] = ("rmt",)
    max_staleness_seconds: Seconds = 60.0
    resolver_timeout_seconds: Annotated[float, msgspec.Meta(gt=0, le=30)] = 1.0


class AuthzenConfig(Section, frozen=True):
    """`[authzen]`: what AuthZEN requests are decided by, beside tokens."""

    actions: tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=100)], ...] = (
        "transfer",
        "pay",
    )
    rules_file: Path | None = None


class LibraryConfig(Section, frozen=True):
    """`[library]`: the predicate library. Without a folder, the one that comes with the program."""

    folder: Path | None = None
    key: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{43}$")] | None = None


class LimitsConfig(Section, frozen=True):
    """`[limits]`: requests per second and client, by the class of the client and of the route."""

    public_per_second: Rate = 20.0
    public_burst: Count = 100
    partner_per_second: Rate = 1000.0
    partner_burst: Count = 2000
    verify_public_per_second: Rate | None = None
    verify_public_burst: Count | None = None
    verify_partner_per_second: Rate | None = None
    verify_partner_burst: Count | None = None
    admin_per_second: Rate = 100.0
    admin_burst: Count = 1000
    max_clients: Count = 10_000


class OauthConfig(Section, frozen=True):
    """`[oauth]`: whose bearer tokens name callers. Without an issuer none is looked at."""

    issuer: Annotated[str, msgspec.Meta(pattern=r"^https://[^\s?#]{1,250}$")] | None = None
    audience: Annotated[str, msgspec.Meta(pattern=r"^[!-~]{1,255}$")] | None = None
    jwks_uri: HttpsUrl | None = None
    jwks_file: Path | None = None
    jwks_max_age_seconds: Seconds = 3600.0
    jwks_refresh_seconds: Seconds = 30.0
    algorithms: Annotated[tuple[TokenAlgorithm, ...], msgspec.Meta(min_length=1)] = (
        "RS256",
        "PS256",
        "ES256",
        "Ed25519",
        "EdDSA",
    )
    skew_seconds: Annotated[int, msgspec.Meta(ge=0, le=300)] = 60
    roles_claim: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)] = ("scope",)
    roles: dict[str, tuple[TokenRole, ...]] = msgspec.field(default_factory=dict)


class FetchConfig(Section, frozen=True):
    """`[fetch]`: where the node may go to fetch, and how much it takes."""

    allowed_hosts: tuple[str, ...] = ()
    allow_file: bool = False
    allow_plain_http: bool = False
    allow_private_addresses: bool = False
    timeout_seconds: Seconds = 60.0
    max_bytes: Count = 256 << 20
    max_decompressed_bytes: Count = 1 << 30
    ca_file: Path | None = None


class AuthorityConfig(Section, frozen=True):
    """`[[authority]]`: an authority and its pinned keys. They are never fetched."""

    did: Did
    jwks_file: Path
    jurisdictions: tuple[Jurisdiction, ...] = ()


class ApproverConfig(Section, frozen=True):
    """`[[approver]]`: who may let clauses pass that no template serves, and its pinned keys."""

    did: Did
    jwks_file: Path


class ProofVerifierConfig(Section, frozen=True):
    """`[[proof_verifier]]`: who may vouch for which external proofs, and its pinned keys."""

    did: Did
    jwks_file: Path
    proofs: Annotated[tuple[ProofType, ...], msgspec.Meta(min_length=1)]


class SourceConfig(Section, frozen=True):
    """`[[source]]`: a policy snapshot, or an index of them, and who may have signed it."""

    name: Name
    uri: str
    authorities: Annotated[tuple[Did, ...], msgspec.Meta(min_length=1)]
    schedule_seconds: WholeSeconds = 3600


class DatasetConfig(Section, frozen=True):
    """`[[dataset]]`: a list, how it is read, why it is believed, what is plausible of it."""

    name: Name
    provider: str
    reader: Name
    uri: str | None = None
    uris: dict[str, str] = msgspec.field(default_factory=dict)
    schedule_seconds: WholeSeconds = 3600
    authenticity: Literal["signed", "checksum", "tls_only"] = "tls_only"
    key: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{43}$")] | None = None
    checksum_uri: str | None = None
    min_records: Count = 1
    max_records: Count = 1_000_000
    max_shrink: Share = "0.20"
    max_age_seconds: WholeSeconds = 86_400

    def parts(self) -> dict[str, str]:
        """Return the URI of each part; a list in one file has the one part `""`."""
        return dict(self.uris) if self.uri is None else {"": self.uri}


class WitnessingConfig(Section, frozen=True):
    """`[witnessing]`: this node as a witness of other logs, under its own witness key."""

    enabled: bool = False
    name: KeyName | None = None


class RemoteConfig(Section, frozen=True):
    """What is known of another node or witness: where it is, and the key it signs with."""

    name: Name
    url: HttpsUrl
    verifier_key: VerifierKey
    ca_file: Path | None = None


class WitnessConfig(RemoteConfig, frozen=True):
    """`[[witness]]`: who is asked to cosign the heads of this log."""


class WitnessedLogConfig(Section, frozen=True):
    """`[[witnessed_log]]`: a log whose checkpoints this node cosigns, and that log's keys."""

    origin: Annotated[str, msgspec.Meta(pattern=r"^[^\x00-\x1f]{1,255}$")]
    verifier_keys: Annotated[tuple[VerifierKey, ...], msgspec.Meta(min_length=1)]


class PeerLogConfig(RemoteConfig, frozen=True):
    """`[[peer_log]]`: another node, whose heads are compared with what was seen before."""

    halt: bool = True


class WebhookConfig(Section, frozen=True):
    """`[[webhook]]`: a partner that is told of revocations, each as it commits."""

    name: Name
    url: HttpsUrl
    events: Annotated[tuple[WebhookEvent, ...], msgspec.Meta(min_length=1)] = (
        "revocation",
        "reinstatement",
    )
    ca_file: Path | None = None


class RoleConfig(Section, frozen=True):
    """`[[role]]`: what the holder of the certificate with this SAN URI may do."""

    uri: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z][A-Za-z0-9+.-]*:[!-~]{1,250}$")]
    roles: Annotated[tuple[Role, ...], msgspec.Meta(min_length=1)]


class ClientConfig(Section, frozen=True):
    """`[client]`: how the command line reaches a node, and as whom. Without a URL, this node's."""

    url: Annotated[str, msgspec.Meta(pattern=r"^https://[^\s/?#]+(/[^\s?#]*)?$")] | None = None
    socket: Path | None = None
    ca_file: Path = Path("pki/ca.pem")
    certificate_file: Path | None = None
    key_file: Path | None = None
    approver_certificate_file: Path | None = None
    approver_key_file: Path | None = None


class Config(Section, frozen=True):
    """Everything the file says, defaults filled in and paths made absolute."""

    node: NodeConfig
    http: HttpConfig = HttpConfig()
    tls: TlsConfig = TlsConfig()
    metrics: MetricsConfig = MetricsConfig()
    keys: KeysConfig = KeysConfig()
    log: LogConfig = LogConfig()
    decisions: DecisionsConfig = DecisionsConfig()
    workers: WorkersConfig = WorkersConfig()
    cluster: ClusterConfig = ClusterConfig()
    compiler: CompilerConfig = CompilerConfig()
    approvals: ApprovalsConfig = ApprovalsConfig()
    audit: AuditConfig = AuditConfig()
    alerts: AlertsConfig = AlertsConfig()
    verify: VerifyConfig = VerifyConfig()
    authzen: AuthzenConfig = AuthzenConfig()
    library: LibraryConfig = LibraryConfig()
    limits: LimitsConfig = LimitsConfig()
    oauth: OauthConfig = OauthConfig()
    fetch: FetchConfig = FetchConfig()
    witnessing: WitnessingConfig = WitnessingConfig()
    client: ClientConfig = ClientConfig()
    authority: tuple[AuthorityConfig, ...] = ()
    approver: tuple[ApproverConfig, ...] = ()
    proof_verifier: tuple[ProofVerifierConfig, ...] = ()
    source: tuple[SourceConfig, ...] = ()
    dataset: tuple[DatasetConfig, ...] = ()
    witness: tuple[WitnessConfig, ...] = ()
    witnessed_log: tuple[WitnessedLogConfig, ...] = ()
    peer_log: tuple[PeerLogConfig, ...] = ()
    webhook: tuple[WebhookConfig, ...] = ()
    alert_channel: tuple[AlertChannelConfig, ...] = ()
    role: tuple[RoleConfig, ...] = ()

    def log_origin(self) -> str:
        """Return the log's name: as configured, else the public URL without its scheme."""
        return self.log.origin or self.node.public_url.removeprefix("https://").rstrip("/")

    def witness_name(self) -> str:
        """Return what this node is called as a witness, else the public URL's host and path."""
        url = self.node.public_url.removeprefix("https://").rstrip("/")
        return self.witnessing.name or f"{url}/witness"
