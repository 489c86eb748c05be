"""Every way in which a hub refuses, by the real client against a hub on this machine, as one sentence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from fc_assets_tests.support.hub import EXPIRED_TOKEN, Hub, serving

OTHER_TOKEN = "hf_of_somebody_else"
SCRIPT = """
import json, os, sys
from fc_assets.errors import FcAssetsError
from fc_assets.foundation.hub import HubRequest, checkpoint_on_hub, download_snapshot

said = []
for name, revision, token in json.loads(sys.argv[1]):
    os.environ.pop("HF_TOKEN", None)
    if token:
        os.environ["HF_TOKEN"] = token
    try:
        said.append(str(download_snapshot(checkpoint_on_hub(name, revision), ["*.json"])))
    except FcAssetsError as error:
        said.append(str(error))
print(json.dumps(said))
"""


def download(folder: Path, url: str, *asked: tuple[str, str, str], **environment: str) -> list[str]:
    """Ask for (name, revision, token) one after the other; return each folder, or the sentence that came instead."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(asked)],
        env={**clean, "HF_ENDPOINT": url, "HF_HOME": str(folder / "cache"), "HF_HUB_DISABLE_XET": "1", **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


def test_each_refusal_says_what_to_do(tmp_path: Path) -> None:
    for name in ("open", "closed"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
    hub = Hub({f"models/a/{name}": tmp_path / name for name in ("open", "closed")}, gated={"models/a/closed"})
    with serving(hub):
        refused, found, gated, not_accepted, unknown, no_revision = download(
            tmp_path,
            hub.url,
            ("a/open", "main", EXPIRED_TOKEN),
            ("a/open", "main", ""),
            ("a/closed", "main", ""),
            ("a/closed", "main", OTHER_TOKEN),
            ("a/other", "main", ""),
            ("a/open", "absent", hub.token),
        )
    assert (Path(found) / "config.json").read_text() == "{}"
    page = f"{hub.url}/a/closed"
    assert gated == f"a/closed is gated: accept its terms at {page} and set HF_TOKEN to a token of that account"
    assert not_accepted == f"a/closed is gated: accept its terms at {page} with the account of this HF_TOKEN"
    assert "does not accept the token for a/open: set HF_TOKEN to a valid one" in refused
    assert "no model a/other at revision main" in unknown and "base_model.model and base_model.revision" in unknown
    assert "no model a/open at revision absent" in no_revision
    assert not any(token in sentence for token in (OTHER_TOKEN, EXPIRED_TOKEN) for sentence in (refused, not_accepted))


def test_without_a_hub_the_way_around_is_named(tmp_path: Path) -> None:
    (nobody,) = download(tmp_path, "http://127.0.0.1:9", ("a/b", "main", ""))
    assert nobody.startswith("a/b cannot be had from the hub (") and "check the connection" in nobody
    (offline,) = download(tmp_path, "http://127.0.0.1:9", ("a/b", "main", ""), HF_HUB_OFFLINE="1")
    assert offline.startswith("a/b is not in the local cache and HF_HUB_OFFLINE forbids asking the hub")
    instead = "or set base_model.source to folder and base_model.path to a checkpoint"
    assert nobody.endswith(instead) and offline.endswith(instead)
