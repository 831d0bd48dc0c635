# Sourced by the other scripts: installs the pinned Go tools that they name into .tools/bin
# through the module proxy, and puts that folder first on PATH.
#
#   . scripts/tools.sh; tool github.com/bufbuild/buf/cmd/buf v1.75.0

tools_bin="$(git rev-parse --show-toplevel)/.tools/bin"
mkdir -p "$tools_bin"
export PATH="$tools_bin:$PATH"

tool() { # module path of the command, version
	local name stamp
	name="$(basename "$1")"
	stamp="$tools_bin/.$name@$2"
	if [ ! -e "$stamp" ]; then
		GOBIN="$tools_bin" GOFLAGS= go install "$1@$2"
		touch "$stamp"
	fi
}
