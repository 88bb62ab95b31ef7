// The most single-precision arithmetic that this machine does, to hold other rates against.
#pragma once

namespace fovea::cpu {

// FLOP/s of fused multiply-adds on registers alone (two each), on every OpenMP thread at once: the
// best of a few short runs, about 0.1 s in all.
[[nodiscard]] double measure_peak_flops();

}  // namespace fovea::cpu
