# Targets for people and for CI; "make help" lists them.

GO            ?= go
GOLANGCI_LINT := v2.15.0
STATICCHECK   := v0.8.2
NFPM          := v2.45.2
FUZZTIME      ?= 10s
# Random cases of make soak, and runs of make flake.
CASES         ?= 1000000
RUNS          ?= 20
# Build tags of make flake.
TAGS          ?=
VERSION       ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

# Tools of a fixed version stay inside the tree.
TOOLS := $(CURDIR)/.tools/bin

# Given a package, only that one is tested or linted: make test PKG=./internal/plan/...
PKG ?= ./...

.DEFAULT_GOAL := help
.PHONY: bastion package nfpm help build test test-deps e2e lint tools bench figures fuzz soak mutants flake demo clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build bin/reconciler
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-X main.version=$(VERSION)" -o bin/reconciler ./cmd/reconciler

test: test-deps ## run all tests with the race detector; installs what they need
	$(GO) test -race -shuffle=on -timeout 30m $(PKG)

test-deps: ## install the programs that tests drive; says what is left out
	sh scripts/deps.sh

# The other packages below test/ need no tag, and "make test" runs them. Each
# package has namespaces of its own, and the bastion mostly waits: two at a time.
e2e: test-deps ## run the end-to-end tests of the built program (as root, a quarter of an hour)
	$(GO) test -race -shuffle=on -count=1 -p 2 -timeout 40m -tags e2e \
		$$(grep -rl '^//go:build e2e$$' test --include='*_test.go' | xargs -n 1 dirname | sort -u | sed 's|^|./|')

bastion: test-deps ## boot the whole bastion of make e2e alone, and tell each check
	CI=true $(GO) test -race -count=1 -timeout 40m -tags e2e -v ./test/bastion

lint: ## check format, vet, golangci-lint and staticcheck
	GO="$(GO)" GOLANGCI_LINT=$(GOLANGCI_LINT) STATICCHECK=$(STATICCHECK) TOOLS="$(TOOLS)" sh scripts/lint.sh $(PKG)

bench: ## run the benchmarks once, without tests
	$(GO) test -run '^$$' -bench . -benchmem $(PKG)

figures: build ## measure what the documentation claims (as root, in a private network namespace)
	$(GO) build -o bin/figures ./scripts/figures
	unshare -n sh -c 'ip link set lo up && bin/figures bin/reconciler'

fuzz: ## run every fuzz target for FUZZTIME
	GO="$(GO)" FUZZTIME=$(FUZZTIME) sh scripts/fuzz.sh

soak: ## try CASES random cases, then live SOAK_DAYS simulated busy days
	GO="$(GO)" CASES=$(CASES) sh scripts/soak.sh

mutants: ## break the code on purpose in many ways; every break must be caught
	$(GO) run ./test/mutants

flake: test-deps ## run all tests RUNS times, shuffled anew, with the race detector; TAGS=e2e: those too
	@for run in $$(seq $(RUNS)); do \
		echo "flake: run $$run of $(RUNS)"; \
		$(GO) test -race -shuffle=on -count=1 -timeout 40m $(if $(TAGS),-p 2 -tags $(TAGS)) $(PKG) || exit 1; \
	done
	@echo "flake: $(RUNS) runs, none failed"

demo: ## show bans, a plan and enforcement in a private namespace
	sh scripts/demo.sh

package: $(TOOLS)/nfpm-$(NFPM) ## build .deb and .rpm for amd64 and arm64 into dist/
	GO="$(GO)" NFPM="$<" sh deploy/packaging/build.sh

nfpm: $(TOOLS)/nfpm-$(NFPM)
	@echo $<

# The version is part of the name, so that a new one replaces the old.
$(TOOLS)/nfpm-$(NFPM):
	mkdir -p $(TOOLS)
	GOBIN=$(TOOLS) GOFLAGS= $(GO) install github.com/goreleaser/nfpm/v2/cmd/nfpm@$(NFPM)
	mv $(TOOLS)/nfpm $@

clean: ## remove what was built, the tools too
	rm -rf bin dist .tools
