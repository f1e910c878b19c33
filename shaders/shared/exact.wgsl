// Arithmetic that rounds alike on every device.

// Whether this device's compiler has to be kept from rounding in ways of its own.
override fuses: bool = true;
//#include shared/rounding.wgsl
