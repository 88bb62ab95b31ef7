// What decides, besides the code, in which order and width the CPU adds up: runs that shall agree
// bit for bit must agree in this.
#pragma once

#include <string>

namespace fovea::cpu {

// "oneDNN 2.6.3, avx512_core_bf16": the library's version and the instruction set that it uses
// here.
[[nodiscard]] std::string arithmetic_description();

}  // namespace fovea::cpu
