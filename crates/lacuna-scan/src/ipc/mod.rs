//! Arrow IPC files and streams.
//!
//! Both are a schema message followed by dictionary and record batch messages; a file adds a footer that lists them. So both
//! are read in one pass from the first byte to the last, and a file's footer must then agree with what was read. A file whose rows
//! come before values that they use needs these first.
//!
//! - [`frame`]: bytes into messages.
//! - [`message`]: what a message's metadata says, checked.
//! - [`schema`]: the columns, with the ids of their dictionaries.
//! - [`decode`]: buffers into validated arrays, column by column.
//! - [`dictionaries`]: the dictionaries as they stand at a place in the shard.
//! - [`footer`]: whether a file's footer lists what the file holds.
//! - [`ahead`]: the dictionaries that a file needs first.
//! - [`reader`]: all of these put together, message by message.
//! - [`resolve`]: mapped paths into column numbers.
//! - [`values`]: the values that lie at a path.
//! - [`search`]: the search itself.
//! - `unused`: identifiers that only dictionaries hold.

pub mod ahead;
pub mod decode;
pub mod dictionaries;
pub mod footer;
pub mod frame;
mod held;
pub mod message;
pub mod reader;
mod records;
pub mod resolve;
pub mod schema;
pub mod search;
mod unpack;
mod unused;
pub mod values;

pub use ahead::{Ahead, Lookahead};
pub use held::held_values;
pub use records::records;
pub use search::IpcSearch;
