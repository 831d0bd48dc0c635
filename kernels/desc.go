package kernels

import "cleave/layout"

// Code names a kernel. The comment gives: output ← inputs. x, y are activations
// N×C×H×W, w filters K×(C/G)×R×S, vectors C×1×1×1; d… is the loss's gradient with
// respect to …. "sum over" includes all positions of the inputs' boxes. A linear layer is
// a convolution on 1×1 positions.
type Code uint8

const (
	Invalid Code = iota

	ConvForward    // y ← x, w [, bias if Epilogue.Bias] [, mean, var, gamma, beta if Epilogue.Norm] [, z if Epilogue.Add]
	ConvDataGrad   // dx ← dy, w [, z if Epilogue.Add] [, y if Epilogue.ReLU: where y > 0, else zero]
	ConvFilterGrad // dw ← x, dy
	Bias           // y ← x, b: adds b per channel
	BiasGrad       // db ← dy: sum over N, H, W

	ReLU     // y ← x
	ReLUGrad // dx ← y, dy: dy where y > 0
	Add      // y ← a, b

	MaxPool          // y ← x
	MaxPoolGrad      // dx ← x, y, dy: to the first maximum of each window
	MaxPoolIndex     // y ← x, index: MaxPool; index (bytes, as y) is written: the window's first maximum, counted row by row from 0
	MaxPoolIndexGrad // dx ← dy, index: to the pixel that index says; windows of at most MaxIndexed pixels
	AvgPool          // y ← x
	AvgPoolGrad      // dx ← dy

	LRN     // y ← x
	LRNGrad // dx ← x, dy

	BNMean      // mean ← x: sum over N, H, W divided by Count
	BNVar       // var ← x, mean: sum of squared deviations divided by Count
	BNStats     // var ← x, mean: BNMean and BNVar in one; mean is written
	BN          // y ← x, mean, var, gamma, beta [, z if Epilogue.Add]
	BNGammaGrad // dgamma ← x, mean, var, dy
	BNSums      // dgamma ← x, mean, var, gamma, beta, dy, dbeta: BNGammaGrad and BiasGrad in one; dbeta is written
	BNGrad      // dx ← x, mean, var, gamma, dgamma, dbeta, dy [, beta if Epilogue.ReLU]
	RunningStat // running ← running, stat: running += Rate·(Unbias·stat − running)

	Dropout // y ← x, step: zero with probability P, else x/(1−P); also its own gradient

	Flatten   // y (N×F×1×1) ← x: channels, rows, columns in this order
	Unflatten // x ← y

	Copy    // dst ← src: the same elements, whatever both formats; ChannelStep
	Shuffle // y ← x: channel j·Groups+g is x's channel g·(C/Groups)+j
	Sum     // y ← any number of summands of y's shape, added in order
	Max     // y ← any number of candidates of y's shape

	RowMax     // max (N) ← logits (N×classes)
	ExpSum     // es (N×2) ← logits, labels, max: Σexp(logit−max) and label's logit−max (0 if another rank has it)
	CountAbove // n (N) ← logits, labels, max, es: classes ranked before the label (larger, or equal with a smaller index)
	Loss       // loss (1) ← labels, es: Σ(log Σexp − label's) / Count over the samples with a label
	Hits       // hits (2) ← labels, n: samples with n < 1 and with n < 5
	LossGrad   // dlogits ← logits, labels, max, es, seed

	SGD          // w ← w, m, g, rate: m = Mu·m + g + Decay·w; w −= rate·m; m is written too
	SumOfSquares // s (1) ← g

	FillConst  // x ← nothing: Value
	FillNormal // x ← nothing: normal with mean 0 and deviation Std
	Normalize  // x ← image bytes: (v/255 − Mean[c]) / Std[c]

	codes // number of codes
)

// Desc describes a kernel call. It is a comparable value; each code reads the fields that
// its group names and ignores the others.
type Desc struct {
	Code     Code
	Window   Window   // ConvForward … ConvFilterGrad, MaxPool … AvgPoolGrad
	Groups   int      // ConvForward … ConvFilterGrad, Shuffle: groups of the operands' boxes
	Epilogue Epilogue // ConvForward, ConvDataGrad, Bias, BN, Add; BNSums, BNGrad: dy counts where BN with this epilogue let x pass
	LRN      LRNDesc  // LRN, LRNGrad
	Count    float64  // divisor of BNMean, BNVar, BNStats, Loss, LossGrad; of BNGrad's sums
	Eps      float64  // BN, BNGammaGrad, BNSums, BNGrad, ConvForward with Epilogue.Norm
	Random   Random   // Dropout, FillNormal
	P        float64  // Dropout
	Offset   int      // Flatten, Unflatten: index of y's first feature in x's; ExpSum, CountAbove, LossGrad: class of the first logit
	Step     [2]int   // Copy: stride of source and of destination along the channel axis (axis 1), 0 as 1
	Rate     float64  // RunningStat
	Unbias   float64  // RunningStat
	Mu       float64  // SGD
	Decay    float64  // SGD
	Value    float64  // FillConst
	Std      float64  // FillNormal
	Mean     [4]float64
	Dev      [4]float64 // Normalize: deviation of each channel; channels beyond the fourth use the last
}

