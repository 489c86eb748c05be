"""The Compose file of the stack: what runs, from which release, and how it is fenced in. Rendering only.

One engine in each of two colours, of which one serves and the other is there only while a release changes; a proxy,
the only thing with a published port; Prometheus and Grafana. A container never sees anything of this machine but the
read-only folders named here. Their paths are relative to the rendered file's folder, so that the home may be moved. A
`compose.override.yaml` beside it is merged by Compose itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NotRequired, TypedDict

import yaml

from fc_assets.deployment.engine import ENGINE_PORT, EngineSpec, engine_command, model_path
from fc_assets.deployment.proxy import ALIVE_PATH, CONFIG_FILE, CONNECTIONS, PROXY_PORT
from fc_assets.foundation.artifacts import ArtifactStore
from fc_assets.names import MODEL_FOLDER, PROMOTED_POLICY
from fc_assets.profiles import DeploymentSettings

MONITORS = ("prometheus", "grafana")
CARD_MONITOR = "dcgm-exporter"
CARD_PROFILE = "gpu"

PROMETHEUS_IMAGE = "prom/prometheus:v3.5.0"
GRAFANA_IMAGE = "grafana/grafana:12.2.0"
DCGM_IMAGE = "nvcr.io/nvidia/k8s/dcgm-exporter:4.5.2-4.8.1-distroless"

STORE = ArtifactStore(Path(".."))
"""The artefact store as it is seen from the folder of the rendered file, `<home>/deployment`."""

_USER = "10001:10001"
_LABEL = "io.fc-assets"


class Bind(TypedDict):
    """A read-only folder of the host; the deployment fails when it is not there."""

    type: Literal["bind"]
    source: str
    target: str
    read_only: bool
    bind: dict[str, bool]


class Resources(TypedDict):
    """What a container may use at most, and the cards that are kept for it."""

    limits: dict[str, str]
    reservations: NotRequired[dict[str, list[Mapping[str, object]]]]


class Deploy(TypedDict):
    """Compose's section of that name."""

    resources: Resources


class Service(TypedDict):
    """The part of Compose's service schema that is used here."""

    image: str
    restart: str
    networks: list[str]
    user: NotRequired[str]
    entrypoint: NotRequired[list[str]]
    command: NotRequired[list[str]]
    environment: NotRequired[dict[str, str]]
    volumes: NotRequired[list[Bind | str]]
    secrets: NotRequired[list[dict[str, str]]]
    ports: NotRequired[list[str]]
    labels: NotRequired[dict[str, str]]
    healthcheck: NotRequired[dict[str, object]]
    stop_grace_period: NotRequired[str]
    shm_size: NotRequired[str]
    profiles: NotRequired[list[str]]
    deploy: Deploy
    read_only: bool
    tmpfs: list[str]
    cap_drop: list[str]
    cap_add: NotRequired[list[str]]
    ulimits: NotRequired[dict[str, int]]
    security_opt: list[str]
    logging: dict[str, object]


class ComposeFile(TypedDict):
    """A Compose file."""

    name: str
    services: dict[str, Service]
    networks: dict[str, dict[str, object]]
    volumes: dict[str, dict[str, object]]
    secrets: dict[str, dict[str, str]]


def compose_file(engines: Sequence[EngineSpec], settings: DeploymentSettings) -> ComposeFile:
    """The stack with these engines. The files of the proxy and the monitors and the secrets lie beside the file."""
    services = {each.service: _engine(each, settings) for each in engines}
    services["proxy"] = _proxy(settings)
    volumes: dict[str, dict[str, object]] = {}
    secrets = {"keys": {"file": "./secrets/keys.map"}}
    if settings.monitoring:
        services["prometheus"] = _prometheus()
        services["grafana"] = _grafana()
        volumes = {"prometheus": {}, "grafana": {}}
        secrets["grafana_password"] = {"file": "./secrets/grafana_password"}
        services[CARD_MONITOR] = _dcgm()
    return {
        "name": settings.project,
        "services": services,
        # What is only in `inner` reaches nothing outside and cannot be reached from there.
        "networks": {"inner": {"internal": True}, "edge": {}},
        "volumes": volumes,
        "secrets": secrets,
    }


def to_yaml(content: ComposeFile) -> str:
    """The file's text."""
    return yaml.safe_dump(dict(content), sort_keys=False, width=120)


def _service(image: str, memory: str, cpus: float, **parts: object) -> Service:
    """A service with the fences that all share: no privileges, read-only root, limits, rotated logs."""
    fenced: dict[str, object] = {
        "image": image,
        "restart": "unless-stopped",
        "networks": ["inner"],
        "read_only": True,
        "tmpfs": ["/tmp:mode=1777,size=2g,exec"],
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "deploy": {"resources": {"limits": {"memory": memory, "cpus": str(cpus)}}},
        "logging": {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}},
    }
    # A TypedDict cannot be put together from keyword arguments; a misspelt one is found by Compose in the tests.
    return {**fenced, **parts}  # type: ignore[typeddict-item]


