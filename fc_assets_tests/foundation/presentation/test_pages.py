"""Self-contained pages: what the browser is allowed, and data that cannot end its element."""

import base64
import hashlib
import json
import zlib
from pathlib import Path

import pytest

from fc_assets.foundation.presentation.pages import packed, render_page

TEMPLATE = "{{ policy }}\n<style>{{ style }}</style>{{ said }}<script>{{ script }}</script>"


@pytest.fixture
def template(tmp_path: Path) -> Path:
    file = tmp_path / "page.html.j2"
    file.write_text(TEMPLATE)
    return file


def test_only_the_pages_own_script_may_run(template: Path) -> None:
    script = template.with_name("page.js")
    script.write_text("const less = 1 < 2 && '\u2713';\n", encoding="utf-8")
    page = render_page(template, script=script, said="<b>")
    inline = page.partition("<script>")[2].removesuffix("</script>")
    assert inline == script.read_text(encoding="utf-8"), "not escaped"
    digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
    assert f"script-src &#39;sha256-{digest}&#39;" in page
    assert "connect-src &#39;none&#39;" in page and "default-src &#39;none&#39;" in page
    assert "&lt;b&gt;" in page and ":root {" in page


def test_a_page_without_a_script_may_run_none(template: Path) -> None:
    assert "script-src &#39;none&#39;" in render_page(template, said="")


def test_a_script_that_would_end_its_element_is_refused(template: Path) -> None:
    script = template.with_name("page.js")
    script.write_text("const end = '</script>';")
    with pytest.raises(ValueError, match="end of a script element"):
        render_page(template, script=script, said="")


def test_packed_data_is_only_letters_and_digits() -> None:
    value = {"text": "</script>\u2028\ud83d", "rows": list(range(1000))}
    text = packed(value)
    assert text.replace("+", "").replace("/", "").rstrip("=").isalnum()
    assert json.loads(zlib.decompress(base64.b64decode(text))) == value
    assert len(text) < len(json.dumps(value)) and text == packed(value)
