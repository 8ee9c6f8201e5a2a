# One line a target: `make help` reads the comments behind the double hash.
SHELL := /bin/bash
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT ?= $(shell git rev-parse --short HEAD 2>/dev/null || echo none)
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)
# The PostgreSQL driver works in the background: it is built for size.
GOBUILD := CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)'
TOOL := go tool -modfile=tools/go.mod
FUZZTIME ?= 60s

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/llm-gateway, static and stripped
	@mkdir -p bin
	$(GOBUILD) -o bin/llm-gateway ./cmd/llm-gateway

.PHONY: run
run: build ## build and start the gateway; with no key the built-in mock answers
	@./bin/llm-gateway serve

.PHONY: test
test: ## unit, integration and race tests; says what it skips and why
	@.ci/gotest -race ./...

.PHONY: race
race: test ## the same: tests always run with the race detector

.PHONY: cover
cover: ## test coverage by package
	go test -cover ./...

.PHONY: fmt
fmt: ## format the code
	gofmt -w $$(git ls-files '*.go')

.PHONY: lint
lint: lint-format lint-vet lint-static lint-shell lint-yaml lint-openapi ## format check, vet, staticcheck, shell scripts, YAML, OpenAPI

.PHONY: lint-format
lint-format:
	@out=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$out" ]; then echo "gofmt would change:"; echo "$$out"; exit 1; fi

.PHONY: lint-vet
lint-vet:
	go vet ./...

.PHONY: lint-static
lint-static:
	$(TOOL) staticcheck ./...

.PHONY: lint-shell
lint-shell:
	@if command -v shellcheck >/dev/null; then shellcheck $$(git ls-files '*.sh' .ci); else echo "skipped: shellcheck is not installed"; fi

.PHONY: lint-yaml
lint-yaml:
	@if command -v yamllint >/dev/null; then yamllint -s -d '{extends: relaxed, rules: {line-length: disable}}' $$(git ls-files '*.yml' '*.yaml'); else echo "skipped: yamllint is not installed; the tests still refuse malformed YAML and keys that come twice"; fi

.PHONY: lint-openapi
lint-openapi: ## the description of the API, by the validator of kin-openapi
	$(TOOL) validate internal/server/openapi.yaml

GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

.PHONY: lint-security
lint-security: ## gosec, bodyclose, noctx, errorlint, sloglint; builds the linter on first use, in minutes
	@test -x .bin/golangci-lint || GOBIN=$(CURDIR)/.bin CGO_ENABLED=0 go install $(GOLANGCI)
	.bin/golangci-lint run --timeout 10m ./...

.PHONY: lint-can-fail
lint-can-fail: ## gives every check a sample that it must refuse
	@.ci/lint-can-fail

.PHONY: modules
modules: ## the module files are tidy, and the modules are what their checksums say
	go mod tidy -diff
	go mod verify

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (60s) each
	@$(MAKE) -s fuzz-list | while read -r p f; do \
	  echo "== $$p $$f"; go test $$p -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) </dev/null || exit 1; done

.PHONY: fuzz-list
fuzz-list: ## the fuzz targets, one a line: package and name
	@grep -r -o --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . | sed -E 's|/[^/]*:func | |' | sort

.PHONY: bench
bench: ## run every micro-benchmark
	go test -run '^$$' -bench . -benchmem ./...

.PHONY: bench-once
bench-once: ## run every micro-benchmark once, so that none rots
	@go test -run '^$$' -bench . -benchtime 1x ./... | grep -E '^(Benchmark|FAIL|panic|---)' | awk '/^Benchmark/{n++; next} {print} END{print n " benchmarks ran"}'

.PHONY: check
check: lint modules lint-security lint-workflows lint-can-fail lint-manifests test bench-once ## what CI runs before the end-to-end tests; fuzz seeds, secrets, licences and documents are among the tests

