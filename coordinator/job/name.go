package job

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// compareNames orders names so that numbers within them count as numbers: worker-2 comes
// before worker-10. Names that differ only in leading zeros are ordered as text.
func compareNames(a, b string) int {
	x, y := a, b
	for x != "" && y != "" {
		if digit(x[0]) && digit(y[0]) {
			var m, n string
			m, x = leadingNumber(x)
			n, y = leadingNumber(y)
			if len(m) != len(n) {
				return len(m) - len(n)
			}
			if c := strings.Compare(m, n); c != 0 {
				return c
			}
			continue
		}
		if x[0] != y[0] {
			return int(x[0]) - int(y[0])
		}
		x, y = x[1:], y[1:]
	}
	if c := len(x) - len(y); c != 0 {
		return c
	}
	return strings.Compare(a, b)
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

// leadingNumber cuts the digits off the beginning of s, without their leading zeros.
func leadingNumber(s string) (digits, rest string) {
	i := 0
	for i < len(s) && digit(s[i]) {
		i++
	}
	return strings.TrimLeft(s[:i], "0"), s[i:]
}

const longestName = 64

// checkName refuses names that would not fit in one line of a message.
func checkName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("a worker needs a name")
	case len(name) > longestName:
		return fmt.Errorf("the name %.16q… is longer than %d bytes", name, longestName)
	case !utf8.ValidString(name), strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) }):
		return fmt.Errorf("the name %q has spaces or characters that cannot be shown", name)
	}
	return nil
}
