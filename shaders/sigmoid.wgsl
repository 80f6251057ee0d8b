// Sigmoid, elementwise.
//
//   forward   output = 1 / (1 + exp(-input)), from exp(-|input|), so that nothing overflows
//   backward  grad_input (+)= grad_output * output * (1 - output)

//!include common/activation.wgsl

fn activate(x: real, alpha: f32) -> real {
  let e = exp(-abs(x));
  return select(e, real(1.0), x >= real(0.0)) / (1.0 + e);
}

fn derivative(y: real, alpha: f32) -> real {
  return y * (1.0 - y);
}
