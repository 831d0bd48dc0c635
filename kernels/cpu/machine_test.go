package cpu

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

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
	t       *testing.T
	gp      map[string]int64
	vec     map[string][16]float32
	frame   map[string]int64 // parameters by name
	floats  map[int64][]float32
	ints    map[int64][]int
	flags   int64              // the last result, for conditional jumps
	scalars map[string]float32 // parameters that are floats
	stack   map[int64]int64    // locals by offset
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

func (m *machine) parameters(values map[string]int) {
	for name, v := range values {
		m.frame[name] = int64(v)
	}
}

func newMachine(t *testing.T) *machine {
	return &machine{t: t, gp: map[string]int64{}, vec: map[string][16]float32{}, frame: map[string]int64{}, floats: map[int64][]float32{}, ints: map[int64][]int{}, scalars: map[string]float32{}, stack: map[int64]int64{}}
}

var (
	frameOperand  = regexp.MustCompile(`^(\w+)\+\d+\(FP\)$`)
	stackOperand  = regexp.MustCompile(`^(\d+)?\(SP\)$`)
	memoryOperand = regexp.MustCompile(`^(-?\d+)?\((\w+)\)(?:\((\w+)\*(\d)\))?$`)
	vectorOperand = regexp.MustCompile(`^([XYZ])(\d+)$`)
)

// address returns where a memory operand points.
func (m *machine) address(op string) int64 {
	if op == "laneMasks<>+0(SB)" {
		lanes := make([]float32, 16)
		for i := range 8 {
			lanes[i] = math.Float32frombits(^uint32(0))
		}
		m.floats[9] = lanes
		return 9*segment + segment/2
	}
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
	if p := stackOperand.FindStringSubmatch(op); p != nil {
		at, _ := strconv.ParseInt("0"+p[1], 10, 64)
		return m.stack[at]
	}
	if strings.Contains(op, "(") {
		return int64(*m.word(op))
	}
	return m.gp[whole(op)]
}

// word returns an integer in memory.
func (m *machine) word(op string) *int {
	at := m.address(op)
	x, i := m.ints[at/segment], (at%segment-segment/2)/8
	if at%8 != 0 || i < 0 || i >= int64(len(x)) {
		m.t.Fatalf("emulator: integer %d of %d", i, len(x))
	}
	return &x[i]
}

// setInteger writes a register, a local or an integer in memory.
func (m *machine) setInteger(op string, v int64) {
	if p := stackOperand.FindStringSubmatch(op); p != nil {
		at, _ := strconv.ParseInt("0"+p[1], 10, 64)
		m.stack[at] = v
		return
	}
	if p := frameOperand.FindStringSubmatch(op); p != nil {
		m.frame[p[1]] = v
		return
	}
	if strings.Contains(op, "(") {
		*m.word(op) = int(v)
		return
	}
	m.gp[whole(op)] = v
}

