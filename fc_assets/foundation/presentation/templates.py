"""Text from Jinja2 template files: configuration files, Markdown, pages. What a text says belongs to its room.

A template lies in the folder `templates` of its room. A name that it uses and was not given is an error.
"""

from __future__ import annotations

from pathlib import Path


def render_template(template: Path, **values: object) -> str:
    """The text of `template` with `values` put in; in an HTML template (`.html.j2`) every value is escaped.

    Raises `jinja2.UndefinedError` for a name that is not given.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # the definitions load without it

    environment = Environment(
        loader=FileSystemLoader(template.parent),
        autoescape=template.name.endswith(".html.j2"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template.name).render(values)
