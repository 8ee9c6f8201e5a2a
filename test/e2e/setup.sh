#!/usr/bin/env bash
# Installs what the end-to-end tests need, by package name, when it is not there:
# client libraries from npm, servers from Debian, what builds and runs container
# images. `setup.sh image` installs the last only.
set -euo pipefail
cd "$(dirname "$0")"

want=()
install_wanted() {
  if [ ${#want[@]} -gt 0 ]; then
    echo "installing: ${want[*]}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${want[@]}" >/dev/null
  fi
}
need() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || want+=("$2"); }
need podman podman
need buildah buildah
need runc runc
need iptables iptables
need busybox busybox-static
[ -d /usr/lib/cni ] || want+=(containernetworking-plugins)
if [ "${1:-}" = image ]; then
  install_wanted
  exit 0
fi
(install_wanted) || echo "no tools for images can be had here: their tests will say that they are skipped"
want=()
need prometheus prometheus
need nginx nginx-light
need redis-server redis-server
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || want+=(postgresql)
need chromium chromium
need node nodejs
need npm npm
install_wanted

stamp=js/node_modules/.installed
if [ ! -f "$stamp" ] || [ js/package.json -nt "$stamp" ]; then
  (cd js && npm install --no-audit --no-fund --no-package-lock --loglevel=error)
  touch "$stamp"
fi
