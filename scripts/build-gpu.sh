#!/usr/bin/env bash
# Builds the coordinator and the worker for GPUs (build tag gpu).
#
#   scripts/build-gpu.sh [-o DIR] [--headers DIR]
#
#   -o DIR         where to put the binaries (default bin)
#   --headers DIR  the folder of cuda.h, of CUDA 12 or 13 (default: where toolkits are installed;
#                  else that of CUDA 12.1 is fetched from PyPI into the user's cache)
#
# Needs Go and a C compiler; no GPU, no driver and no CUDA toolkit. The binaries also run where
# there is no driver.
set -euo pipefail
out=bin
while [ $# -gt 0 ]; do
	case $1 in
	-o | --headers)
		[ $# -gt 1 ] || { echo "build-gpu.sh: $1 needs a folder" >&2; exit 2; }
		if [ "$1" = -o ]; then out=$2; else export CLEAVE_CUDA_HEADERS=$2; fi
		shift 2
		;;
	-h | --help)
		sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"
		exit
		;;
	*)
		echo "build-gpu.sh: unknown argument $1 (see --help)" >&2
		exit 2
		;;
	esac
done
mkdir -p "$out"
out=$(cd "$out" && pwd)
if [ -n "${CLEAVE_CUDA_HEADERS:-}" ]; then
	[ -d "$CLEAVE_CUDA_HEADERS" ] || { echo "build-gpu.sh: there is no folder $CLEAVE_CUDA_HEADERS" >&2; exit 1; }
	CLEAVE_CUDA_HEADERS=$(cd "$CLEAVE_CUDA_HEADERS" && pwd)
fi
cd "$(dirname "$0")/.."
. scripts/cuda-env.sh
go build -tags gpu -o "$out/" ./coordinator ./worker
echo "built $out/coordinator and $out/worker; worker devices lists the GPUs of a machine"
