"""The channels of the configuration."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from rtgf_node.alerts import messages
from rtgf_node.alerts.delivery import Change
from rtgf_node.alerts.messages import Message, Sender
from rtgf_node.alerts.settings import AlertChannelConfig
from rtgf_node.egress import Egress, to_one
from rtgf_node.errors import Code, RtgfError
from rtgf_node.keys.signers import Signers
from rtgf_node.settings import Config

ANSWER_SECONDS: Final = 10.0
"""For a channel to take a message."""

ANSWER_BYTES: Final = 64 << 10
"""Of its answer, which nobody reads."""


class HttpChannel:
    """A channel that is told over HTTPS, by the way that other requests go out.

    Args:
      make: the requests for a change.
    """

    def __init__(self, name: str, make: Callable[[Change], list[Message]], egress: Egress) -> None:
        self.name = name
        self._make = make
        self._egress = egress

    async def send(self, change: Change) -> None:
        """Return when it was taken.

        Raises:
          RtgfError: it was not, or nobody knows.
        """
        for message in self._make(change):
            await self._egress.deliver(
                message.url, message.body, headers=message.headers, method=message.method
            )


def configured(config: Config, sender: Sender, signers: Signers) -> list[HttpChannel]:
    """Return the configured channels in their order.

    Raises:
      RtgfError: RTGF_CONFIG_INVALID if a secret cannot be read, or there is no key to sign with.
    """
    return [
        HttpChannel(
            one.name,
            _maker(one, sender, signers),
            to_one(config.fetch, one.ca_file, seconds=ANSWER_SECONDS, max_bytes=ANSWER_BYTES),
        )
        for one in config.alert_channel
    ]


def _maker(
    one: AlertChannelConfig, sender: Sender, signers: Signers
) -> Callable[[Change], list[Message]]:
    if one.kind == "webhook":
        try:
            signer = signers.of("notify")
        except RtgfError as error:
            raise RtgfError(
                Code.RTGF_CONFIG_INVALID,
                f"alert_channel {one.name}: the key store holds no notify key, it was made by an "
                "older rtgf init; use another kind of channel",
            ) from error
        return partial(messages.webhook, sender=sender, url=one.url, signer=signer)
    make = messages.pagerduty if one.kind == "pagerduty" else messages.matrix
    return partial(make, sender=sender, url=one.url, secret=_secret(one))


def _secret(one: AlertChannelConfig) -> str:
    file: Path | None = one.secret_file
    try:
        text = "" if file is None else file.read_text("ascii").strip()
    except (OSError, ValueError) as error:
        raise RtgfError(
            Code.RTGF_CONFIG_INVALID, f"alert_channel {one.name}: {file} cannot be read: {error}"
        ) from error
    if not text or not text.isprintable():
        raise RtgfError(
            Code.RTGF_CONFIG_INVALID,
            f"alert_channel {one.name}: secret_file must hold the secret of the {one.kind} "
            "channel, one line",
        )
    return text
