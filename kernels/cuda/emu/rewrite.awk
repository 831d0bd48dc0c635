# Turns preprocessed CUDA C++ into C++ for the emulator, line by line:
#   __global__                      goes; extern "C" kernels are registered at the end
#   __launch_bounds__(...)          goes; the first number becomes the kernel's limit
#   __shared__ float a[2][N], b;    become references into the block's shared memory
#   #pragma unroll                  becomes GCC's
# usage: awk -v name=conv.cu -v sha=HEX -f rewrite.awk conv.ii
# (POSIX awk.) What it cannot read ends it with one line that names the place.

function refuse(text) {
	print file ":" line ": " text > "/dev/stderr"
	failed = 1
	exit 1
}

# closing returns where the bracket closes that s opens with, or 0.
function closing(s,    i, depth, c) {
	for (i = 1; i <= length(s); i++) {
		c = substr(s, i, 1)
		if (c ~ /[(\[{]/) depth++
		else if (c ~ /[)\]}]/ && --depth == 0) return i
	}
	return 0
}

# declared turns the declarators of a __shared__ statement, without the semicolon, into
# references.
function declared(s,    n, i, c, depth, part, parts, type, var, dims, out) {
	n = 0; part = ""
	for (i = 1; i <= length(s); i++) {
		c = substr(s, i, 1)
		if (c ~ /[(\[{<]/) depth++
		if (c ~ /[)\]}>]/) depth--
		if (c == "," && depth == 0) { parts[++n] = part; part = "" } else part = part c
	}
	parts[++n] = part
	for (i = 1; i <= n; i++) {
		part = parts[i]; dims = ""
		gsub(/[ \t]+$/, "", part)
		while (part ~ /\]$/) {
			c = length(part)
			for (depth = 0; c > 0; c--) {
				if (substr(part, c, 1) == "]") depth++
				if (substr(part, c, 1) == "[" && --depth == 0) break
			}
			dims = substr(part, c) dims
			part = substr(part, 1, c - 1)
			gsub(/[ \t]+$/, "", part)
		}
		if (!match(part, /[A-Za-z_][A-Za-z_0-9]*$/) || s ~ /=/) refuse("cannot read: __shared__" s)
		var = substr(part, RSTART)
		if (i == 1) type = substr(part, 1, RSTART - 1)
		else if (substr(part, 1, RSTART - 1) !~ /^[ \t]*$/) refuse("cannot read: __shared__" s)
		if (type ~ /^[ \t]*$/) refuse("cannot read: __shared__" s)
		out = out "typedef " type " " var "_shared_type" dims "; static const char " var "_shared_site = 0; " \
			var "_shared_type& " var " = *(" var "_shared_type*)cuemu::shared_variable(&" var "_shared_site, sizeof(" var "_shared_type), alignof(" var "_shared_type)); "
	}
	return out
}

# kernel reads what follows __global__ up to the parameters, over several lines.
function kernel(    s, bounds, at, end) {
	s = pending
	bounds = ""
	if ((at = index(s, "__launch_bounds__"))) {
		end = closing(substr(s, at + 17))
		if (index(substr(s, at), "(") == 0 || !end) return
		bounds = substr(s, at + 17, end)
		s = substr(s, 1, at - 1) substr(s, at + 17 + end)
	}
	if (!(at = index(s, "("))) return
	s = substr(s, 1, at - 1)
	gsub(/[ \t]+$/, "", s)
	if (!match(s, /[A-Za-z_][A-Za-z_0-9]*$/)) refuse("cannot read: __global__" pending)
	s = substr(s, RSTART)
	waiting = 0
	if (!external) refuse("__global__ " s ": kernels are extern \"C\" functions; a template takes a wrapper")
	if (!(s in known)) order[++kernels] = s
	if (bounds == "") bounds = "()"
	known[s] = bounds
}

/^# [0-9]+ "/ {
	line = $2 - 1
	match($0, /"[^"]*"/)
	file = substr($0, RSTART + 1, RLENGTH - 2)
	print
	next
}
{ line++ }
/^[ \t]*#[ \t]*pragma[ \t]+unroll/ {
	n = $0
	sub(/^[ \t]*#[ \t]*pragma[ \t]+unroll[ \t]*/, "", n)
	gsub(/[()]/, "", n)
	print "#pragma GCC unroll " (n == "" ? 64 : n)
	next
}
{
	out = ""; rest = $0
	while (match(rest, /__shared__|__global__|__launch_bounds__/)) {
		word = substr(rest, RSTART, RLENGTH)
		before = substr(rest, 1, RSTART - 1)
		after = substr(rest, RSTART + RLENGTH)
		if (waiting && word != "__launch_bounds__") {
			pending = pending before
			kernel()
			if (waiting) refuse("cannot read: __global__" pending)
		}
		if (word == "__shared__") {
			if (before ~ /extern[ \t]*$/) refuse("dynamic shared memory is declared by DYN_SHARED")
			sub(/static[ \t]*$/, "", before)
			if (!(semi = index(after, ";"))) refuse("a __shared__ declaration must end in its line")
			out = out before declared(substr(after, 1, semi - 1))
			rest = substr(after, semi + 1)
		} else if (word == "__global__") {
			out = out before
			external = (last out) ~ /extern[ \t]*"C"[^;{}]*$/
			waiting = 1; pending = ""
			rest = after
		} else {
			end = closing(after)
			if (!end || after !~ /^[ \t]*\(/) refuse("__launch_bounds__ must end in its line")
			if (waiting) pending = pending before word substr(after, 1, end)
			out = out before
			rest = substr(after, end + 1)
			if (waiting) kernel()
		}
	}
	if (waiting) { pending = pending rest " "; kernel() }
	print out rest
	if ($0 !~ /^[ \t]*$/) last = $0 " "
}
END {
	if (failed) exit 1
	if (waiting) refuse("cannot read: __global__" pending)
	printf "static cuemu::Source cuemu_source(\"%s\", \"%s\");\n", name, sha
	for (i = 1; i <= kernels; i++)
		printf "static cuemu::AddKernel<%s> cuemu_kernel_%d(cuemu_source, \"%s\", cuemu::launch_bounds%s);\n", order[i], i, order[i], known[order[i]]
}
