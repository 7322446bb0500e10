# What people and CI call. `make help` lists it.

GO      ?= go
MODULES := $(patsubst modules/%/manifest.yaml,%,$(wildcard modules/*/manifest.yaml))
BUILT   := $(MODULES:%=modules/built/%.wasm)
# What operators drop in, if they like.
EXTRA   := $(patsubst modules/extra/%/manifest.yaml,%,$(wildcard modules/extra/*/manifest.yaml))
# A Go module of its own, so that what the engine is measured against stays out
# of go.mod: ./... does not reach it.
PEERS   := runtime/engine/peers
# The same for Traefik's code behind docs/proxies.
TRAEFIK := docs/proxies/traefiktest
PEER_GUESTS := goguest extismguest knqyfguest
export CGO_ENABLED := 0
# Tests keep compiled modules there: compiling takes a minute under the race
# detector.
export COFFERDAM_TEST_CACHE ?= $(CURDIR)/bin/test-cache

.PHONY: help build code modules extra demo test check bench fuzz clean

# A module's file follows its own sources, what modules share, the SDK's and the
# builder's.
SDK := $(wildcard modules/internal/*/*.go guest/abi/*.go guest/sdk/*.go guest/sdk/internal/jsonwire/*.go cmd/cofferdam/module.go) go.mod

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

build: modules ## build bin/cofferdam, with the built-in modules inside
	$(GO) build -trimpath -ldflags='-s -w' -o bin/cofferdam ./cmd/cofferdam

code: build ## compile the built-in modules ahead, into bin/cofferdam.code
	bin/cofferdam module compile

modules: modules/built/SHA256SUMS ## compile the built-in modules to WebAssembly

extra: $(EXTRA:%=bin/modules/%.wasm) ## compile the modules to drop in, into bin/modules

# A module to drop in is in Go or in C; its file follows all of its folder but tests.
define extra
bin/modules/$(1).wasm: $(shell find modules/extra/$(1) -type f ! -name '*_test.go' ! -path '*/testdata/*') $(SDK) guest/c/cofferdam.h cmd/cofferdam/module_c.go
	mkdir -p bin/modules
	$(GO) run ./cmd/cofferdam module build -q modules/extra/$(1) --out $$@
endef
$(foreach name,$(EXTRA),$(eval $(call extra,$(name))))

# Such as DEMO_FLAGS='--listen 127.0.0.1:9000'.
DEMO_FLAGS ?=

demo: build ## the whole bot in the browser: no token, no account, no config
	./bin/cofferdam demo $(DEMO_FLAGS)

modules/built/%.wasm: modules/%/*.go modules/%/wasm/*.go modules/%/manifest.yaml $(SDK)
	$(GO) run ./cmd/cofferdam module build -q modules/$* --out $@

modules/built/SHA256SUMS: $(BUILT)
	cd modules/built && sha256sum *.wasm > SHA256SUMS

# What is the same whether the bot polls or Telegram brings updates: the commands of
# the terminal, the documents, and what modules from elsewhere do.
ONLY_ONCE := 'TestEverythingThatCanBeReached|TestScripts|TestTheDemo|TestThePicture|TestKilledTwoHundredTimes|TestImport|TestEvents|TestPromises|TestReference|TestExamples|TestEveryCommandHasHelp|TestInspect|TestRequestsOfModuleRun|TestARecordingHoldsNoSecret|TestNothingActsUnlessNamed|TestSyncOfDemoModules|TestAModuleRunsByItself|TestAStrangersUptime|TestAStrangersPorts|TestAHostileModuleInAGroup'

# Tests that need Docker or Chromium skip without them, and say why. With
# COFFERDAM_CI=1 they fail instead.
test: build ## all tests, those of the whole bot in both modes
	$(GO) test -timeout 20m ./...
	COFFERDAM_TEST_MODE=webhook $(GO) test -timeout 10m -skip $(ONLY_ONCE) ./cmd/cofferdam
	cd $(PEERS) && $(GO) test -timeout 10m ./...
	cd $(TRAEFIK) && $(GO) test ./...

# What takes minutes because it waits or does much of the same, and runs nothing
# side by side that other tests do not.
NOT_RACED := 'TestEverythingThatCanBeReached|TestThePicture|TestKilledTwoHundredTimes|TestScripts|TestARecordingHoldsNoSecret|TestNothingActsUnlessNamed|TestAStrangersUptime|TestAStrangersPorts'

# A process with the race detector sleeps before it ends: for a second, if not
# told otherwise, which those that tests start by the dozen need not.
GORACE := atexit_sleep_ms=100

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

check: modules ## format, vet, staticcheck, tidy, and all tests under the race detector
	@test -z "$$(gofmt -l cmd docs guest modules runtime security)" || { gofmt -d cmd docs guest modules runtime security; exit 1; }
	$(GO) vet ./...
	GOOS=wasip1 GOARCH=wasm $(GO) vet ./guest/... $(MODULES:%=./modules/%/wasm) $(patsubst %,./%,$(wildcard modules/extra/*/wasm))
	$(GO) run $(STATICCHECK) ./...
	$(GO) mod tidy -diff
	cd $(PEERS) && $(GO) vet ./... ./testdata/process && $(GO) run $(STATICCHECK) ./... ./testdata/process && $(GO) mod tidy -diff
	cd $(TRAEFIK) && $(GO) vet ./... && $(GO) run $(STATICCHECK) ./... && $(GO) mod tidy -diff
	cd $(PEERS) && GOOS=wasip1 GOARCH=wasm $(GO) vet $(PEER_GUESTS:%=./testdata/%)
	@cc=$$($(GO) env CC); command -v "$${cc%% *}" >/dev/null || { \
		echo "The race detector needs cgo, and cgo a C compiler: there is no $$cc. On Debian: apt-get install gcc libc6-dev" >&2; exit 1; }
	CGO_ENABLED=1 GORACE=$(GORACE) $(GO) test -race -timeout 20m -skip $(NOT_RACED) ./...

bench: build ## the figures of docs/PERFORMANCE.md
	$(GO) test -run '^$$' -bench . -benchtime 3s -timeout 60m ./...
	cd $(PEERS) && $(GO) test -run '^$$' -bench . -benchtime 3s -timeout 30m .

# FUZZTIME is spent on each target.
FUZZTIME ?= 10s

fuzz: modules ## every fuzz target for FUZZTIME
	@set -e; packages=$$($(GO) list ./...); \
	for package in $$packages; do \
		listed=$$($(GO) test -list '^Fuzz' $$package) || { echo "$$listed" >&2; exit 1; }; \
		for target in $$(echo "$$listed" | grep '^Fuzz'); do \
			echo "$$package $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$package || exit 1; \
		done; \
	done

clean: ## remove what was built
	rm -rf bin modules/built/*.wasm modules/built/SHA256SUMS
