#!/usr/bin/env bash
# Regenerates all generated code: the Go files of proto/, the assembly of kernels/cpu, the list
# of the CUDA driver's functions, and the PTX of kernels/cuda (of the .cu files that changed).
# CI runs it and demands a clean tree. Needs Go, python3 with pip, the module proxy and PyPI.
set -euo pipefail
cd "$(git rev-parse --show-toplevel)"
. scripts/tools.sh
. scripts/cuda-wheels.sh
tool github.com/bufbuild/buf/cmd/buf v1.75.0
tool google.golang.org/protobuf/cmd/protoc-gen-go v1.36.12
tool google.golang.org/grpc/cmd/protoc-gen-go-grpc v1.6.2

(cd proto && buf lint && buf generate)
(cd kernels/cpu/_gen && go run . -out ../micro_amd64.s -stubs ../micro_amd64.go -pkg cpu)

headers=()
for version in 12.1 12.9 13.5; do headers+=("$(cuda_headers $version)/cuda.h"); done
go run kernels/cuda/_libcuda/main.go -out kernels/cuda/_libcuda/symbols.h "${headers[@]}"
scripts/gen-ptx