// MaxIndexed is the most pixels of a window that a MaxPoolIndex counts.
const MaxIndexed = 255

// Window is how a convolution or a pool moves over rows and columns.
type Window struct {
	Kernel   [2]int // rows, columns
	Stride   [2]int
	Dilation [2]int // convolutions only
	Pad      [4]int // top, bottom, left, right
	CountPad bool   // AvgPool: padding counts in the divisor (never beyond the padded input)
}

// Epilogue is what a kernel does to each output element before it is stored, in this order.
type Epilogue struct {
	Bias bool // ConvForward: add the bias
	Norm bool // ConvForward: batch norm from given statistics
	Add  bool // ConvForward, BN, ConvDataGrad: add z
	ReLU bool // ConvDataGrad: the gradient of the ReLU whose result is y, the last input
}

// EpilogueInputs is how many inputs a call's epilogue reads, behind the code's own.
func (d Desc) EpilogueInputs() int {
	one := func(reads bool) int {
		if reads {
			return 1
		}
		return 0
	}
	e := d.Epilogue
	switch d.Code {
	case ConvForward:
		return one(e.Bias) + 4*one(e.Norm) + one(e.Add)
	case ConvDataGrad:
		return one(e.Add) + one(e.ReLU)
	case BN:
		return one(e.Add)
	case BNGrad:
		return one(e.ReLU)
	}
	return 0
}

// ConvInputs says which inputs of a ConvForward are the bias, batch norm's mean, behind which
// are its variance, gamma and beta, and z: 0 for those that the epilogue does not read.
func (e Epilogue) ConvInputs() (bias, mean, z int) {
	next := 2
	take := func(reads bool, n int) (first int) {
		if reads {
			first, next = next, next+n
		}
		return first
	}
	return take(e.Bias, 1), take(e.Norm, 4), take(e.Add, 1)
}

// GradInputs says which inputs of a ConvDataGrad are z and y: 0 for those that the epilogue
// does not read.
func (e Epilogue) GradInputs() (z, y int) {
	next := 2
	if e.Add {
		z, next = next, next+1
	}
	if e.ReLU {
		y = next
	}
	return z, y
}

// LRNDesc is local response normalisation (Krizhevsky et al. 2012, §3.3): x/(K + Alpha·Σx²)^Beta
// over the N channels around each, clipped to x's box. Offset is the channel of x at which the
// output's box begins; for LRNGrad GradOffset is the channel of x at which dy's box begins.
type LRNDesc struct {
	N                  int
	K, Alpha, Beta     float64
	Offset, GradOffset int
}

// Random keys counter-based random numbers: element e of the whole tensor takes number e
// of the stream named by Key (and by the step, for Dropout).
type Random struct {
	Key    uint64
	Origin [4]int       // the output box's corner in the whole tensor
	Global layout.Shape // the whole tensor
}

// InPlace lists the inputs whose region the output may share.
func (c Code) InPlace() []int {
	switch c {
	case Bias, ReLU, BN, Dropout, RunningStat, SGD:
		return []int{0}
	case ReLUGrad:
		return []int{1, 0}
	case Add:
		return []int{0, 1}
	case BNGrad:
		return []int{6, 0}
	case LossGrad:
		return []int{0}
	}
	return nil
}

// Updates lists the inputs that a kernel reads and writes.
func (c Code) Updates() []int {
	if c == SGD {
		return []int{1}
	}
	return nil
}

// Fills lists the inputs that are further outputs: written, not read.
func (c Code) Fills() []int {
	switch c {
	case BNStats, MaxPoolIndex:
		return []int{1}
	case BNSums:
		return []int{6}
	}
	return nil
}

var codeNames = [codes]string{
	"invalid", "conv_forward", "conv_data_grad", "conv_filter_grad", "bias", "bias_grad", "relu", "relu_grad", "add",
	"max_pool", "max_pool_grad", "max_pool_index", "max_pool_index_grad", "avg_pool", "avg_pool_grad", "lrn", "lrn_grad", "bn_mean", "bn_var", "bn_stats", "bn", "bn_gamma_grad",
	"bn_sums", "bn_grad", "running_stat", "dropout", "flatten", "unflatten", "copy", "shuffle", "sum", "max", "row_max", "exp_sum", "count_above",
	"loss", "hits", "loss_grad", "sgd", "sum_of_squares", "fill_const", "fill_normal", "normalize",
}

func (c Code) String() string {
	if c >= codes {
		return "unknown"
	}
	return codeNames[c]
}

// Codes returns every kernel there is, for suites and coverage tests.
func Codes() []Code {
	var all []Code
	for c := Invalid + 1; c < codes; c++ {
		all = append(all, c)
	}
	return all
}
