#!/usr/bin/env bash
# Installs what the end-to-end tests need, by package name, when it is not there:
# client libraries from npm, servers from Debian.
set -euo pipefail
cd "$(dirname "$0")"

want=()
need() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || want+=("$2"); }
need prometheus prometheus
need redis-server redis-server
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || want+=(postgresql)
need node nodejs
need npm npm
if [ ${#want[@]} -gt 0 ]; then
  echo "installing: ${want[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${want[@]}" >/dev/null
fi

stamp=js/node_modules/.installed
if [ ! -f "$stamp" ] || [ js/package.json -nt "$stamp" ]; then
  (cd js && npm install --no-audit --no-fund --no-package-lock --loglevel=error)
  touch "$stamp"
fi
