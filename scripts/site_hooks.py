"""What the documentation site adds to the pages in docs/: MkDocs calls these functions by their names.

The pages are written for a reader of the repository too, so they link to files outside docs/. Here those that are pages
become pages of the site, and links to code become the path in words, since a built site has no repository beside it.
A page that would load something from the network fails the build.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DOCS = "docs"
OUTSIDE = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md", "deploy/README.md": "deploy.md"}
"""Files of the repository that are pages of the site, and their names there."""
HOMES = ("README.md", "README.zh-CN.md")
"""What a repository shows first; the site has its own first page in its place."""
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)")
LOADED = re.compile(
    r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["']?(?:https?:)?//|<link\b[^>]*\bhref=["']?https?://"""
)


def on_files(files: Any, config: Any) -> Any:
    from mkdocs.structure.files import File

    for source, name in OUTSIDE.items():
        files.append(File.generated(config, name, content=(ROOT / source).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    return with_links_of_the_site(markdown, page.file.src_uri)


def on_post_build(config: Any) -> None:
    from mkdocs.exceptions import PluginError

    loading = pages_that_load_from_the_network(Path(config.site_dir))
    if loading:
        raise PluginError(f"these pages load something from the network: {', '.join(loading)}; ship it with the site")


def with_links_of_the_site(markdown: str, page: str) -> str:
    """The page with its links as they are in the site; `page` is its name there, such as `howto/deploy.md`."""
    repository_path = {name: source for source, name in OUTSIDE.items()}.get(page, f"{DOCS}/{page}")

    def link(found: re.Match[str]) -> str:
        text, target = found.groups()
        path, hash_, anchor = target.partition("#")
        if not path or ":" in path:
            return found[0]
        at = posixpath.normpath(posixpath.join(posixpath.dirname(repository_path), path))
        if at in HOMES:
            there, hash_, anchor = "index.md", "", ""
        elif at in OUTSIDE:
            there = OUTSIDE[at]
        elif at.startswith(f"{DOCS}/"):
            there = at.removeprefix(f"{DOCS}/")
        else:
            return text if text.strip("`") in at else f"{text} (`{at}`)"
        return f"[{text}]({posixpath.relpath(there, posixpath.dirname(page) or '.')}{hash_}{anchor})"

    return LINK.sub(link, markdown)


def pages_that_load_from_the_network(site: Path) -> list[str]:
    """The built pages whose scripts, styles, fonts or pictures are addresses; links to follow are none of them."""
    pages = sorted(site.rglob("*.html"))
    return [str(page.relative_to(site)) for page in pages if LOADED.search(page.read_text(encoding="utf-8"))]
