"""Sends messages to the addresses in `$FC_NOTIFY_URLS`: chat, mail, webhooks, whatever apprise reaches.

An address holds passwords and tokens, so it is in no log, message or error: each is named by its number alone.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fc_assets.notifications.messages import Kind, Message

if TYPE_CHECKING:
    import apprise

URLS_VARIABLE = "FC_NOTIFY_URLS"
MESSAGE_SECONDS = 10.0
ALL_SECONDS = 30.0
"""For all messages of one run: Dagster breaks off a sensor after a minute, and would then send them again."""
_FAILURES: tuple[Kind, ...] = ("gate failed", "rolled back", "run failed")
_SHOW_ADDRESSES = ("apprise", "urllib3.connectionpool")
"""Loggers that write addresses out."""


def addresses() -> list[str]:
    """The addresses in the environment, separated by white space."""
    return os.environ.get(URLS_VARIABLE, "").split()


def send(messages: Sequence[Message], urls: Sequence[str]) -> list[str]:
    """Send each message to each address; return a sentence for each address that cannot be used or did not take one.

    Nothing is raised. An address that did not take one is sent no more of these messages.
    """
    import apprise  # here, since the definitions load without it

    for name in _SHOW_ADDRESSES:
        logging.getLogger(name).disabled = True
    asset = apprise.AppriseAsset(app_id="fc_assets", app_desc="fc_assets", app_url="")
    receivers: dict[str, apprise.NotifyBase] = {}
    problems = []
    for number, url in enumerate(urls, start=1):
        receiver = _receiver(url, asset, tag := f"address-{number}")
        if receiver is None:
            problems.append(
                f"Address {number} in {URLS_VARIABLE} is none that apprise can use: see https://appriseit.com/services"
            )
        else:
            receivers[tag] = receiver
    end = time.monotonic() + ALL_SECONDS
    for message in messages:
        taken = _deliver(message, receivers, asset, end - time.monotonic())
        for tag in receivers.keys() - taken:
            del receivers[tag]
            problems.append(
                f"{tag.replace('-', ' ').capitalize()} in {URLS_VARIABLE} did not take the message "
                f"{message.title!r}: see that the address is right and that its receiver answers"
            )
    return problems


def _receiver(url: str, asset: apprise.AppriseAsset, tag: str) -> apprise.NotifyBase | None:
    import apprise

    try:
        return apprise.Apprise.instantiate(url, asset=asset, tag=tag)
    except Exception:  # whatever a service makes of a wrong address; its message may show it
        return None


def _deliver(
    message: Message, receivers: Mapping[str, apprise.NotifyBase], asset: apprise.AppriseAsset, seconds: float
) -> set[str]:
    """Send to all at once; return the tags of those that took it."""
    import apprise

    if not receivers or seconds <= 0:
        return set()
    everyone = apprise.Apprise(list(receivers.values()), asset=asset)
    try:
        result = everyone.notify(
            title=message.title,
            body=message.text,
            notify_type=apprise.NotifyType.FAILURE if message.kind in _FAILURES else apprise.NotifyType.SUCCESS,
            body_format=apprise.NotifyFormat.TEXT,
            timeout=min(MESSAGE_SECONDS, seconds),
        )
    except Exception:  # whatever a service raises; its message may show the address
        return set()
    return {tag for each in result if each for tag in each.tag}
