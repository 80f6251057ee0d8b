// GELU (Hendrycks and Gimpel 2016), elementwise; PHI is the normal distribution function.
//
//   forward   output = input * PHI(input)
//   backward  grad_input (+)= grad_output * (PHI(input) + input * PHI'(input))
//
// PHI(x) = (1 + erf(x / sqrt(2))) / 2, or with TANH PyTorch's approximation (1 + tanh(u)) / 2 with
// u = sqrt(2 / pi) * (x + 0.044715 x^3). WGSL has no erf: it is a rational function of degree 13 over 8 (the one of
// Eigen and XLA), at most 3e-7 off. The curve has a valley, so the derivative is taken from the input.

//!include common/activation.wgsl

// 1: the approximation with tanh.
const TANH = 0u; // @spec
const SQRT_2_OVER_PI = 0.7978845608028654;
const CUBIC = 0.044715;

fn erf(x: real) -> real {
  let t = clamp(x, real(-4.0), real(4.0));
  let s = t * t;
  var p = s * -2.72614225801306e-10 + 2.77068142495902e-08;
  p = p * s - 2.10102402082508e-06;
  p = p * s - 5.69250639462346e-05;
  p = p * s - 7.34990630326855e-04;
  p = p * s - 2.95459980854025e-03;
  p = p * s - 1.60960333262415e-02;
  var q = s * -1.45660718464996e-05 - 2.13374055278905e-04;
  q = q * s - 1.68282697438203e-03;
  q = q * s - 7.37332916720468e-03;
  q = q * s - 1.42647390514189e-02;
  return select(t * p / q, sign(x), abs(x) > real(4.0));
}

// tanh of what the approximation takes; beyond 9 it is 1, and some drivers' own overflows further out.
fn bent(x: real) -> real {
  return tanh(clamp(SQRT_2_OVER_PI * (x + CUBIC * x * x * x), real(-9.0), real(9.0)));
}

fn activate(x: real, alpha: f32) -> real {
  if (TANH != 0u) {
    return 0.5 * x * (1.0 + bent(x));
  }
  return 0.5 * x * (1.0 + erf(x * 0.7071067811865476));
}

fn derivative(x: real, alpha: f32) -> real {
  if (TANH != 0u) {
    let t = bent(x);
    let inner = SQRT_2_OVER_PI * (1.0 + 3.0 * CUBIC * x * x);
    return 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * inner;
  }
  let density = 0.3989422804014327 * exp(-0.5 * x * x);
  return 0.5 * (1.0 + erf(x * 0.7071067811865476)) + x * density;
}
