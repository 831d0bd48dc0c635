//go:build gpu

package cuda

import (
	"compress/gzip"
	"embed"
	"fmt"
	"io"
)

//go:embed ptx/*.gz
var compiled embed.FS

// image returns the PTX of a .cu file for an architecture such as 80.
func image(source string, arch int) (string, error) {
	name := fmt.Sprintf("ptx/%s.sm_%d.ptx.gz", source, arch)
	f, err := compiled.Open(name)
	if err != nil {
		return "", fmt.Errorf("cuda: this build has no %s: run scripts/gen.sh and build it again", name)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return "", fmt.Errorf("cuda: %s: %w", name, err)
	}
	ptx, err := io.ReadAll(z)
	if err != nil {
		return "", fmt.Errorf("cuda: %s: %w", name, err)
	}
	return string(ptx), nil
}
