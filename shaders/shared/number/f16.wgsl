enable f16;
// Products of numbers in half precision.
alias Number = f16;
alias Quad = vec4<f16>;