// broadcast returns a float of memory in every lane.
func (m *machine) broadcast(op string) (v [16]float32) {
	one, ok := float32(0), false
	if p := frameOperand.FindStringSubmatch(op); p != nil {
		if one, ok = m.scalars[p[1]]; !ok {
			m.t.Fatalf("emulator: parameter %s", op)
		}
	} else {
		one = m.memory(m.address(op), 1)[0]
	}
	for i := range v {
		v[i] = one
	}
	return v
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

// lane reports whether an instruction works on a lane: the operand at that index is then
// none but the last, or a mask that has the lane.
func (m *machine) lane(in []string, index, lane int) bool {
	return index == len(in)-1 || !strings.HasPrefix(in[index], "K") || m.gp[in[index]]>>lane&1 == 1
}

func (m *machine) run(name string, r *routine) {
	if r == nil {
		m.t.Fatalf("the assembly has no %s", name)
	}
	for pc := 0; ; pc++ {
		in := r.code[pc]
		last := in[len(in)-1]
		switch in[0] {
		case "MOVQ", "MOVL", "MOVB", "KMOVW":
			m.setInteger(last, m.integer(in[1]))
		case "ADDQ":
			m.setInteger(last, m.integer(last)+m.integer(in[1]))
		case "SUBQ":
			m.flags = m.integer(last) - m.integer(in[1])
			m.setInteger(last, m.flags)
		case "INCQ":
			m.gp[last]++
		case "LEAQ":
			m.gp[last] = m.address(in[1])
		case "SHLQ":
			m.setInteger(last, m.integer(last)<<m.integer(in[1]))
		case "IMUL3Q":
			m.gp[last] = m.integer(in[1]) * m.integer(in[2])
		case "SHRL":
			m.gp[last] >>= m.integer(in[1])
		case "NEGQ":
			m.gp[last] = -m.gp[last]
		case "XORQ":
			m.setInteger(last, m.integer(last)^m.integer(in[1]))
		case "DECQ":
			m.flags = m.integer(last) - 1
			m.setInteger(last, m.flags)
		case "TESTQ", "TESTB":
			m.flags = m.integer(in[1]) & m.integer(in[2])
		case "CMPQ":
			m.flags = m.integer(in[1]) - m.integer(in[2])
		case "JZ", "JEQ", "JNZ", "JNE", "JLT", "JGE", "JMP":
			if zero := m.flags == 0; in[0] == "JMP" || (in[0] == "JZ" || in[0] == "JEQ") && zero || (in[0] == "JNZ" || in[0] == "JNE") && !zero || in[0] == "JLT" && m.flags < 0 || in[0] == "JGE" && m.flags >= 0 {
				pc = r.labels[in[1]] - 1
			}
		case "VXORPS", "VPXORD":
			if in[1] != in[2] || in[2] != in[3] {
				m.t.Fatalf("emulator: %v", in)
			}
			m.put(last, [16]float32{})
		case "VMOVAPS":
			m.put(last, m.vector(in[1], lanesOf(m.t, last)))
		case "VMASKMOVPS": // loads only
			var v [16]float32
			for i, lane := range m.vector(in[2], 8) {
				if math.Float32bits(lane)>>31 == 1 {
					v[i] = m.memory(m.address(in[1])+int64(4*i), 1)[0]
				}
			}
			m.put(last, v)
		case "VMAXPS":
			lanes := lanesOf(m.t, last)
			x, y := m.vector(in[1], lanes), m.vector(in[2], lanes)
			for i, v := range y {
				if v > x[i] { // else, and where one is no number, the second source
					x[i] = v
				}
			}
			m.put(last, x)
		case "VMOVUPS":
			if strings.Contains(last, "(") {
				v := m.vector(in[1], lanesOf(m.t, in[1]))
				to := m.address(last)
				for i := range lanesOf(m.t, in[1]) {
					if m.lane(in, 2, i) {
						m.memory(to+int64(4*i), 1)[0] = v[i]
					}
				}
			} else {
				m.put(last, m.vector(in[1], lanesOf(m.t, last)))
			}
		case "VMOVUPS.Z":
			var v [16]float32
			for i := range v {
				if m.lane(in, 2, i) {
					v[i] = m.memory(m.address(in[1])+int64(4*i), 1)[0]
				}
			}
			m.put(last, v)
		case "VMOVSS":
			m.memory(m.address(last), 1)[0] = m.vector(in[1], 4)[0]
		case "VMOVSD":
			v := m.vector(in[1], 4)
			copy(m.memory(m.address(last), 2), v[:2])
		case "VBROADCASTSS":
			v, all := m.vector(last, lanesOf(m.t, last)), m.broadcast(in[1])
			for i := range v {
				if m.lane(in, 2, i) {
					v[i] = all[i]
				}
			}
			m.put(last, v)
		case "VBROADCASTSD", "VBROADCASTF32X4", "VBROADCASTF32X8":
			n := map[string]int{"VBROADCASTSD": 2, "VBROADCASTF32X4": 4, "VBROADCASTF32X8": 8}[in[0]]
			from, v := m.memory(m.address(in[1]), n), [16]float32{}
			for i := range v {
				v[i] = from[i%n]
			}
			m.put(last, v)
		case "VADDPS", "VFMADD231PS", "VFMADD231PS.BCST":
			lanes := lanesOf(m.t, last)
			y, z := m.vector(in[2], lanes), m.vector(last, lanes)
			for i := range lanes {
				if !m.lane(in, 3, i) {
					continue
				}
				var x float32
				switch {
				case in[0] == "VFMADD231PS.BCST":
					x = m.broadcast(in[1])[i]
				case strings.Contains(in[1], "("):
					x = m.memory(m.address(in[1])+int64(4*i), 1)[0]
				default:
					x = m.vector(in[1], lanes)[i]
				}
				if in[0] == "VADDPS" {
					z[i] = x + y[i]
				} else {
					z[i] = float32(math.FMA(float64(x), float64(y[i]), float64(z[i])))
				}
			}
			m.put(last, z)
		case "VEXTRACTF64X4", "VEXTRACTF32X4", "VEXTRACTF128":
			lanes := lanesOf(m.t, last)
			v := m.vector(in[2], 2*lanes)
			copy(v[:lanes], v[lanes:2*lanes])
			m.put(last, v)
		case "VMOVDQU32":
			m.put(last, m.vector(in[1], lanesOf(m.t, last)))
		case "VPERMPS":
			from, order, v := m.vector(in[1], 16), m.vector(in[2], 16), [16]float32{}
			for i := range v {
				v[i] = from[math.Float32bits(order[i])]
			}
			m.put(last, v)
		case "VPERMILPS":
			lanes := lanesOf(m.t, last)
			from, v := m.vector(in[2], lanes), [16]float32{}
			for i := range lanes {
				v[i] = from[i&^3+int(m.integer(in[1])>>(2*(i%4))&3)]
			}
			m.put(last, v)
		case "VZEROUPPER", "PREFETCHT0", "PREFETCHT1":
		case "RET":
			return
		default:
			m.t.Fatalf("emulator: instruction %v", in)
		}
	}
}
