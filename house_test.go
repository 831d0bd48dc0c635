// Package house holds the rules of the repository as tests.
package house

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// floors gives each folder its floor: a package may import packages of lower floors and,
// within its own folder tree, what rules allows.
var floors = map[string]int{
	"layout": 1, "random": 1, "proto": 1,
	"model": 2, "kernels": 2, "data": 2, "checkpoint": 2,
	"worker":      3,
	"coordinator": 4,
	"scripts":     5, // commands for developers
}

// never lists imports that are forbidden whatever the floors: a package path prefix that
// imports, what it must not import (a prefix too), and why.
var never = []struct{ from, to, why string }{
	{"cleave/model", "cleave/kernels", "a net knows no device"},
	{"cleave/kernels", "cleave/model", "a kernel knows no net"},
	{"cleave/data", "cleave/model", "images know no net"},
	{"cleave/data", "cleave/kernels", "images know no device"},
	{"cleave/coordinator/plan", "os", "planning is pure"},
	{"cleave/coordinator/plan", "time", "planning is pure"},
	{"cleave/coordinator/plan", "net", "planning is pure"},
	{"cleave/coordinator/plan", "cleave/kernels", "plans speak of logical regions"},
	{"cleave/coordinator/plan", "cleave/coordinator/program", "program builds on plan"},
	{"cleave/coordinator/plan", "cleave/coordinator/job", "job builds on plan"},
	{"cleave/coordinator/program", "os", "building programs is pure"},
	{"cleave/coordinator/program", "time", "building programs is pure"},
	{"cleave/coordinator/program", "net", "building programs is pure"},
	{"cleave/coordinator/program", "cleave/kernels/", "devices reach the builder through kernels.Sizer"},
	{"cleave/coordinator/program", "cleave/coordinator/job", "job builds on program"},
	{"cleave/coordinator/job", "cleave/worker", "the job speaks to workers through proto"},
	{"cleave/coordinator", "cleave/kernels/cuda$", "the coordinator needs no GPU"},
	{"cleave/worker/engine", "cleave/proto/jobpb", "the engine runs Programs, not jobs"},
	{"cleave/worker/engine", "cleave/kernels/", "the engine is handed its backend"},
	{"cleave/worker/exchange", "cleave/worker/", "the exchange stands alone"},
	{"cleave/worker", "gorgonia.org/gorgonia", "a worker knows no net"},
	{"cleave/worker", "cleave/model", "a worker knows no net"},
	{"cleave", "cleave/worker$", "nothing imports a main package"},
	{"cleave", "cleave/coordinator$", "nothing imports a main package"},
}

func matches(path, rule string) bool {
	if exact, ok := strings.CutSuffix(rule, "$"); ok {
		return path == exact
	}
	if strings.HasSuffix(rule, "/") {
		return strings.HasPrefix(path, rule)
	}
	return path == rule || strings.HasPrefix(path, rule+"/")
}

func floor(path string) int {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "cleave/"), "/")
	return floors[first]
}

// TestImports holds the directions of the imports, in all files that are no tests,
// whatever their build tags.
func TestImports(t *testing.T) {
	files := 0
	eachGoFile(t, func(path string) {
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		files++
		pkg := "cleave/" + filepath.ToSlash(filepath.Dir(path))
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range f.Imports {
			to, _ := strconv.Unquote(spec.Path.Value)
			if to == "C" && !strings.HasPrefix(pkg, "cleave/kernels/cuda") {
				t.Errorf("%s: cgo is for kernels/cuda alone", path)
			}
			for _, r := range never {
				if matches(pkg, r.from) && matches(to, r.to) && !matches(to, pkg) {
					t.Errorf("%s imports %s: %s", path, to, r.why)
				}
			}
			if strings.HasPrefix(to, "cleave/") && floor(to) > floor(pkg) {
				t.Errorf("%s (floor %d) imports %s (floor %d): imports go downwards", path, floor(pkg), to, floor(to))
			}
		}
	})
	if files < 20 {
		t.Fatalf("found only %d Go files", files)
	}
}

// TestPackageComments wants every package to say what it is for.
func TestPackageComments(t *testing.T) {
	said := map[string]bool{}
	eachGoFile(t, func(path string) {
		dir := filepath.Dir(path)
		if strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, ".pb.go") {
			return
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		said[dir] = said[dir] || f.Doc != nil && len(f.Doc.Text()) > 40
	})
	for dir, ok := range said {
		if !ok && !strings.HasSuffix(dir, "pb") {
			t.Errorf("package %s has no package comment", dir)
		}
	}
}

func eachGoFile(t *testing.T, do func(path string)) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || strings.HasPrefix(d.Name(), "_") || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if strings.HasSuffix(path, ".go") {
			do(path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
