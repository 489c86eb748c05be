"""The reverse proxy's configuration: which paths exist, who may use them, and which engine answers.

Everything not listed here does not exist for a client: vLLM's key leaves several of its paths open, so the engines
are not published at all. Rendering and keys belong here, running the proxy to `stack`.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from fc_assets.deployment.targets.compose import ALIVE_PATH, ENGINE_PORT, PROXY_PORT, Colour, engine_service

ACTIVE_FILE = "active.conf"
CONFIG_FILE = "nginx.conf"
RELEASE_HEADER = "X-FC-Release"
OPERATOR_PREFIX = "/-"
"""Below it each engine is asked by its colour, with the operator's key: so a release is probed before it serves."""

_TEMPLATE = """\
# Rendered by fc_assets.deployment.proxy; the colour that serves is in {active}.
worker_processes auto;
pid /tmp/nginx.pid;
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
    client_body_temp_path /tmp/client_body;
    proxy_temp_path /tmp/proxy;
    fastcgi_temp_path /tmp/fastcgi;
    uwsgi_temp_path /tmp/uwsgi;
    scgi_temp_path /tmp/scgi;
    access_log /dev/stdout;
    server_tokens off;
    default_type application/json;
    map_hash_bucket_size 256;
    # Names are asked again while running: a container that restarts may come back with another address.
    resolver 127.0.0.11 valid=2s ipv6=off;
    map $http_authorization $caller {{ default ""; include /run/secrets/keys.map; }}
    include /srv/proxy/{active};

    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Authorization "";
    proxy_buffering off;
    proxy_connect_timeout 5s;
    proxy_read_timeout 600s;
    client_max_body_size 4m;

    server {{
        listen {port};
        error_page 502 504 =503 @down;
        error_page 503 @down;
        add_header {header} $release always;

        location = {alive} {{ access_log off; return 200; }}
        location = /health {{
            if ($engine = "") {{ return 503; }}
            proxy_pass http://$engine:{engine}/health;
        }}
        location ~ ^/v1/(chat/completions|completions|models)$ {{
            if ($caller = "") {{ return 401 '{{"error": {{"message": "send the API key as a bearer token"}}}}'; }}
            if ($engine = "") {{ return 503; }}
            proxy_pass http://$engine:{engine}$uri$is_args$args;
        }}
        location ~ ^{prefix}/(blue|green)/(health|metrics|v1/models|v1/chat/completions)$ {{
            if ($caller != "operator") {{ return 404; }}
            proxy_pass http://vllm-$1:{engine}/$2;
        }}
        location /grafana/ {{
            set $grafana grafana;
            proxy_set_header Host $http_host;
            proxy_set_header Authorization $http_authorization;
            proxy_pass http://$grafana:3000;
        }}
        location @down {{
            add_header Retry-After 10 always;
            return 503 '{{"error": {{"message": "no release is serving at the moment; try again shortly"}}}}';
        }}
        location / {{ return 404 '{{"error": {{"message": "there is nothing at this path"}}}}'; }}
    }}
}}
"""


def render_config() -> str:
    """The proxy's main configuration, the same for every release."""
    return _TEMPLATE.format(
        active=ACTIVE_FILE,
        alive=ALIVE_PATH,
        port=PROXY_PORT,
        engine=ENGINE_PORT,
        header=RELEASE_HEADER,
        prefix=OPERATOR_PREFIX,
    )


def render_active(colour: Colour | None, release: str) -> str:
    """The part that says who serves: the engine of `colour`, or nobody."""
    engine = engine_service(colour) if colour else ""
    return f'map "" $engine {{ default "{engine}"; }}\nmap "" $release {{ default "{release[:16]}"; }}\n'


def ensure_keys(folder: Path) -> None:
    """Make the users' key, the operator's key and Grafana's password, once; existing ones are kept.

    The folder is closed to other users of this machine. The two files that containers read are readable inside it,
    since the containers run as users of their own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    keys = {role: _ensure(folder / f"{role}_key", 0o600) for role in ("api", "operator")}
    _ensure(folder / "grafana_password", 0o644)
    lines = f'"Bearer {keys["api"]}" user;\n"Bearer {keys["operator"]}" operator;\n'
    _write_private(folder / "keys.map", lines, 0o644)


def _ensure(file: Path, mode: int) -> str:
    if not file.is_file():
        _write_private(file, secrets.token_hex(32) + "\n", mode)  # hex: nginx compares without regard to case
    return file.read_text(encoding="ascii").strip()


def _write_private(file: Path, text: str, mode: int) -> None:
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(handle, "w", encoding="ascii") as stream:
        stream.write(text)
    file.chmod(mode)
