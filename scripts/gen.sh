#!/usr/bin/env bash
# Regenerates all generated code: the Go files of proto/ and the assembly of kernels/cpu.
# CI runs it and demands a clean tree. Needs Go and the module proxy alone.
set -euo pipefail
cd "$(git rev-parse --show-toplevel)"
. scripts/tools.sh
tool github.com/bufbuild/buf/cmd/buf v1.75.0
tool google.golang.org/protobuf/cmd/protoc-gen-go v1.36.12
tool google.golang.org/grpc/cmd/protoc-gen-go-grpc v1.6.2

(cd proto && buf lint && buf generate)
(cd kernels/cpu/_gen && go run . -out ../micro_amd64.s -stubs ../micro_amd64.go -pkg cpu)
