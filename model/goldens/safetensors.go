package goldens

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
)

// record is one tensor of a safetensors file.
type record struct {
	dtype string // U8, I64, F32 or F64, checked
	shape []int
	data  []byte // little-endian, row-major
}

var sizes = map[string]int{"U8": 1, "I64": 8, "F32": 4, "F64": 8}

// safetensors reads a file of that format: 8 bytes with the header's length, a JSON
// header that gives each tensor's type, shape and byte range, and the data.
func safetensors(file []byte) (map[string]record, error) {
	if len(file) < 8 {
		return nil, fmt.Errorf("cut short")
	}
	n := binary.LittleEndian.Uint64(file)
	if n > uint64(len(file)-8) {
		return nil, fmt.Errorf("header of %d bytes in a file of %d", n, len(file))
	}
	var header map[string]struct {
		DType   string `json:"dtype"`
		Shape   []int  `json:"shape"`
		Offsets [2]int `json:"data_offsets"`
	}
	if err := json.Unmarshal(file[8:8+n], &header); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	data := file[8+n:]
	all := make(map[string]record, len(header))
	for name, h := range header {
		bytes := sizes[h.DType]
		for _, d := range h.Shape {
			bytes *= d
		}
		lo, hi := h.Offsets[0], h.Offsets[1]
		if lo < 0 || hi > len(data) || hi-lo != bytes || bytes == 0 {
			return nil, fmt.Errorf("tensor %q: bytes %d to %d for %v of %s", name, lo, hi, h.Shape, h.DType)
		}
		all[name] = record{h.DType, h.Shape, data[lo:hi]}
	}
	return all, nil
}

func (t record) float64s() []float64 {
	v := make([]float64, len(t.data)/8)
	for i := range v {
		v[i] = math.Float64frombits(binary.LittleEndian.Uint64(t.data[8*i:]))
	}
	return v
}

func (t record) float32s() []float32 {
	v := make([]float32, len(t.data)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(t.data[4*i:]))
	}
	return v
}

func (t record) int64s() []int64 {
	v := make([]int64, len(t.data)/8)
	for i := range v {
		v[i] = int64(binary.LittleEndian.Uint64(t.data[8*i:]))
	}
	return v
}
