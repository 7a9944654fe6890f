//! How many records a data file holds, in memory that its size does not change.

use crate::Format;

/// Counts the records of a data file that [`encode`](crate::encode) wrote, piece by piece.
#[derive(Clone, Debug)]
pub(super) enum Counter {
    Json(Json),
    Ndjson(Lines),
    Csv(Csv),
    Xml(Xml),
}

impl Counter {
    pub(super) fn new(format: Format) -> Self {
        match format {
            Format::Json => Self::Json(Json::default()),
            Format::Ndjson => Self::Ndjson(Lines::default()),
            Format::Csv => Self::Csv(Csv::default()),
            Format::Xml => Self::Xml(Xml::default()),
        }
    }

    pub(super) fn feed(&mut self, piece: &[u8]) {
        match self {
            Self::Json(json) => piece.iter().for_each(|&byte| json.next(byte)),
            Self::Ndjson(lines) => piece.iter().for_each(|&byte| lines.next(byte)),
            Self::Csv(csv) => piece.iter().for_each(|&byte| csv.next(byte)),
            Self::Xml(xml) => piece.iter().for_each(|&byte| xml.next(byte)),
        }
    }

    pub(super) fn finish(self) -> u64 {
        match self {
            Self::Json(json) => json.count,
            Self::Ndjson(lines) => lines.finish(),
            // The header is a line too.
            Self::Csv(csv) => csv.lines.finish().saturating_sub(1),
            Self::Xml(xml) => xml.count,
        }
    }
}

/// Counts the objects directly within the outermost array.
#[derive(Clone, Debug, Default)]
pub(super) struct Json {
    count: u64,
    depth: u64,
    in_string: bool,
    escaped: bool,
}

impl Json {
    fn next(&mut self, byte: u8) {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => {
                self.count += u64::from(byte == b'{' && self.depth == 1);
                self.depth += 1;
            }
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }
}

/// Counts lines that are not empty.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines {
    count: u64,
    begun: bool,
}

impl Lines {
    fn next(&mut self, byte: u8) {
        if byte == b'\n' {
            self.count += u64::from(std::mem::take(&mut self.begun));
        } else if byte != b'\r' {
            self.begun = true;
        }
    }

    fn finish(self) -> u64 {
        self.count + u64::from(self.begun)
    }
}

/// Counts lines outside quotes. A doubled quote within a cell closes and opens it, which comes to the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Csv {
    lines: Lines,
    quoted: bool,
}

impl Csv {
    fn next(&mut self, byte: u8) {
        self.quoted ^= byte == b'"';
        if self.quoted {
            self.lines.begun = true;
        } else {
            self.lines.next(byte);
        }
    }
}

/// Counts `<record>`. No text, attribute or other construct of these files has a `<` of its own.
#[derive(Clone, Debug, Default)]
pub(super) struct Xml {
    count: u64,
    matched: usize,
}

impl Xml {
    fn next(&mut self, byte: u8) {
        const TAG: &[u8] = b"<record>";
        self.matched = match byte {
            _ if TAG.get(self.matched) == Some(&byte) => self.matched + 1,
            b'<' => 1,
            _ => 0,
        };
        if self.matched == TAG.len() {
            self.count += 1;
            self.matched = 0;
        }
    }
}
