//! The formats of a package's data files.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The format of a package's data files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One array of objects.
    #[default]
    Json,
    /// One object a line.
    Ndjson,
    /// Comma-separated values that no spreadsheet takes for a formula.
    Csv,
    /// One element a record.
    Xml,
}

/// The name of no format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no export format; there are json, ndjson, csv and xml")]
pub struct FormatError;

impl Format {
    /// All formats, the default first.
    pub const ALL: [Self; 4] = [Self::Json, Self::Ndjson, Self::Csv, Self::Xml];

    /// The format's name, which is its files' extension too.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
            Self::Xml => "xml",
        }
    }

    /// What the files' `Content-Type` is.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Xml => "application/xml",
        }
    }
}

impl FromStr for Format {
    type Err = FormatError;

    fn from_str(name: &str) -> Result<Self, FormatError> {
        Self::ALL.into_iter().find(|format| format.extension().eq_ignore_ascii_case(name)).ok_or(FormatError)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.extension())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_format_and_back() {
        for format in Format::ALL {
            assert_eq!(format.to_string().parse(), Ok(format));
            assert_eq!(serde_json::to_value(format).unwrap(), format.extension());
        }
        assert_eq!("JSON".parse(), Ok(Format::Json));
        assert_eq!("parquet".parse::<Format>(), Err(FormatError));
    }
}
