"""A real Docker engine for tests, where no image can be pulled: an empty image that sees this machine's programs.

The rendered Compose file is used as it is. A `compose.override.yaml` beside it, which Compose merges by itself, adds
this machine's /usr, Python and repository, read-only and at their own paths.
"""

import functools
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import yaml

from fc_assets.profiles import DeploymentSettings
from fc_assets.release.compose import COLOURS, engine_service
from fc_assets.release.stack import why_unavailable

IMAGE = "fc-assets-empty:test"
REPOSITORY = Path(__file__).parents[2]
USERLAND = ("/usr", "/lib", "/lib64", "/bin", "/etc")


@functools.cache
def why_skipped() -> str:
    """Why the tests against Docker cannot run here; empty when they can."""
    if missing := why_unavailable():
        return missing
    if shutil.which("nginx", path="/usr/sbin:/usr/bin") is None:
        return "nginx is not installed on this machine, so there is no proxy to run"
    made = subprocess.run(["docker", "import", "-", IMAGE], input=b"\0" * 10240, capture_output=True, check=False)
    return "" if made.returncode == 0 else f"the empty image could not be made: {made.stderr.decode().strip()}"


def settings(**changes: object) -> DeploymentSettings:
    """Settings for a stack of its own on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    values = {
        "project": f"fc-assets-test-{port}",
        "image": IMAGE,
        "proxy_image": IMAGE,
        "monitoring": False,
        "strategy": "blue_green",
        "port": port,
        "memory_gib": 6,
        "cpus": 2,
        "start_timeout_s": 600,
        "drain_s": 20,
        "min_canary_share": 0.6,
        "max_answer_s": 60,
    }
    return DeploymentSettings.model_validate({**values, **changes})


def write_override(folder: Path) -> None:
    """Give every service of the stack this machine's programs."""
    environment = Path(sys.prefix).resolve()  # .venv may be a link to one that several checkouts share
    mounts = [*USERLAND, sys.base_prefix, str(REPOSITORY)]
    if not environment.is_relative_to(REPOSITORY):
        mounts.append(str(environment))
    variables = {"PATH": f"{environment}/bin:/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": str(REPOSITORY)}
    programs = {
        "image": IMAGE,
        "volumes": [f"{mount}:{mount}:ro" for mount in dict.fromkeys(mounts)],
        "environment": variables,
    }
    services = (*(engine_service(colour) for colour in COLOURS), "proxy")
    folder.mkdir(parents=True, exist_ok=True)
    content = {"services": dict.fromkeys(services, programs)}
    (folder / "compose.override.yaml").write_text(yaml.safe_dump(content))