def _engine(engine: EngineSpec, settings: DeploymentSettings) -> Service:
    command = engine_command(engine, settings)
    service = _service(
        settings.image,
        f"{settings.memory_gib}g",
        settings.cpus,
        user=_USER,
        entrypoint=["python3", "-m", command.module],
        command=command.flags,
        environment=command.environment,
        # The digest is part of the path, so that another release always makes another container.
        volumes=[_bind(str(STORE.folder(PROMOTED_POLICY, engine.release) / MODEL_FOLDER), model_path(engine.release))],
        labels={f"{_LABEL}.release": engine.release, f"{_LABEL}.colour": engine.colour},
        healthcheck=_http_check(f"http://127.0.0.1:{ENGINE_PORT}/health", settings.start_timeout_s),
        stop_grace_period="30s",
        shm_size="1g",
    )
    if engine.server.device == "cuda":
        _reserve_cards(service, 1)
    return service


def _proxy(settings: DeploymentSettings) -> Service:
    return _service(
        settings.proxy_image,
        "256m",
        1.0,
        user=_USER,
        entrypoint=["nginx", "-g", "daemon off;", "-c", f"/srv/proxy/{CONFIG_FILE}"],
        networks=["inner", "edge"],
        ulimits={"nofile": 2 * CONNECTIONS},
        ports=[f"{settings.bind}:{settings.port}:{PROXY_PORT}"],
        # A folder, not its files: the file that says which colour serves is replaced by renaming.
        volumes=[_bind("./proxy", "/srv/proxy")],
        secrets=[{"source": "keys", "target": "keys.map"}],
        healthcheck=_wget_check(f"http://127.0.0.1:{PROXY_PORT}{ALIVE_PATH}"),
    )


def _prometheus() -> Service:
    return _service(
        PROMETHEUS_IMAGE,
        "1g",
        1.0,
        user="65534:65534",
        command=[
            "--config.file=/etc/prometheus/prometheus.yml",
            "--storage.tsdb.path=/prometheus",
            "--storage.tsdb.retention.time=30d",
        ],
        volumes=[_bind("./monitoring/prometheus", "/etc/prometheus"), "prometheus:/prometheus"],
        healthcheck=_wget_check("http://127.0.0.1:9090/-/healthy"),
    )


def _grafana() -> Service:
    return _service(
        GRAFANA_IMAGE,
        "512m",
        1.0,
        user="472:472",
        environment={
            "GF_SECURITY_ADMIN_PASSWORD__FILE": "/run/secrets/grafana_password",
            "GF_SERVER_ROOT_URL": "%(protocol)s://%(domain)s/grafana/",
            "GF_SERVER_SERVE_FROM_SUB_PATH": "true",
            "GF_ANALYTICS_REPORTING_ENABLED": "false",
            "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
            "GF_USERS_ALLOW_SIGN_UP": "false",
        },
        volumes=[
            _bind("./monitoring/grafana/provisioning", "/etc/grafana/provisioning"),
            _bind("./monitoring/grafana/dashboards", "/var/lib/grafana-dashboards"),
            "grafana:/var/lib/grafana",
        ],
        secrets=[{"source": "grafana_password", "target": "grafana_password"}],
        healthcheck=_wget_check("http://127.0.0.1:3000/grafana/api/health"),
    )


def _dcgm() -> Service:
    # Only with Compose's profile `gpu`, which a deployment on a card turns on. Profiling counters need the capability.
    service = _service(DCGM_IMAGE, "512m", 1.0, profiles=[CARD_PROFILE], cap_add=["SYS_ADMIN"])
    _reserve_cards(service, "all")
    return service


def _reserve_cards(service: Service, count: int | Literal["all"]) -> None:
    cards = {"driver": "nvidia", "count": count, "capabilities": ["gpu"]}
    service["deploy"]["resources"]["reservations"] = {"devices": [cards]}


def _bind(source: str, target: str) -> Bind:
    return {
        "type": "bind",
        "source": source,
        "target": target,
        "read_only": True,
        "bind": {"create_host_path": False},
    }


def _wget_check(url: str) -> dict[str, object]:
    """For the small images, which have busybox's wget and no Python."""
    test = ["CMD", "wget", "-q", "-O", "/dev/null", url]
    return {"test": test, "interval": "15s", "timeout": "5s", "retries": 3, "start_period": "30s"}


def _http_check(url: str, start_timeout_s: int) -> dict[str, object]:
    probe = f"import urllib.request; urllib.request.urlopen({url!r}, timeout=4)"
    return {
        "test": ["CMD", "python3", "-c", probe],
        "interval": "15s",
        "timeout": "5s",
        "retries": 3,
        "start_period": f"{start_timeout_s}s",
    }
