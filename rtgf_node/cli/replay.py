"""`rtgf replay`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rtgf_node.building import replaying
from rtgf_node.building.replaying import FolderInputs, Inputs, NodeInputs, Replayed
from rtgf_node.cli import connection, output, policy_files
from rtgf_node.cli.connection import CertificateFile, ConfigFile, KeyFile
from rtgf_node.cli.output import AsJson
from rtgf_node.cli.policy_files import OwnLibrary
from rtgf_node.core.policy.templates import Library
from rtgf_node.errors import Code, RtgfError


def replay(
    manifest: Annotated[Path, Parameter(help="A build_manifest.json.")],
    *,
    inputs: Annotated[
        Path | None, Parameter(help="A folder with the inputs, each under its digest.")
    ] = None,
    save: Annotated[
        Path | None, Parameter(help="Keep what the node gave in this folder, for another machine.")
    ] = None,
    url: Annotated[str | None, Parameter(help="The node; else the configured one.")] = None,
    config: ConfigFile = None,
    cert: CertificateFile = None,
    key: KeyFile = None,
    own: OwnLibrary | None = None,
    as_json: AsJson = False,
) -> int:
    """Build again from a manifest and compare with what it says, byte for byte.

    Compared are the tokens as they were before they were signed, the policy maps and the reports,
    each by its sha256, and then the whole manifest. Signatures and log entries are not: they need
    the node's keys. Get the manifest at GET /admin/builds/<build_id>/manifest.

    Where it runs: anywhere, with the version of rtgf that the manifest names. Inputs come from the
    node as operator or auditor, or with --inputs from a folder and no node at all; every one of
    them is checked against its digest.

    Examples:
      rtgf replay build_manifest.json --save inputs/
      rtgf replay build_manifest.json --inputs inputs/ --json
    """
    try:
        data = manifest.read_bytes()
    except OSError as error:
        raise RtgfError(Code.RTGF_NOT_FOUND, f"{manifest}: {error.strerror}") from error
    if inputs is not None:
        done = _replay(data, FolderInputs(inputs), policy_files.library(own), save)
    else:
        told = connection.settings(config)
        with connection.node(told, certificate=cert, key=key, url=url) as node:
            library = policy_files.library(own, told.library)
            done = _replay(data, NodeInputs(node), library, save)
    output.result(done, text(done), as_json=as_json)
    if not done.different:
        return 0
    return output.failure(_difference(done), as_json=as_json)


def _replay(data: bytes, source: Inputs, library: Library, save: Path | None) -> Replayed:
    return replaying.replay(data, source, library=library, save=save, tell=output.say)


def _difference(done: Replayed) -> RtgfError:
    first = done.different[0]
    detail = f"{first.name} was {first.stated or 'not made'}, is {first.computed or 'not made'}"
    return RtgfError(
        Code.RTGF_PIPELINE_DETERMINISM_FAIL,
        f"{len(done.different)} artefacts differ from those that the manifest names",
        causes=(RtgfError(Code.RTGF_BUILD_PLAN_DIVERGENCE, detail),),
    )


def text(done: Replayed) -> str:
    """Return what was found as lines for people."""
    lines = [
        f"build      {done.build_id}",
        f"made by    {done.compiler_version}; replayed by {done.replayed_by}",
        f"compared   {done.artefacts} artefacts by sha256: unsigned tokens, maps, reports",
    ]
    if not done.different:
        return "\n".join([*lines, f"the same   manifest {done.manifest_digest}, byte for byte"])
    lines += [
        f"different  {one.name}: {one.stated or 'not made'} then, {one.computed or 'not made'} now"
        for one in done.different
    ]
    return "\n".join(lines)
