#!/usr/bin/env bash
# Asks a real Kubernetes API server, by a dry run on its side, whether it would
# take every overlay: strict fields, defaults, validation, and the restricted
# Pod Security Standard. `make e2e-kubernetes`.
set -euo pipefail
cd "$(dirname "$0")"
for p in etcd kubectl openssl python3; do
  command -v "$p" >/dev/null || { echo "$p is needed: apt-get install etcd-server openssl python3, and any kubectl from 1.27 on" >&2; exit 1; }
done
apiserver=$(./build-apiserver.sh)
dir=$(mktemp -d)
pids=()
finish() {
  status=$?
  # At once: they keep nothing, and the API server would wait for an etcd that has gone.
  for p in "${pids[@]}"; do kill -KILL "$p" 2>/dev/null || true; done
  wait 2>/dev/null || true
  if [ $status -ne 0 ]; then tail -n 20 "$dir"/*.log >&2; fi
  rm -rf "$dir"
  exit $status
}
trap finish EXIT
free_port() { python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])'; }
etcd_port=$(free_port) peer_port=$(free_port) port=$(free_port)

etcd --data-dir "$dir/etcd" --listen-client-urls "http://127.0.0.1:$etcd_port" --advertise-client-urls "http://127.0.0.1:$etcd_port" \
  --listen-peer-urls "http://127.0.0.1:$peer_port" --initial-advertise-peer-urls "http://127.0.0.1:$peer_port" \
  --initial-cluster "default=http://127.0.0.1:$peer_port" >"$dir/etcd.log" 2>&1 &
pids+=($!)
openssl genrsa -out "$dir/sa.key" 2048 2>/dev/null
openssl rsa -in "$dir/sa.key" -pubout -out "$dir/sa.pub" 2>/dev/null
echo 'test-only-token,admin,admin,system:masters' >"$dir/tokens"
"$apiserver" --etcd-servers "http://127.0.0.1:$etcd_port" --secure-port "$port" --bind-address 127.0.0.1 --advertise-address 127.0.0.1 \
  --cert-dir "$dir/certs" --service-account-key-file "$dir/sa.pub" --service-account-signing-key-file "$dir/sa.key" \
  --service-account-issuer https://kubernetes.default.svc --service-cluster-ip-range 10.0.0.0/24 --token-auth-file "$dir/tokens" \
  --authorization-mode RBAC --disable-admission-plugins ServiceAccount >"$dir/apiserver.log" 2>&1 &
pids+=($!)

kube() { kubectl --server "https://127.0.0.1:$port" --insecure-skip-tls-verify --token test-only-token --cache-dir "$dir/cache" "$@"; }
for _ in $(seq 300); do
  if [ "$(kube get --raw /readyz 2>/dev/null)" = ok ]; then ready=yes; break; fi
  kill -0 "${pids[1]}" 2>/dev/null || { echo "the API server ended" >&2; exit 1; }
  sleep 0.2
done
[ "${ready:-}" = yes ] || { echo "the API server is not ready after a minute" >&2; exit 1; }
kube version | sed -n 's/^Server Version/API server/p'

kube apply -f crds.yaml >/dev/null
kube wait --for condition=established --timeout 30s crd/servicemonitors.monitoring.coreos.com crd/prometheusrules.monitoring.coreos.com >/dev/null
for ns in llm-gateway llm-gateway-development; do
  kube create namespace "$ns" --save-config >/dev/null
  kube label namespace "$ns" pod-security.kubernetes.io/enforce=restricted pod-security.kubernetes.io/warn=restricted >/dev/null
done

# dry_run reads manifests and fails on any error or warning.
dry_run() { kube apply --dry-run=server --validate=strict --warnings-as-errors -f - ; }
for overlay in development production canary; do
  out=$(kubectl kustomize "../../deploy/kubernetes/overlays/$overlay" | dry_run)
  echo "$overlay: $(wc -l <<<"$out") objects taken"
done

# The same check must refuse what is wrong, or it proves nothing.
refused() {
  if kubectl kustomize ../../deploy/kubernetes/overlays/production | sed "$2" | dry_run >"$dir/refused.log" 2>&1; then
    echo "$1 was taken" >&2
    exit 1
  fi
  echo "$1: refused"
}
refused "a misspelled field" 's/readinessProbe:/readynessProbe:/'
refused "privilege escalation" 's/allowPrivilegeEscalation: false/allowPrivilegeEscalation: true/'
refused "a selector that misses its pods" 's/app.kubernetes.io\/component: gateway$/&x/;n'
refused "a quantity without sense" 's/memory: 256Mi/memory: 256MiB/'
