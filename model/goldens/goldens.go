package goldens

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

//go:embed testdata
var files embed.FS

// Golden is what PyTorch computed of one net. Tensors are flat, in row-major order.
type Golden struct {
	Name                           string
	Batch, Channels, Height, Width int
	Classes                        int
	Mean, Dev                      []float64 // of the images' channels, as model.Config wants them

	Images  []byte               // Batch×Channels×Height×Width
	Labels  []int                // Batch
	Weights map[string][]float32 // by parameter, the starting values, exact

	Logits []float64            // Batch×Classes
	Loss   float64              // mean over the batch
	Hits   [2]float64           // samples right, and right among the first five
	Grads  map[string][]float64 // by parameter

	Steps                 int // of SGD on the same batch
	Rate, Momentum, Decay float64
	After                 map[string][]float64 // by parameter, after the steps
	Stats                 map[string][]float64 // running statistics after the steps (from 0 and 1)
	EvalLogits            []float64            // Batch×Classes, evaluated after the steps

	// Torch is PyTorch's own float32 error (relative L2, the worst of three ways to
	// compute it) by tensor: "logits", "loss", "grad/" and "after/" with a parameter's
	// name, "stat/" with a statistic's, "eval/logits".
	Torch map[string]float64
}

// Names lists the goldens.
func Names() []string { return []string{"alexnet-small", "resnext-small"} }

// Load returns a golden, or ends the test if it cannot be read.
func Load(t testing.TB, name string) *Golden {
	t.Helper()
	g, err := read(name)
	if err != nil {
		t.Fatalf("golden %s: %v", name, err)
	}
	return g
}

// Tolerance is the error that a float32 computation of a tensor may have (relative L2
// against the golden): 4 times PyTorch's own worst, at least 1e-6. Keys are those of Torch.
func (g *Golden) Tolerance(t testing.TB, key string) float64 {
	t.Helper()
	e, ok := g.Torch[key]
	if !ok {
		t.Fatalf("golden %s has no tensor %q", g.Name, key)
	}
	return max(4*e, 1e-6)
}

// Error is the relative L2 error of got against want. It is infinite where their lengths
// differ or got holds a NaN.
func Error[T float32 | float64](got []T, want []float64) float64 {
	if len(got) != len(want) {
		return math.Inf(1)
	}
	var d, n float64
	for i, w := range want {
		e := float64(got[i]) - w
		d += e * e
		n += w * w
	}
	switch {
	case math.IsNaN(d):
		return math.Inf(1)
	case n == 0:
		return math.Sqrt(d)
	}
	return math.Sqrt(d / n)
}

// manifest is testdata/manifest.json.
type manifest struct {
	Steps           int
	Momentum, Decay float64
	Mean, Dev       []float64
	Nets            map[string]struct {
		File, SHA256 string
		Rate         float64
		Classes      int
		Errors       map[string]float64
	}
}

func read(name string) (*Golden, error) {
	raw, err := files.ReadFile("testdata/manifest.json")
	if err != nil {
		return nil, err
	}
	var m manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	net, ok := m.Nets[name]
	if !ok {
		return nil, fmt.Errorf("not in the manifest")
	}
	data, err := files.ReadFile("testdata/" + net.File)
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != net.SHA256 {
		return nil, fmt.Errorf("%s is not the file of the manifest", net.File)
	}
	tensors, err := safetensors(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", net.File, err)
	}
	g := &Golden{
		Name: name, Classes: net.Classes, Mean: m.Mean, Dev: m.Dev,
		Weights: map[string][]float32{}, Grads: map[string][]float64{},
		Steps: m.Steps, Rate: net.Rate, Momentum: m.Momentum, Decay: m.Decay,
		After: map[string][]float64{}, Stats: map[string][]float64{}, Torch: net.Errors,
	}
	return g, g.fill(tensors)
}

// fill takes the tensors of the file.
func (g *Golden) fill(tensors map[string]record) error {
	s := tensors["images"].shape
	if len(s) != 4 {
		return fmt.Errorf("images of shape %v", s)
	}
	g.Batch, g.Channels, g.Height, g.Width = s[0], s[1], s[2], s[3]
	for key, t := range tensors {
		kind, name, _ := strings.Cut(key, "/")
		switch kind {
		case "images":
			g.Images = slices.Clone(t.data)
		case "labels":
			for _, v := range t.int64s() {
				g.Labels = append(g.Labels, int(v))
			}
		case "start":
			g.Weights[name] = t.float32s()
		case "logits":
			g.Logits = t.float64s()
		case "loss":
			g.Loss = t.float64s()[0]
		case "hits":
			g.Hits = [2]float64(t.float64s())
		case "grad":
			g.Grads[name] = t.float64s()
		case "after":
			g.After[name] = t.float64s()
		case "stat":
			g.Stats[name] = t.float64s()
		case "eval":
			g.EvalLogits = t.float64s()
		default:
			return fmt.Errorf("unknown tensor %q", key)
		}
	}
	return nil
}
