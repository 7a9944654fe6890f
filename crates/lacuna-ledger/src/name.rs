//! What may be kept as a name.

/// Bytes of a name at most.
const BYTES_MAX: usize = 200;

/// Whether a name is there, is short enough for an index, and holds nothing that a database refuses or a log would be broken by.
pub(crate) fn is_name(name: &str) -> bool {
    !name.trim().is_empty() && name.len() <= BYTES_MAX && !name.contains(char::is_control)
}
