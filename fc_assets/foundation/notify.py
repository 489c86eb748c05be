"""Notifies a webhook of what happened to a release. Off unless `$FC_WEBHOOK_URL` is set; the address may hold a secret.

Which events are worth a notification is decided where they happen.
"""

from __future__ import annotations

import json
import os
import urllib.request
from typing import Literal

WEBHOOK_VARIABLE = "FC_WEBHOOK_URL"
TIMEOUT_S = 5.0

Event = Literal["promoted", "deployed", "rolled back", "gate failed"]


def notify(event: Event, subject: str, detail: str = "") -> str:
    """Post the event as JSON; return why it could not be delivered, without the address, or nothing.

    Nothing is raised: a notification that fails must not undo the event itself.
    """
    url = os.environ.get(WEBHOOK_VARIABLE, "")
    if not url:
        return ""
    text = f"fc_assets: {event}: {subject}" + (f"\n{detail}" if detail else "")
    body = {"text": text, "event": event, "subject": subject, "detail": detail}
    try:
        request = urllib.request.Request(
            url, data=json.dumps(body).encode(), headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=TIMEOUT_S):
            return ""
    except (OSError, ValueError) as error:
        return (
            f"the webhook in {WEBHOOK_VARIABLE} could not be told that {subject} was {event} ({type(error).__name__})"
        )