.PHONY: e2e
e2e: build ## end-to-end: the running binary, real SDKs, real Prometheus; installs what it needs
	test/e2e/setup.sh
	cd test/model && ../../.ci/gotest -count=1 ./...
	RECONCILE_CALLS=20000 .ci/gotest -count=1 -timeout 15m -run TestReconciliation ./internal/app
	cd test/e2e && ../../.ci/gotest -count=1 -timeout 15m ./...

.PHONY: chaos
chaos: ## a hundred thousand calls against upstreams that fail at random, in every way there is
	CHAOS_CALLS=100000 .ci/gotest -count=1 -timeout 30m -run '^TestChaos$$' -v ./internal/app

.PHONY: docker
docker: ## build the container image
	docker build -t llm-gateway:$(VERSION) --build-arg VERSION=$(VERSION) --build-arg COMMIT=$(COMMIT) .

.PHONY: clean
clean: ## remove what was built
	rm -rf bin

.PHONY: bench-compare
bench-compare: build ## CPU per request beside a bare reverse proxy, interleaved
	@go build -o bin/bench ./bench
	@./bin/bench compare -gateway bin/llm-gateway

CASE ?= unary-200B-c16

.PHONY: bench-profile
bench-profile: build ## CPU profiles of gateway and proxy under CASE, divided into buckets
	@go build -o bin/bench ./bench
	@./bin/bench profile -gateway bin/llm-gateway -case $(CASE)

.PHONY: bench-diff
bench-diff: ## micro-benchmarks of the hot pieces at BASE and here, compared by benchstat; COUNT, BENCHTIME, ONLY
	@bench/diff.sh

.PHONY: e2e-model
e2e-model: build ## a real model server (Ollama, built once and cached) behind the gateway; minutes the first time
	cd test/model && BUILD_OLLAMA=1 ../../.ci/gotest -count=1 -timeout 40m ./...

.PHONY: cross
cross: ## build for linux amd64 and arm64, so that neither breaks unseen
	@for arch in amd64 arm64; do echo "linux/$$arch"; GOOS=linux GOARCH=$$arch CGO_ENABLED=0 go build -trimpath -o /dev/null ./cmd/llm-gateway || exit 1; done

.PHONY: docs
docs: ## write the generated documents and manifests anew; make check compares them
	go test ./internal/telemetry -run TestDocs -update
	go test ./config -run TestDocs -update
	go test ./deploy -run TestPrometheusRule -update
	go test ./internal/archtest -run TestLicences -update

.PHONY: lint-deploy
lint-deploy: ## what is shipped to run the gateway: rules, dashboard, manifests, compose
	@.ci/gotest -count=1 ./deploy

.PHONY: lint-manifests
lint-manifests: ## strict decode of every Kubernetes manifest into the types of its API
	@cd test/manifests && ../../.ci/gotest -count=1 ./...

.PHONY: lint-workflows
lint-workflows: ## actionlint over the GitHub workflows, all actions pinned by digest; builds it on first use
	@test -x .bin/actionlint || GOBIN=$(CURDIR)/.bin CGO_ENABLED=0 go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
	.bin/actionlint .github/workflows/*.yml
	@if grep -nE '^[^#]*uses:' .github/workflows/*.yml | grep -vE 'uses: +(\./|[^ ]+@[0-9a-f]{40} +# v[0-9])'; then echo "these actions are not pinned by digest"; exit 1; fi

.PHONY: e2e-kubernetes
e2e-kubernetes: ## the manifests against a real API server; builds it once, in minutes
	test/kubernetes/run.sh

.PHONY: e2e-image
e2e-image: ## build the image for amd64 and arm64, compare the builds, run it confined; installs podman and buildah
	test/e2e/setup.sh image
	cd test/e2e && GATEWAY_IMAGE_ALL=1 ../../.ci/gotest -count=1 -timeout 25m -run '^TestImage' ./...

.PHONY: screenshots
screenshots: build ## pictures of the operators' page, into test/e2e/shots
	test/e2e/setup.sh
	cd test/e2e && SHOTS=$(CURDIR)/test/e2e/shots go test -count=1 -timeout 5m -run '^TestOperatorsPage$$' .
