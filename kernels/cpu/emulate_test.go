package cpu

import (
	"fmt"
	"maps"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// emulatedTiers returns the vector tiers with an interpreter of the committed assembly in
// place of the processor, for machines that lack one: wide registers and their arithmetic
// are simple, what goes wrong is addresses, loops and registers used twice.
func emulatedTiers(t *testing.T) []*tier {
	t.Helper()
	src, err := os.ReadFile("micro_amd64.s")
	if err != nil {
		t.Fatal(err)
	}
	routines := parseAssembly(t, string(src))
	var out []*tier
	for _, real := range []*tier{&avx2, &avx512} {
		e := &tier{name: real.name + "-emulated", lanes: real.lanes}
		for _, k := range real.tiles {
			e.tiles = append(e.tiles, tile{k.mr, k.nr, emulateTile(t, routines, fmt.Sprintf("tile%s_%dx%d", strings.ToUpper(real.name), k.mr, k.nr))})
		}
		for _, k := range real.dots {
			e.dots = append(e.dots, dotTile{k.mr, k.nr, emulateDot(t, routines, fmt.Sprintf("dot%s_%dx%d", strings.ToUpper(real.name), k.mr, k.nr))})
		}
		out = append(out, e)
	}
	return out
}

// routine is a function of the assembly: its instructions, and the index that each label
// stands for.
type routine struct {
	code   [][]string // mnemonic, operands
	labels map[string]int
}

func parseAssembly(t *testing.T, src string) map[string]*routine {
	t.Helper()
	all := map[string]*routine{}
	var now *routine
	split := regexp.MustCompile(`,\s+`)
	for line := range strings.Lines(src) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || strings.HasPrefix(line, "//") || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "TEXT"):
			now = &routine{labels: map[string]int{}}
			all[line[strings.Index(line, "·")+len("·"):strings.Index(line, "(SB)")]] = now
		case strings.HasSuffix(line, ":"):
			now.labels[strings.TrimSuffix(line, ":")] = len(now.code)
		default:
			name, args, _ := strings.Cut(line, " ")
			in := []string{name}
			if args = strings.TrimSpace(args); args != "" {
				in = append(in, split.Split(args, -1)...)
			}
			now.code = append(now.code, in)
		}
	}
	return all
}

// machine is the state of an emulated processor. Each slice argument has a segment of
// addresses of its own, so that a pointer that leaves its slice is an error.
type machine struct {
	t      *testing.T
	gp     map[string]int64
	vec    map[string][16]float32
	frame  map[string]int64 // parameters by name
	floats map[int64][]float32
	ints   map[int64][]int
	flags  int64 // the last result, for conditional jumps
}

const segment = 1 << 32

func (m *machine) slice(name string, at int64, f []float32) {
	m.frame[name+"_base"], m.frame[name+"_len"] = at*segment+segment/2, int64(len(f))
	m.floats[at] = f
}

func (m *machine) sliceOfInts(name string, at int64, x []int) {
	m.frame[name+"_base"], m.frame[name+"_len"] = at*segment+segment/2, int64(len(x))
	m.ints[at] = x
}

func newMachine(t *testing.T) *machine {
	return &machine{t: t, gp: map[string]int64{}, vec: map[string][16]float32{}, frame: map[string]int64{}, floats: map[int64][]float32{}, ints: map[int64][]int{}}
}

func emulateTile(t *testing.T, routines map[string]*routine, name string) tileFunc {
	return func(a, b []float32, off []int, c []float32, ldc int, add bool) {
		m := newMachine(t)
		m.slice("a", 1, a)
		m.slice("b", 2, b)
		m.sliceOfInts("off", 3, off)
		m.slice("c", 4, c)
		m.frame["ldc"] = int64(ldc)
		if add {
			m.frame["add"] = 1
		}
		m.run(name, routines[name])
	}
}

func emulateDot(t *testing.T, routines map[string]*routine, name string) dotFunc {
	return func(a []float32, offA []int, b []float32, offB []int, n, segments, stepA, stepB int, sums []float32) {
		m := newMachine(t)
		m.slice("a", 1, a)
		m.sliceOfInts("offA", 2, offA)
		m.slice("b", 3, b)
		m.sliceOfInts("offB", 4, offB)
		m.slice("sums", 5, sums)
		maps.Copy(m.frame, map[string]int64{"n": int64(n), "segments": int64(segments), "stepA": int64(stepA), "stepB": int64(stepB)})
		m.run(name, routines[name])
	}
}

var (
	frameOperand  = regexp.MustCompile(`^(\w+)\+\d+\(FP\)$`)
	memoryOperand = regexp.MustCompile(`^(-?\d+)?\((\w+)\)(?:\((\w+)\*(\d)\))?$`)
	vectorOperand = regexp.MustCompile(`^([XYZ])(\d+)$`)
)

// address returns where a memory operand points.
func (m *machine) address(op string) int64 {
	p := memoryOperand.FindStringSubmatch(op)
	if p == nil {
		m.t.Fatalf("emulator: operand %s", op)
	}
	disp, _ := strconv.ParseInt("0"+p[1], 10, 64)
	at := m.gp[p[2]] + disp
	if p[3] != "" {
		scale, _ := strconv.ParseInt(p[4], 10, 64)
		at += m.gp[p[3]] * scale
	}
	return at
}

