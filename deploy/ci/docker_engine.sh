#!/usr/bin/env bash
# Installs and starts what the tests against a real stack need, on a Debian machine as root: a Docker engine, Compose v2,
# nginx and Prometheus. Prints why and ends with status 0 where it cannot: those tests then skip with their reason.
set -euo pipefail

skip() { echo "no Docker engine for the tests: $1"; exit 0; }

if docker version >/dev/null 2>&1 && docker compose version >/dev/null 2>&1 && [ -x /usr/sbin/nginx ]; then
  echo "a Docker engine answers already"
  exit 0
fi
[ "$(id -u)" = 0 ] || skip "this is not root"
command -v apt-get >/dev/null || skip "this is not Debian"

export DEBIAN_FRONTEND=noninteractive
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# No service may be started by its package: there is no init here, and the tests start their own.
if [ ! -e /usr/sbin/policy-rc.d ]; then
  printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
  chmod +x /usr/sbin/policy-rc.d
  trap 'rm -rf "$work" /usr/sbin/policy-rc.d' EXIT
fi
apt-get update -qq || skip "apt-get update failed"
apt-get install -y -qq --no-install-recommends docker.io iptables nginx-light prometheus >/dev/null || skip "apt-get install failed"

if ! docker compose version >/dev/null 2>&1; then
  # Compose v2 is in Debian's unstable suite only, from the same mirror; it needs nothing but libc.
  mirror=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(SUITE)' 'Created-By: Packages' |
    awk '$2 == "Debian" && $1 !~ /security/ { print $1; exit }')
  [ -n "$mirror" ] || skip "no Debian mirror is configured"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror sid main" >"$work/sid.list"
  mkdir -p "$work/lists/partial"
  unstable=(-o "Dir::State::Lists=$work/lists" -o "Dir::Etc::sourcelist=$work/sid.list" -o Dir::Etc::sourceparts=/dev/null)
  apt-get "${unstable[@]}" update -qq || skip "Debian's unstable suite cannot be read"
  chmod 777 "$work"
  (cd "$work" && apt-get "${unstable[@]}" download -qq docker-compose) || skip "Compose v2 cannot be downloaded"
  dpkg -x "$work"/docker-compose_*.deb "$work/compose"
  plugin=$(find "$work/compose" -type f -name docker-compose | head -1)
  install -D -m 755 "$plugin" /usr/local/lib/docker/cli-plugins/docker-compose
fi

if ! docker version >/dev/null 2>&1; then
  nohup setsid dockerd >/var/log/dockerd.log 2>&1 &
  for _ in $(seq 60); do
    docker version >/dev/null 2>&1 && break
    sleep 0.5
  done
  docker version >/dev/null 2>&1 || skip "dockerd does not start here; its log ends: $(tail -n 1 /var/log/dockerd.log)"
fi
echo "Docker $(docker version --format '{{.Server.Version}}'), Compose $(docker compose version --short)"
