// CUDA C++ for the emulator: what ../dev.h includes in place of inline PTX.
#pragma once
#include "language.h"
#include "intrinsics.h"
#include "warp.h"
#include "shared_memory.h"
#include "matrix.h"
#include "kernel.h"
