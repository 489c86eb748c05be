#!/usr/bin/env bash
# Runs a command with what the tests against a real stack need: a Docker engine, Compose v2, nginx and Prometheus.
#   deploy/ci/with_docker_engine.sh make test-slow
# On Debian as root it installs what is missing and starts an engine that lives in a temporary folder and ends with the
# command, however that ends. An engine that answers already is used and left alone. Where none can be had it says why
# and runs the command all the same: those tests then skip with their reason.
set -euo pipefail

INSTALL_TIMEOUT_S=120
START_TIMEOUT_S=20
POLICY=/usr/sbin/policy-rc.d
work=$(mktemp -d /tmp/fc-engine.XXXXXX)
engine=""
policy_is_ours=""

say() { echo "Docker engine for the tests: $1" >&2; }

answers() { docker version >/dev/null 2>&1; }

clean_up() {
  trap '' INT TERM HUP
  if [ -n "$engine" ]; then
    docker ps --all --quiet 2>/dev/null | xargs --no-run-if-empty docker rm --force >/dev/null 2>&1 || true
    docker network prune --force >/dev/null 2>&1 || true
    stop_engine
  fi
  [ -z "$policy_is_ours" ] || rm -f "$POLICY"
  rm -rf --one-file-system "$work"
}
trap clean_up EXIT

stop_engine() {
  kill "$engine" 2>/dev/null || true
  for _ in $(seq 100); do
    kill -0 "$engine" 2>/dev/null || break
    sleep 0.1
  done
  kill -KILL "$engine" 2>/dev/null || true # its containerd is told by the kernel
  wait "$engine" 2>/dev/null || true
  engine=""
  awk -v work="$work/" 'index($2, work) == 1 { print $2 }' /proc/self/mounts | xargs --no-run-if-empty umount 2>/dev/null || true
}

apt_get() { timeout "$INSTALL_TIMEOUT_S" apt-get -qq -o Acquire::Retries=1 -o Acquire::http::Timeout=15 "$@" >/dev/null </dev/null; }

# Debian's own packages; returns 1 when they cannot be had.
install_packages() {
  local packages=()
  answers || command -v dockerd >/dev/null || packages+=(docker.io iptables)
  [ -x /usr/sbin/nginx ] || packages+=(nginx-light)
  command -v promtool >/dev/null || packages+=(prometheus)
  command -v wget >/dev/null || packages+=(wget)
  [ "${#packages[@]}" -gt 0 ] || return 0
  [ "$(id -u)" = 0 ] || { say "${packages[*]} would have to be installed, and this is not root"; return 1; }
  command -v apt-get >/dev/null || { say "${packages[*]} would have to be installed, and this is not Debian"; return 1; }
  # No service may be started by its package: the tests start their own.
  if [ ! -e "$POLICY" ]; then
    policy_is_ours=yes
    printf '#!/bin/sh\nexit 101\n' >"$POLICY"
    chmod +x "$POLICY"
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt_get update && apt_get install -y --no-install-recommends "${packages[@]}" && return 0
  say "apt-get could not install ${packages[*]}; is the mirror reachable?"
  return 1
}

# Compose v2: Debian's stable suite has only the old one, so it is unpacked from the unstable one of the same mirror. It
# needs nothing but libc.
install_compose() {
  docker compose version >/dev/null 2>&1 && return 0
  [ "$(id -u)" = 0 ] || { say "Compose v2 would have to be installed, and this is not root"; return 1; }
  local mirror plugin
  mirror=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN)' 'Created-By: Packages' |
    awk '$2 == "Debian" && $1 !~ /security/ { print $1; exit }')
  [ -n "$mirror" ] || { say "no Debian mirror is configured to take Compose v2 from"; return 1; }
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror sid main" >"$work/sid.list"
  mkdir -p "$work/lists/partial"
  local unstable=(
    -o "Dir::State::Lists=$work/lists" -o "Dir::Etc::sourcelist=$work/sid.list" -o Dir::Etc::sourceparts=/dev/null
    -o APT::Sandbox::User=root
  )
  apt_get "${unstable[@]}" update && (cd "$work" && apt_get "${unstable[@]}" download docker-compose) ||
    { say "Compose v2 could not be downloaded from Debian's unstable suite"; return 1; }
  dpkg -x "$work"/docker-compose_*.deb "$work/compose"
  plugin=$(find "$work/compose" -type f -name docker-compose | head -n 1)
  install -D -m 755 "$plugin" /usr/local/lib/docker/cli-plugins/docker-compose
}

# Everything of this engine is in the temporary folder, its socket too, and the kernel ends it should this script be
# killed. The second and third form are for machines that lack netfilter, or whose file system cannot be stacked.
start_engine() {
  [ "$(id -u)" = 0 ] || { say "none answers, and this is not root"; return 1; }
  export DOCKER_HOST="unix://$work/docker.sock"
  local flags
  for flags in "" "--iptables=false" "--iptables=false --storage-driver=vfs"; do
    # shellcheck disable=SC2086
    setsid setpriv --pdeathsig TERM dockerd --host "$DOCKER_HOST" --data-root "$work/data" --exec-root "$work/exec" \
      --pidfile "$work/docker.pid" --bridge none $flags >"$work/dockerd.log" 2>&1 </dev/null &
    engine=$!
    for _ in $(seq $((START_TIMEOUT_S * 5))); do
      answers && return 0
      kill -0 "$engine" 2>/dev/null || break
      sleep 0.2
    done
    stop_engine
  done
  say "dockerd does not start here; its log ends: $(tail -n 1 "$work/dockerd.log")"
  unset DOCKER_HOST
  return 1
}

if install_packages && install_compose && { answers || start_engine; }; then
  say "$(docker version --format '{{.Server.Version}}'), Compose $(docker compose version --short)"
fi
"$@"
