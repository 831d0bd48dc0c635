package choose

import "cleave/kernels"

// choosers of all kernels; a test holds it complete.
var choosers = map[kernels.Code]chooser{
	kernels.ConvForward:    chooseConv,
	kernels.ConvDataGrad:   chooseConv,
	kernels.ConvFilterGrad: chooseConv,
}
