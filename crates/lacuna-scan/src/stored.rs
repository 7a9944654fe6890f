//! Bytes in an Arrow column that stand for what no type of Arrow's holds exactly.

use std::collections::HashMap;

use arrow::datatypes::Field;

const NAME: &str = "ARROW:extension:name";

/// What the bytes of an Arrow column are, as its field's extension type says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// Parquet's INT96, 12 bytes: the nanoseconds of a day, then the Julian day. The extension's metadata is a time zone, if there is any.
    Int96,
    /// Parquet's INTERVAL, 12 bytes: months, days and milliseconds.
    Interval,
    /// Text that need not be UTF-8.
    Text,
}

impl Stored {
    fn name(self) -> &'static str {
        match self {
            Self::Int96 => "lacuna.int96",
            Self::Interval => "lacuna.interval",
            Self::Text => "lacuna.text",
        }
    }

    /// What `field` says that its bytes are.
    pub fn of(field: &Field) -> Option<Self> {
        let name = field.extension_type_name()?;
        [Self::Int96, Self::Interval, Self::Text].into_iter().find(|stored| stored.name() == name)
    }

    /// `field` with this said of its bytes. What else it said of them goes.
    #[must_use]
    pub fn mark(self, field: Field, metadata: Option<&str>) -> Field {
        let mut said: HashMap<_, _> = field.metadata().clone();
        said.retain(|key, _| !key.starts_with("ARROW:extension:"));
        said.insert(NAME.to_owned(), self.name().to_owned());
        said.extend(metadata.map(|metadata| ("ARROW:extension:metadata".to_owned(), metadata.to_owned())));
        field.with_metadata(said)
    }
}
