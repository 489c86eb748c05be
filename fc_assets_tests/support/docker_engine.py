"""A real Docker engine for tests, where no image can be pulled: an empty image that sees this machine's programs.

The rendered Compose file is used as it is. A `compose.override.yaml` beside it, which Compose merges by itself, adds
this machine's /usr, Python and repository, read-only and at their own paths. Prometheus is Debian's; Grafana, which is
in no Debian, is a process that sleeps.
"""

import functools
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import yaml

from fc_assets.deployment.engine import COLOURS, engine_service
from fc_assets.deployment.targets.stack import why_unavailable
from fc_assets.profiles import DeploymentSettings

IMAGE = "fc-assets-empty:test"
REPOSITORY = Path(__file__).parents[2]
USERLAND = ("/usr", "/lib", "/lib64", "/bin", "/etc")


@functools.cache
def why_skipped() -> str:
    """Why the tests against Docker cannot run here; empty when they can."""
    if missing := why_unavailable():
        return missing
    for program in ("nginx", "prometheus", "wget"):
        if shutil.which(program, path="/usr/sbin:/usr/bin") is None:
            return f"{program} is not installed on this machine, and the stack needs it"
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
    services = dict.fromkeys((*(engine_service(colour) for colour in COLOURS), "proxy"), programs)
    # Its own image owns /prometheus; the volume of an empty one belongs to root.
    storage = ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/tmp/data"]
    services["prometheus"] = {**programs, "entrypoint": ["prometheus"], "command": storage}
    asleep = {
        "entrypoint": ["sleep"],
        "command": ["infinity"],
        "stop_signal": "SIGKILL",
        "healthcheck": {"disable": True},
    }
    usable = [f"{mount}:{mount}:ro" for mount in USERLAND if mount != "/etc"]
    services["grafana"] = {"image": IMAGE, "volumes": usable, **asleep}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "compose.override.yaml").write_text(yaml.safe_dump({"services": services}))
