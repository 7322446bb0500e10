#!/bin/sh
# Makes the code of protowasm and protogrpc anew. Needs protoc (Debian's
# protobuf-compiler) and the network.
set -eu
cd "$(dirname "$0")"
bin=$(mktemp -d)
trap 'rm -r "$bin"' EXIT
GOBIN=$bin go install github.com/knqyf263/go-plugin/cmd/protoc-gen-go-plugin@v0.9.0
GOBIN=$bin go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12
GOBIN=$bin go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2
export PATH="$bin:$PATH"
protoc --go-plugin_out=. --go-plugin_opt=paths=source_relative protowasm/module.proto
protoc --go_out=. --go_opt=paths=source_relative \
	--go-grpc_out=. --go-grpc_opt=paths=source_relative protogrpc/module.proto
gofmt -w protowasm protogrpc
