# What people and CI call. `make help` lists it.

GO      ?= go
MODULES := core server containers
BUILT   := $(MODULES:%=modules/built/%.wasm)
export CGO_ENABLED := 0

.PHONY: help build modules demo test check bench fuzz clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

build: modules ## build bin/cofferdam, with the built-in modules inside
	$(GO) build -trimpath -ldflags='-s -w' -o bin/cofferdam ./cmd/cofferdam

modules: modules/built/SHA256SUMS ## compile the built-in modules to WebAssembly

demo: build ## the whole bot in the browser: no token, no account, no config
	./bin/cofferdam demo

# A module's file follows its own sources, the SDK's and the builder's.
SDK := $(wildcard guest/abi/*.go guest/sdk/*.go cmd/cofferdam/module.go) go.mod
modules/built/%.wasm: modules/%/*.go modules/%/wasm/*.go modules/%/manifest.yaml $(SDK)
	$(GO) run ./cmd/cofferdam module build modules/$* --out $@

modules/built/SHA256SUMS: $(BUILT)
	cd modules/built && sha256sum *.wasm > SHA256SUMS
