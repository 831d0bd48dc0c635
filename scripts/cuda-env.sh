# Sourced to compile with -tags gpu: finds the CUDA headers, builds the stand-in for the
# driver's library (kernels/cuda/_libcuda) into the user's cache, and exports what cgo needs.
# Neither a GPU nor a driver is needed to compile.
#
#   . scripts/cuda-env.sh && go test -tags gpu ./kernels/cuda
#
# CLEAVE_CUDA_HEADERS   the folder of cuda.h, of CUDA 12 or 13. Else it is looked for where
#                       toolkits are installed; where there is none, that of CUDA 12.1 is
#                       installed from PyPI into the user's cache.
# CC                    the C compiler (go env CC).

cuda_env_root="$(cd "$(dirname "${BASH_SOURCE[0]:-$0}")/.." && pwd)"
. "$cuda_env_root/scripts/cuda-wheels.sh"

cuda_env_find_headers() { # prints the folder of cuda.h
	local root dir
	if [ -n "${CLEAVE_CUDA_HEADERS:-}" ]; then
		if ! grep -qsE '^#define CUDA_VERSION 1[23]' "$CLEAVE_CUDA_HEADERS/cuda.h"; then
			echo "CLEAVE_CUDA_HEADERS: there is no cuda.h of CUDA 12 or 13 in $CLEAVE_CUDA_HEADERS" >&2
			return 1
		fi
		echo "$CLEAVE_CUDA_HEADERS"
		return
	fi
	for root in "${CUDA_HOME:-}" "${CUDA_PATH:-}" /usr/local/cuda $(ls -d /usr/local/cuda-1[23]* 2>/dev/null | sort -rV) /opt/cuda /usr/lib/cuda /usr; do
		for dir in include targets/x86_64-linux/include targets/sbsa-linux/include; do
			if [ -n "$root" ] && grep -qsE '^#define CUDA_VERSION 1[23]' "$root/$dir/cuda.h"; then
				echo "$root/$dir"
				return
			fi
		done
	done
	cuda_headers 12.1
}

cuda_env_build_stub() { # prints the folder of libcuda.a
	local cc ar src key dir new
	if ! command -v go >/dev/null; then
		echo "go is not on PATH: install Go, see https://go.dev/doc/install" >&2
		return 1
	fi
	cc=$(cd "$cuda_env_root" && go env CC)
	ar="${AR:-ar}"
	for tool in "${cc%% *}" "$ar"; do
		if ! command -v "$tool" >/dev/null; then
			echo "$tool is not on PATH: install a C compiler (Debian: apt-get install gcc), or name one in CC" >&2
			return 1
		fi
	done
	src="$cuda_env_root/kernels/cuda/_libcuda"
	key=$({ echo "$cc" && $cc -dumpmachine && cat "$src/forward.c" "$src/symbols.h" "$src/include/cleave_cuda.h"; } | cksum | tr ' ' -)
	dir="$cuda_cache/libcuda/$key"
	if [ ! -f "$dir/libcuda.a" ]; then
		mkdir -p "$cuda_cache/libcuda"
		new=$(mktemp -d "$cuda_cache/libcuda/new.XXXXXX")
		if ! $cc -O2 -fPIC -Wall -c "$src/forward.c" -o "$new/forward.o" || ! "$ar" rcs "$new/libcuda.a" "$new/forward.o"; then
			rm -rf "$new"
			echo "$cc does not compile $src/forward.c" >&2
			return 1
		fi
		mv -T "$new" "$dir" 2>/dev/null || rm -rf "$new" # another process was first
	fi
	echo "$dir"
}

# Our -L comes first: the libcuda.a in it is taken before any libcuda.so.
cuda_env() {
	local headers stub
	headers=$(cuda_env_find_headers) && stub=$(cuda_env_build_stub) || return 1
	export CGO_ENABLED=1
	export CGO_CFLAGS="-O2 -g '-I$cuda_env_root/kernels/cuda/_libcuda/include' '-I$headers'"
	export CGO_LDFLAGS="'-L$stub' -Wl,--push-state,--no-as-needed,-ldl,--pop-state"
}
cuda_env
