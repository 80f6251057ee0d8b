// ELU (Clevert, Unterthiner and Hochreiter 2016), elementwise.
//
//   forward   output = input > 0 ? input : alpha * (exp(input) - 1)
//   backward  grad_input (+)= grad_output * (output > 0 ? 1 : output + alpha)
//
// The derivative is taken from the output, as alpha is not below zero: so the input need not be kept.

//!include common/activation.wgsl

fn activate(x: real, alpha: f32) -> real {
  return select(alpha * (exp(min(x, real(0.0))) - 1.0), x, x > real(0.0));
}

fn derivative(y: real, alpha: f32) -> real {
  return select(y + alpha, real(1.0), y > real(0.0));
}
