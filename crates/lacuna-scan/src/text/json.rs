//! One JSON record: validated whole (RFC 8259), and its values at the mapped paths handed to a [`Visitor`] on the way.
//!
//! Every object with a key counts that key, however often it stands there and however it is escaped. A `\u` escape that is
//! half of a surrogate pair is allowed by the grammar and has no UTF-8 form; it is handed on in three bytes that are no UTF-8,
//! so it equals no identifier and no mapped name.

pub(super) mod marks;
mod paths;
pub(super) mod scan;
pub(super) mod shapes;
mod walk;

pub use paths::Paths;
pub use walk::{Visitor, Walker};