// memory returns the n floats at an address.
func (m *machine) memory(at int64, n int) []float32 {
	f, i := m.floats[at/segment], (at%segment-segment/2)/4
	if at%4 != 0 || i < 0 || i+int64(n) > int64(len(f)) {
		m.t.Fatalf("emulator: %d floats at %d of %d", n, i, len(f))
	}
	return f[i : i+int64(n)]
}

// integer reads an operand of general-purpose instructions.
func (m *machine) integer(op string) int64 {
	if strings.HasPrefix(op, "$") {
		v, err := strconv.ParseInt(op[1:], 0, 64)
		if err != nil {
			m.t.Fatal(err)
		}
		return v
	}
	if p := frameOperand.FindStringSubmatch(op); p != nil {
		v, ok := m.frame[p[1]]
		if !ok && p[1] != "add" {
			m.t.Fatalf("emulator: parameter %s", op)
		}
		return v
	}
	if strings.Contains(op, "(") {
		at := m.address(op)
		x, i := m.ints[at/segment], (at%segment-segment/2)/8
		if at%8 != 0 || i < 0 || i >= int64(len(x)) {
			m.t.Fatalf("emulator: integer %d of %d", i, len(x))
		}
		return int64(x[i])
	}
	return m.gp[whole(op)]
}

// whole names the register of which op is a part.
func whole(op string) string {
	if len(op) == 2 && strings.HasSuffix(op, "L") { // AL, BL, CL, DL
		return op[:1] + "X"
	}
	return strings.TrimSuffix(op, "B")
}

// vector reads a vector operand, register or memory, of so many lanes.
func (m *machine) vector(op string, lanes int) [16]float32 {
	var v [16]float32
	if p := vectorOperand.FindStringSubmatch(op); p != nil {
		v = m.vec[p[2]]
		clear(v[lanes:])
		return v
	}
	copy(v[:], m.memory(m.address(op), lanes))
	return v
}

func lanesOf(t *testing.T, register string) int {
	p := vectorOperand.FindStringSubmatch(register)
	if p == nil {
		t.Fatalf("emulator: %s is no vector", register)
	}
	return map[string]int{"X": 4, "Y": 8, "Z": 16}[p[1]]
}

// put writes a vector register; the lanes beyond become zero, as processors do.
func (m *machine) put(register string, v [16]float32) {
	clear(v[lanesOf(m.t, register):])
	m.vec[register[1:]] = v
}

func (m *machine) run(name string, r *routine) {
	if r == nil {
		m.t.Fatalf("the assembly has no %s", name)
	}
	for pc := 0; ; pc++ {
		in := r.code[pc]
		last := in[len(in)-1]
		switch in[0] {
		case "MOVQ", "MOVB":
			m.gp[whole(last)] = m.integer(in[1])
		case "ADDQ":
			m.gp[last] += m.integer(in[1])
		case "LEAQ":
			m.gp[last] = m.address(in[1])
		case "SHLQ":
			m.gp[last] <<= m.integer(in[1])
		case "XORQ":
			m.gp[last] ^= m.integer(in[1])
		case "DECQ":
			m.gp[last]--
			m.flags = m.gp[last]
		case "TESTQ", "TESTB":
			m.flags = m.integer(in[1]) & m.integer(in[2])
		case "CMPQ":
			m.flags = m.integer(in[1]) - m.integer(in[2])
		case "JZ", "JNZ", "JLT":
			if in[0] == "JZ" && m.flags == 0 || in[0] == "JNZ" && m.flags != 0 || in[0] == "JLT" && m.flags < 0 {
				pc = r.labels[in[1]] - 1
			}
		case "VXORPS", "VPXORD":
			if in[1] != in[2] || in[2] != in[3] {
				m.t.Fatalf("emulator: %v", in)
			}
			m.put(last, [16]float32{})
		case "VMOVUPS":
			if strings.Contains(last, "(") {
				lanes := lanesOf(m.t, in[1])
				v := m.vector(in[1], lanes)
				copy(m.memory(m.address(last), lanes), v[:lanes])
			} else {
				m.put(last, m.vector(in[1], lanesOf(m.t, last)))
			}
		case "VMOVSS":
			m.memory(m.address(last), 1)[0] = m.vector(in[1], 4)[0]
		case "VBROADCASTSS":
			var v [16]float32
			for i := range v {
				v[i] = m.memory(m.address(in[1]), 1)[0]
			}
			m.put(last, v)
		case "VADDPS", "VFMADD231PS":
			lanes := lanesOf(m.t, last)
			x, y, z := m.vector(in[1], lanes), m.vector(in[2], lanes), m.vector(last, lanes)
			for i := range z {
				if in[0] == "VADDPS" {
					z[i] = x[i] + y[i]
				} else {
					z[i] = float32(math.FMA(float64(x[i]), float64(y[i]), float64(z[i])))
				}
			}
			m.put(last, z)
		case "VEXTRACTF64X4", "VEXTRACTF32X4", "VEXTRACTF128":
			lanes := lanesOf(m.t, last)
			v := m.vector(in[2], 2*lanes)
			copy(v[:lanes], v[lanes:2*lanes])
			m.put(last, v)
		case "VPERMILPS":
			from, v := m.vector(in[2], 4), [16]float32{}
			for i := range 4 {
				v[i] = from[m.integer(in[1])>>(2*i)&3]
			}
			m.put(last, v)
		case "VZEROUPPER":
		case "RET":
			return
		default:
			m.t.Fatalf("emulator: instruction %v", in)
		}
	}
}
