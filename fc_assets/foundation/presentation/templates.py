"""Text from Jinja2 template files: configuration files and Markdown. What a text says belongs to its room.

A template lies in the folder `templates` of its room. A name that it uses and was not given is an error. Nothing is
escaped, so this is not for HTML.
"""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined


def render_template(template: Path, **values: object) -> str:
    """The text of `template` with `values` put in. Raises `jinja2.UndefinedError` for a name that is not given."""
    environment = Environment(
        loader=FileSystemLoader(template.parent),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template.name).render(values)
