"""The local rules that AuthZEN requests about other things than tokens are decided by."""

from __future__ import annotations

from rtgf_node.core import authzen
from rtgf_node.core.authzen import Rules
from rtgf_node.errors import Code, RtgfError
from rtgf_node.settings import Config


def load(config: Config) -> Rules:
    """Return the rules of the configured file; none without one.

    Raises:
      RtgfError: RTGF_CONFIG_INVALID if the file cannot be read, or is no file of rules.
    """
    file = config.authzen.rules_file
    if file is None:
        return authzen.NO_RULES
    try:
        return authzen.read_rules(file.read_bytes())
    except OSError as error:
        raise RtgfError(Code.RTGF_CONFIG_INVALID, f"{file}: {error.strerror}") from error
    except RtgfError as error:
        raise RtgfError(
            Code.RTGF_CONFIG_INVALID, f"{file}: {error.sentence}", causes=(error,)
        ) from error
