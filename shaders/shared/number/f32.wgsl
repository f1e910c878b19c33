// Products of numbers in single precision.
alias Number = f32;
alias Quad = vec4f;
