"""Pages of HTML that are one file: the style that all of them share, a script, data, and what the browser may do.

What such a page shows is data, often a model's words: the template escapes it, a script gets it as data and never as
markup, and the page's policy lets the browser run no script but its own and ask nobody for anything. What a page says
belongs to its room.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from pathlib import Path

from fc_assets.foundation.presentation.templates import render_template

_STYLE = Path(__file__).parent / "templates" / "page.css"


def render_page(template: Path, *, script: Path | None = None, asks: str = "'none'", **values: object) -> str:
    """The page of `template`, which puts `policy`, `style` and, where there is one, `script` into its head and body.

    `asks` are the addresses that the script may ask, in the words of a Content-Security-Policy. Raises ValueError for a
    script that would end its own element.
    """
    from markupsafe import Markup  # comes with jinja2; the definitions load without it

    code = script.read_text(encoding="utf-8") if script else ""
    if "</script" in code.lower():
        raise ValueError(f"{script} contains the end of a script element: write it as '<' + '/script'")
    return render_template(
        template,
        policy=_policy(code, asks),
        style=Markup(_STYLE.read_text(encoding="utf-8")),
        script=Markup(code),
        **values,
    )


def packed(value: object) -> str:
    """`value` as JSON, deflated (zlib's format), in base64: what `unpacked` in a page's script turns back.

    So no text in it can end the element in which it lies, and the rows of a whole split are a few megabytes.
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(zlib.compress(text.encode("ascii"), 9)).decode("ascii")


def _policy(code: str, asks: str) -> str:
    """Nothing is loaded from anywhere; of scripts only this very text runs."""
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode("ascii")
    scripts = f"'sha256-{digest}'" if code else "'none'"
    return (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {scripts}; connect-src {asks}; "
        "base-uri 'none'; form-action 'none'"
    )
