# Sourced by the scripts that need parts of the CUDA toolkit: downloads them from PyPI, of
# pinned version and SHA-256, unpacks them into the user's cache and prints where.
#
#   . scripts/cuda-wheels.sh; dir=$(cuda_wheel headers-12.1) && ls "$dir/nvidia/cuda_runtime/include/cuda.h"
#
# The wheels are those for x86-64; the headers are the same for every machine.

cuda_cache="${XDG_CACHE_HOME:-$HOME/.cache}/cleave"

cuda_wheel() { # part
	local name sum dir new why
	case "$1" in
	headers-12.1) name=nvidia-cuda-runtime-cu12==12.1.105 sum=6e258468ddf5796e25f1dc591a31029fa317d97a0a94ed93468fc86301d61e40 ;;
	headers-12.9) name=nvidia-cuda-runtime-cu12==12.9.79 sum=25bba2dfb01d48a9b59ca474a1ac43c6ebf7011f1b0b8cc44f54eb6ac48a96c3 ;;
	headers-13.5) name=nvidia-cuda-runtime==13.5.37 sum=df2b79a8852f10d1fef8c848489c49eebb5754051bf870202a862831412b179d ;;
	nvrtc-12.1) name=nvidia-cuda-nvrtc-cu12==12.1.105 sum=339b385f50c309763ca65456ec75e17bbefcbbf2893f462cb8b90584cd27a1c2 ;;
	ptxas-12.9) name=nvidia-cuda-nvcc-cu12==12.9.86 sum=5d6a0d32fdc7ea39917c20065614ae93add6f577d840233237ff08e9a38f58f0 ;;
	*) echo "cuda_wheel: there is no part $1" >&2 && return 1 ;;
	esac
	dir="$cuda_cache/wheels/$name"
	if [ ! -d "$dir" ]; then
		if ! python3 -m pip --version >/dev/null 2>&1; then
			echo "$name is to be installed from PyPI: that needs python3 with pip, which is missing" >&2
			return 1
		fi
		mkdir -p "$cuda_cache/wheels"
		new=$(mktemp -d "$cuda_cache/wheels/new.XXXXXX")
		echo "$name --hash=sha256:$sum" >"$new/wanted"
		if ! why=$(python3 -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary=:all: \
			--platform manylinux1_x86_64 --platform manylinux2010_x86_64 --platform manylinux2014_x86_64 -r "$new/wanted" -d "$new" 2>&1) ||
			! why=$(cd "$new" && python3 -m zipfile -e ./*.whl . 2>&1); then
			rm -rf "$new"
			echo "$name cannot be installed from PyPI: $(printf %s "$why" | tail -n 1)" >&2
			return 1
		fi
		rm -f "$new/wanted" "$new"/*.whl
		mv -T "$new" "$dir" 2>/dev/null || rm -rf "$new" # another process was first
	fi
	echo "$dir"
}

cuda_headers() { # 12.1, 12.9 or 13.5: prints the folder of cuda.h
	local dir
	dir=$(cuda_wheel "headers-$1") || return 1
	case "$1" in
	12.*) echo "$dir/nvidia/cuda_runtime/include" ;;
	*) echo "$dir/nvidia/cu13/include" ;;
	esac
}
