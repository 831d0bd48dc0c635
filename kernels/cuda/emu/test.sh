#!/usr/bin/env bash
# Tests the emulated driver itself, with the kernels of emu/test:
#   kernels/cuda/emu/test.sh [--asan] [OUTDIR]
# builds in OUTDIR (else a temporary folder) and runs. Needs g++ (C++17) and awk.
set -euo pipefail
emu=$(cd "$(dirname "$0")" && pwd)
options=()
if [ "${1:-}" = --asan ]; then
	options=(--asan)
	shift
	export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1
fi
if [ $# -gt 0 ]; then
	out=$1
else
	out=$(mktemp -d)
	trap 'rm -rf "$out"' EXIT
fi
"$emu/build.sh" "${options[@]}" --kernels "$emu/test" "$out"
hash() { "$emu/../../../scripts/ptx-source-hash" "$emu/test/$1"; }
flags=(-std=c++17 -O1 -g -Wall -Wextra -DFRAGMENTS_SHA="\"$(hash fragments.cu)\"" -DFAULTS_SHA="\"$(hash faults.cu)\"")
[ ${#options[@]} -eq 0 ] || flags+=(-fsanitize=address)
"${CXX:-g++}" "${flags[@]}" "$emu"/test/*.cc -o "$out/test" -L"$out" -l:libcuda.so.1 -Wl,-rpath,"$(cd "$out" && pwd)" -pthread
"$out/test"
