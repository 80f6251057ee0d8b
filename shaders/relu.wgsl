// ReLU and leaky ReLU, elementwise; alpha is the slope below zero.
//
//   forward   output = max(input, 0) + alpha * min(input, 0)
//   backward  grad_input (+)= grad_output * (output > 0 ? 1 : alpha)
//
// The output is above zero where the input is, as alpha is not below zero: so the input need not be kept.

//!include common/activation.wgsl

fn activate(x: real, alpha: f32) -> real {
  return max(x, real(0.0)) + alpha * min(x, real(0.0));
}

fn derivative(y: real, alpha: f32) -> real {
  return select(real(alpha), real(1.0), y > real(0.0));
}
