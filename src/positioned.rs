//! Reading and writing files by position, so that threads can share one open file.

use std::fs::File;
use std::io;

/// Fills `out` from the bytes at `position`.
#[cfg(unix)]
pub(crate) fn read_at(file: &File, position: u64, out: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, out, position)
}

/// Writes all of `bytes` at `position`.
#[cfg(unix)]
pub(crate) fn write_at(file: &File, position: u64, bytes: &[u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, position)
}

/// Fills `out` from the bytes at `position`.
#[cfg(windows)]
pub(crate) fn read_at(file: &File, mut position: u64, mut out: &mut [u8]) -> io::Result<()> {
    while !out.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, out, position)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => {
                out = &mut out[n..];
                position += n as u64;
            }
        }
    }
    Ok(())
}

/// Writes all of `bytes` at `position`.
#[cfg(windows)]
pub(crate) fn write_at(file: &File, mut position: u64, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_write(file, bytes, position)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            n => {
                bytes = &bytes[n..];
                position += n as u64;
            }
        }
    }
    Ok(())
}
