//! cpu runner.
