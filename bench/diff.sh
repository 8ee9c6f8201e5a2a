#!/usr/bin/env bash
# Runs the micro-benchmarks of bench/micro.txt at BASE (main, or HEAD~1 when
# HEAD is main) and in the working tree, in alternation, and compares them with
# benchstat. BASE, COUNT, BENCHTIME and ONLY (part of a package's path) are
# variables of the environment. Results stay in bench/out.
set -euo pipefail
cd "$(dirname "$0")/.."
BENCHSTAT=golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da
COUNT=${COUNT:-6}
BENCHTIME=${BENCHTIME:-200ms}
if [ -z "${BASE:-}" ]; then
  BASE=main
  git rev-parse --verify -q "$BASE^{commit}" >/dev/null && [ "$(git rev-parse HEAD)" != "$(git rev-parse "$BASE")" ] || BASE=HEAD~1
fi
commit=$(git rev-parse --verify "$BASE^{commit}")
out=$PWD/bench/out
tmp=$(mktemp -d)
cleanup() {
  git worktree remove --force "$tmp/base" 2>/dev/null || true
  rm -rf "$tmp"
}
trap cleanup EXIT
mkdir -p "$out"
git worktree add --quiet --detach "$tmp/base" "$commit"
: >"$out/base.txt"
: >"$out/new.txt"

# build makes one test binary of a package, or none where it has no tests.
build() { # tree, package, file
  (cd "$1" && [ -d "$2" ] && go test -c -o "$3" "./$2" 2>&1) | grep -v 'no test files' >&2 || true
}

run() { # tree, package, binary, pattern, results
  [ -x "$3" ] || return 0
  (cd "$1/$2" && echo "pkg: $2" && "$3" -test.run '^$' -test.bench "$4" -test.benchmem -test.benchtime "$BENCHTIME" -test.timeout 10m) | grep -E '^(pkg:|goos:|goarch:|cpu:|Benchmark)' >>"$5" || true
}

while read -r pkg pattern _; do
  case $pkg in '' | '#'*) continue ;; esac
  case $pkg in *"${ONLY:-}"*) ;; *) continue ;; esac
  name=${pkg//\//_}
  [ -x "$tmp/$name.new" ] || build "$PWD" "$pkg" "$tmp/$name.new"
  [ -x "$tmp/$name.base" ] || build "$tmp/base" "$pkg" "$tmp/$name.base"
  [ -x "$tmp/$name.new" ] || { echo "$pkg does not build" >&2; exit 1; }
  echo "$pkg $pattern" >&2
  for ((i = 0; i < COUNT; i++)); do # in alternation: a machine that slows down slows both
    run "$tmp/base" "$pkg" "$tmp/$name.base" "$pattern" "$out/base.txt"
    run "$PWD" "$pkg" "$tmp/$name.new" "$pattern" "$out/new.txt"
  done
done <bench/micro.txt

grep -q '^Benchmark' "$out/new.txt" || { echo "no benchmark ran" >&2; exit 1; }
go run "$BENCHSTAT" "base=$out/base.txt" "new=$out/new.txt" | tee "$out/diff.txt"
