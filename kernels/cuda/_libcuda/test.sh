#!/usr/bin/env bash
# Tests the stand-in for the driver's library, with a fake driver, one that does not start, and
# none, on this machine's processor and, where gcc and qemu for it are installed, on arm64.
#   kernels/cuda/_libcuda/test.sh
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

try() { # NAME, COMPILER, RUNNER...
	local name=$1 cc=$2 dir="$work/$1" got want
	shift 2
	mkdir -p "$dir/driver"
	$cc -O2 -fPIC -Wall -Wextra -c forward.c -o "$dir/forward.o"
	$cc -O2 -Wall -Wextra -Wno-unused-parameter -shared -fPIC -Wl,-soname,libcuda.so.1 test/fake.c -o "$dir/driver/libcuda.so.1"
	$cc -O2 -Wall -Wextra test/test.c "$dir/forward.o" -o "$dir/test" -ldl
	expect() { # WHAT, WANT, ENVIRONMENT...
		local what=$1 want=$2
		shift 2
		got=$(env "$@" "${runner[@]}" "$dir/test")
		if [[ $got != $want ]]; then
			printf '%s, %s: got\n%s\nwant\n%s\n' "$name" "$what" "$got" "$want" >&2
			exit 1
		fi
	}
	local runner=("$@")
	expect "a driver" $'init 0, version 0 12080, count 0 3\nlaunch 719, sum 321140\nalloc 500, missing cuMemAlloc_v2\nerror: none' "LD_LIBRARY_PATH=$dir/driver"
	expect "a driver that fails" $'init 0, version 0 12080, count 0 0\nlaunch 719, sum 321140\nalloc 500, missing cuMemAlloc_v2\nerror: the CUDA driver does not start: cuInit: error 804: forward compatibility was attempted on non supported HW' "LD_LIBRARY_PATH=$dir/driver" FAKE_CUDA_FAILS=1
	expect "no driver" $'init 0, version 0 0, count 0 0\nlaunch 100, sum 0\nalloc 100, missing nothing\nerror: no CUDA driver: libcuda.so.1: *' "LD_LIBRARY_PATH=$dir"
	echo "the stand-in for libcuda: passed on $name"
}

try "$(uname -m)" "${CC:-cc}" env
if [ "$(uname -m)" != aarch64 ] && command -v aarch64-linux-gnu-gcc >/dev/null && command -v qemu-aarch64 >/dev/null; then
	try aarch64 aarch64-linux-gnu-gcc qemu-aarch64 -L /usr/aarch64-linux-gnu
else
	echo "the stand-in for libcuda: not tried on aarch64: there is no aarch64-linux-gnu-gcc or qemu-aarch64"
fi
