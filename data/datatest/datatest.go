// Package datatest finds the real images that some tests use.
package datatest

import (
	"os"
	"path/filepath"
	"testing"
)

// Dir returns the folder that holds cifar10 and fashion-mnist: $CLEAVE_TEST_DATA, or else
// ../shared/data beside the repository. Where there is none it skips the test.
func Dir(t testing.TB) string {
	t.Helper()
	if dir := os.Getenv("CLEAVE_TEST_DATA"); dir != "" {
		if !isFolder(dir) {
			t.Fatalf("CLEAVE_TEST_DATA names %s, which is no folder", dir)
		}
		return dir
	}
	root, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			break
		}
		up := filepath.Dir(root)
		if up == root {
			t.Skip("no go.mod above the test's folder; set CLEAVE_TEST_DATA to the folder of the images")
		}
		root = up
	}
	dir := filepath.Join(filepath.Dir(root), "shared", "data")
	if !isFolder(dir) {
		t.Skipf("no real images: %s is not there and CLEAVE_TEST_DATA is not set", dir)
	}
	return dir
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
