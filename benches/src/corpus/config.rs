//! The `lacuna.toml` of a sample.

use std::{fmt::Write as _, path::Path};

use super::{
    sample::Format,
    written::{OnErase, Written},
};

/// A configuration for the sample that lies in `store` and exports to `export`; both should be absolute.
pub fn config(written: &Written, store: &Path, export: &Path) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "[store]\nurl = {}\n\n[export]\nurl = {}", text(&file_url(store)), text(&file_url(export)));
    for source in &written.sources {
        let _ = writeln!(out, "\n[[source]]\nname = {}\nshards = {}", text(&source.name), text(&source.shards));
        if source.format != Format::Parquet {
            let _ = writeln!(out, "format = {}", text(source.format.name()));
        }
        if let Some(records) = &source.records {
            let _ = writeln!(out, "records = {}", text(records));
        }
        let _ = writeln!(out, "product = {}\ndata_type = {}", text(&source.product), text(&source.data_type));
        let identifiers: Vec<String> = (source.identifiers.iter())
            .map(|identifier| {
                let case = if identifier.case_insensitive { ", case = \"insensitive\"" } else { "" };
                format!("{{ column = {}, kind = {}{case} }}", text(&identifier.column), text(&identifier.kind))
            })
            .collect();
        let _ = writeln!(out, "identifiers = [\n    {},\n]", identifiers.join(",\n    "));
        let _ = writeln!(out, "tenant = {}\ntime = {}", text(&source.tenant), text(&source.time));
        let _ = match &source.on_erase {
            OnErase::Delete => writeln!(out, "on_erase = \"delete\""),
            OnErase::Keep { reason } => writeln!(out, "on_erase = \"keep\"\nreason = {}", text(reason)),
        };
    }
    out
}

/// A basic string of TOML: JSON's escapes are a part of TOML's.
fn text(value: &str) -> String {
    let mut out = String::new();
    super::json::push_string(&mut out, value);
    out
}

/// `path` as a URL, with what a URL's path cannot hold percent-encoded.
fn file_url(path: &Path) -> String {
    let mut url = "file://".to_owned();
    for byte in path.to_string_lossy().bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(&byte) {
            url.push(char::from(byte));
        } else {
            let _ = write!(url, "%{byte:02X}");
        }
    }
    url
}
