// Inner product in double; contract and letters: kernels/ops/inner_product.h.
#pragma once

#include "kernels/ops/inner_product.h"
#include "kernels/reference/views.h"

namespace fovea::reference {

// y[n,k] = b[k] + sum_i w[k,i] x[n,i]; b may be null.
void inner_product(Input x, Input w, Input b, Output y);

void inner_product_gradient(Input x, Input w, Input dy, Output dx, Output dw, Output db);

}  // namespace fovea::reference
