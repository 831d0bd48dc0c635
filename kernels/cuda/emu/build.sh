#!/usr/bin/env bash
# Builds the emulated driver with all kernels:
#   kernels/cuda/emu/build.sh [--asan] [--kernels DIR] OUTDIR [CXXFLAGS...]
# writes OUTDIR/libcuda.so.1. Needs g++ (C++17) and awk. What has not changed since the last
# build in OUTDIR is not compiled again.
#   --asan         with AddressSanitizer, and checks of alignment (slower)
#   --kernels DIR  the .cu files there, instead of those of kernels/cuda
set -euo pipefail
emu=$(cd "$(dirname "$0")" && pwd)
cuda=$(dirname "$emu")
kernels=$cuda
asan=
while [ $# -gt 0 ]; do
	case $1 in
	--asan) asan=1 ;;
	--kernels) kernels=$(cd "$2" && pwd) && shift ;;
	-*) echo "build.sh: unknown option $1" >&2 && exit 2 ;;
	*) break ;;
	esac
	shift
done
[ $# -gt 0 ] || { echo "usage: build.sh [--asan] [--kernels DIR] OUTDIR [CXXFLAGS...]" >&2 && exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
shift
CXX=${CXX:-g++}

flags=(-std=c++17 -O2 -g1 -fPIC -fvisibility=hidden -pthread -Wall -Wextra -DCUEMU -I"$cuda")
# Sums and products are rounded apart unless a kernel says fmaf; CUDA programs look at
# floats through pointers to vectors.
device=(-ffp-contract=off -fno-strict-aliasing -fno-math-errno -fno-trapping-math -Wno-unused -Wno-unknown-pragmas -Wno-missing-field-initializers)
if grep -qsw fma /proc/cpuinfo && grep -qsw avx2 /proc/cpuinfo; then
	device+=(-mavx2 -mfma)
fi
[ -z "$asan" ] || flags+=(-O1 -fsanitize=address -fno-omit-frame-pointer)
flags+=("$@")

# A file is compiled when what the compiler would read differs from the last time.
if [ "$("$CXX" --version) ${flags[*]} ${device[*]}" != "$(cat "$out/flags" 2>/dev/null)" ]; then
	rm -f "$out"/*.cpp "$out"/*.o
	echo "$("$CXX" --version) ${flags[*]} ${device[*]}" >"$out/flags"
fi
objects=() todo=()
add() { # NAME, from $out/NAME.new
	objects+=("$out/$1.o")
	if [ -f "$out/$1.o" ] && cmp -s "$out/$1.new" "$out/$1.cpp"; then
		rm "$out/$1.new"
		return
	fi
	rm -f "$out/$1.o"
	mv "$out/$1.new" "$out/$1.cpp"
	todo+=("$1")
}
for f in "$emu"/*.cc; do
	name=emu.$(basename "$f" .cc)
	"$CXX" "${flags[@]}" -E "$f" -o "$out/$name.new"
	add "$name"
done
for f in "$kernels"/*.cu; do
	[ -e "$f" ] || continue
	name=cu.$(basename "$f" .cu)
	sha=$("$cuda/../../scripts/ptx-source-hash" "$f")
	"$CXX" "${flags[@]}" "${device[@]}" -x c++ -E "$f" -o "$out/$name.ii"
	awk -v name="$(basename "$f")" -v sha="$sha" -f "$emu/rewrite.awk" "$out/$name.ii" >"$out/$name.new"
	rm "$out/$name.ii"
	add "$name"
done
compile() {
	local name=$1 extra=()
	shift
	case $name in cu.*) extra=("${device[@]}") ;; esac
	"$CXX" "${flags[@]}" "${extra[@]}" -fpreprocessed -x c++ -c "$out/$name.cpp" -o "$out/$name.o"
}
# Two at a time.
for ((i = 0; i < ${#todo[@]}; i += 2)); do
	pids=()
	for name in "${todo[@]:i:2}"; do
		compile "$name" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do wait "$pid"; done
done
if [ ${#todo[@]} -gt 0 ] || [ ! -f "$out/libcuda.so.1" ]; then
	"$CXX" "${flags[@]}" -shared -Wl,-soname,libcuda.so.1 -Wl,-z,defs "${objects[@]}" -o "$out/libcuda.so.1"
fi
