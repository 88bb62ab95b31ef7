// Inner product by cuBLAS, whose matrices stand column by column: a row-major (rows, columns)
// matrix is its (columns, rows) one.
//
//   y^T (K,N) = w (K,I) x^T (I,N)      dx^T (I,N) = w^T (I,K) dy^T (K,N)      dw^T (I,K) = x^T
//   (I,N) dy (N,K) tf32, bf16: the library rounds operands on their way to the tensor cores
#include "kernels/cudnn/linear.h"

namespace fovea::cudnn {
namespace {

// What cuBLAS takes by itself on a GPU of compute capability 9 (cuBLAS documentation,
// cublasSetWorkspace).
constexpr std::size_t kWorkspaceBytes = std::size_t{32} << 20;

cublasComputeType_t compute_type(Precision precision) {
  switch (precision) {
    case Precision::kBf16:
      return CUBLAS_COMPUTE_32F_FAST_16BF;
    case Precision::kTf32:
      return CUBLAS_COMPUTE_32F_FAST_TF32;
    default:
      return CUBLAS_COMPUTE_32F;
  }
}

class InnerProductOp final : public LinearOp {
 public:
  explicit InnerProductOp(const OpProblem& problem)
      : LinearOp(problem),
        inputs_(static_cast<int>(problem.bottoms[0].count_from(1))),
        compute_(compute_type(problem.precision)) {}

  [[nodiscard]] std::size_t scratch_bytes() const override {
    return kPart + std::max(kWorkspaceBytes, partial_bytes());
  }

  void forward(std::uint64_t) override {
    multiply(CUBLAS_OP_T, CUBLAS_OP_N, {outputs(), rows_, inputs_}, {binding_.params[0], inputs_},
             {binding_.bottoms[0].data, inputs_}, {binding_.tops[0].data, outputs()});
    add_bias_and_relu();
  }

  void backward(std::uint64_t) override {
    mask_and_sum(scratch());
    const Matrix dy{binding_.top_grads[0].data, outputs()};
    if (float* dx = binding_.bottom_grads[0].data)
      multiply(CUBLAS_OP_N, CUBLAS_OP_N, {inputs_, rows_, outputs()}, {binding_.params[0], inputs_},
               dy, {dx, inputs_});
    if (float* dw = binding_.param_grads[0])
      multiply(CUBLAS_OP_N, CUBLAS_OP_T, {inputs_, outputs(), rows_},
               {binding_.bottoms[0].data, inputs_}, dy, {dw, inputs_});
  }

 private:
  struct Matrix {
    float* data;
    int pitch;  // from column to column
  };
  struct Extents {
    int m, n, k;
  };
  void multiply(cublasOperation_t a_form, cublasOperation_t b_form, Extents e, Matrix a, Matrix b,
                Matrix c) const {
    cublasHandle_t handle = handles_->cublas_on(queue_, scratch(), kWorkspaceBytes);
    check(api().cublasGemmEx(handle, a_form, b_form, e.m, e.n, e.k, &kOne, a.data, CUDA_R_32F,
                             a.pitch, b.data, CUDA_R_32F, b.pitch, &kZero, c.data, CUDA_R_32F,
                             c.pitch, compute_, CUBLAS_GEMM_DEFAULT));
  }

  int inputs_;
  cublasComputeType_t compute_;
};

std::string supports(const OpProblem& problem) {
  if (!std::holds_alternative<InnerProductParams>(problem.params)) return "another operation";
  // cuDNN's activation, which follows the product, has no slope.
  return problem.fused_relu && problem.relu_slope != 0 ? "a leaky ReLU" : "";
}

}  // namespace

extern const Implementation kInnerProduct;
const Implementation kInnerProduct{"cublas:inner_product", supports, create_op_of<InnerProductOp>,
                                   Origin::kLibrary};

}  // namespace fovea::cudnn
