package choose

// PeakArgs are the arguments of peak_ffma_f32, a kernel that benchmarks launch by themselves:
// the place of a float that is not written, and rounds of 64 multiply-adds.
func PeakArgs(place uint64, rounds int) []Arg {
	return []Arg{{Pointer, place}, float(0.999), float(0.001), num(rounds)}
}
