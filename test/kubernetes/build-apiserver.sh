#!/usr/bin/env bash
# Builds kube-apiserver from its Go module, once for each version, and prints
# the path of the program. 4 to 8 minutes the first time; the program and the
# module that builds it stay in a cache outside the repository.
set -euo pipefail
version=${KUBERNETES_VERSION:-v1.36.3}
cache=${LLM_GATEWAY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/llm-gateway}/kubernetes-$version
program=$cache/kube-apiserver
if [ ! -x "$program" ]; then
  mkdir -p "$cache/module"
  cd "$cache/module"
  printf 'module apiserver\n\ngo 1.26.0\n' >go.mod
  source=$(go mod download -json "k8s.io/kubernetes@$version" | sed -n 's/^\t"Dir": "\(.*\)",/\1/p')
  # The staging modules have no version inside the repository: each is
  # released beside it as v0.x.
  staging=v0.${version#v1.}
  {
    printf 'module apiserver\n\ngo 1.26.0\n\ngodebug default=go1.26\n\nrequire k8s.io/kubernetes %s\n\nreplace (\n' "$version"
    sed -n "s|^\t\(k8s.io/[a-z-]*\) v0.0.0\$|\t\1 => \1 $staging|p" "$source/go.mod" | sort -u
    printf ')\n'
  } >go.mod
  echo "building kube-apiserver $version; this takes some minutes" >&2
  CGO_ENABLED=0 go build -mod=mod -trimpath -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$version" \
    -o "$program.new" k8s.io/kubernetes/cmd/kube-apiserver >&2
  mv "$program.new" "$program"
fi
echo "$program"
