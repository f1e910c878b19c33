//! gpu runner.
