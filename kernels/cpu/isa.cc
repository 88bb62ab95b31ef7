#include "kernels/cpu/isa.h"

#include "engine/core/error.h"
#include "kernels/cpu/dnnl.h"

namespace fovea::cpu {
namespace {

std::string isa_name(dnnl::cpu_isa isa) {
  switch (isa) {
    case dnnl::cpu_isa::sse41:
      return "sse41";
    case dnnl::cpu_isa::avx:
      return "avx";
    case dnnl::cpu_isa::avx2:
      return "avx2";
    case dnnl::cpu_isa::avx2_vnni:
      return "avx2_vnni";
    case dnnl::cpu_isa::avx512_core:
      return "avx512_core";
    case dnnl::cpu_isa::avx512_core_vnni:
      return "avx512_core_vnni";
    case dnnl::cpu_isa::avx512_core_bf16:
      return "avx512_core_bf16";
    default:
      return str("instruction set ", static_cast<int>(isa));
  }
}

}  // namespace

std::string arithmetic_description() {
  const dnnl::version_t& version = *dnnl::version();
  return str("oneDNN ", version.major, ".", version.minor, ".", version.patch, ", ",
             isa_name(dnnl::get_effective_cpu_isa()));
}

}  // namespace fovea::cpu
