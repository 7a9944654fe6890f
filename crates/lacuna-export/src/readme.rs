//! `README.html`: what a package is and how to read it, for the person whose data it holds.
//!
//! One page that needs nothing else: no scripts, no fonts, no images. It reads on a phone, on paper and aloud.

use std::fmt::{self, Display, Write};

use crate::{
    Format, Manifest, RequestInfo,
    manifest::{File, Source},
    package,
};

/// How many files the page links to; the manifest lists them all.
const LINKS_MAX: usize = 200;

const STYLE: &str = "\
:root{color-scheme:light dark}
body{font:1rem/1.5 system-ui,sans-serif;max-width:48rem;margin:0 auto;padding:1rem;overflow-wrap:break-word}
h1{line-height:1.2}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1rem}
dt{font-weight:600}
dd{margin:0;min-width:0}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%}
caption{text-align:left;padding:.25rem 0}
th,td{border:1px solid #8888;padding:.375rem .625rem;text-align:left;vertical-align:top}
.count{text-align:right;font-variant-numeric:tabular-nums}
.notice{border-left:.25rem solid #b45309;padding:.25rem 1rem}
@media(max-width:30rem){dl{grid-template-columns:1fr}dd{margin-bottom:.5rem}}
@media print{body{max-width:none;padding:0}.wide{overflow:visible}tr{break-inside:avoid}}
";

/// The page for a package, whose own entry `manifest` does not have yet.
pub fn render(info: &RequestInfo, manifest: &Manifest) -> String {
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = write_page(info, manifest, &mut page);
    page
}

fn write_page(info: &RequestInfo, manifest: &Manifest, page: &mut String) -> fmt::Result {
    writeln!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n<meta name=\"robots\" content=\"noindex\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>Your personal data from activity logs</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>Your personal data from activity logs</h1>"
    )?;
    writeln!(
        page,
        "<p>This package holds a copy of the records about you that were found in the logs of the products below. It was \
         made to answer a request for your personal data. It holds <strong>{}</strong>.</p>",
        counted(manifest.records, "record")
    )?;
    if !manifest.complete {
        writeln!(
            page,
            "<p class=\"notice\" role=\"note\"><strong>This package is not complete.</strong> Some of the data could not be \
             read. <a href=\"#missing\">What is not included</a> says which.</p>"
        )?;
    }
    write_request(info, page)?;
    write_counts(manifest, page)?;
    write_files(manifest, page)?;
    write_reading(manifest.format, page)?;
    write_missing(manifest, page)?;
    write_about(manifest, page)?;
    page.push_str("</main>\n</body>\n</html>\n");
    Ok(())
}

fn write_request(info: &RequestInfo, page: &mut String) -> fmt::Result {
    page.push_str("<h2 id=\"request\">The request</h2>\n<dl>\n");
    let mut fact = |name: &str, value: &dyn Display| writeln!(page, "<dt>{name}</dt><dd>{value}</dd>");
    fact("Request", &Escaped(&info.request))?;
    if let Some(tenant) = &info.tenant {
        fact("Organization", &Escaped(tenant))?;
    }
    fact("Type", &Escaped(&info.request_type))?;
    let times =
        [("Requested", &info.requested_at), ("Search began", &info.started_at), ("Package made", &info.finished_at)];
    for (name, time) in times {
        if let Some(time) = time {
            fact(name, &Escaped(time))?;
        }
    }
    let window = info.window.as_ref().map(|window| (window.from.as_deref(), window.until.as_deref()));
    match window {
        Some((Some(from), Some(until))) => {
            fact("Period", &format_args!("from {} until before {}", Escaped(from), Escaped(until)))?;
        }
        Some((Some(from), None)) => fact("Period", &format_args!("from {}", Escaped(from)))?,
        Some((None, Some(until))) => fact("Period", &format_args!("until before {}", Escaped(until)))?,
        None | Some((None, None)) => fact("Period", &"all records")?,
    }
    let kinds = info.identifier_kinds.join(", ");
    fact("Searched by", &Escaped(if kinds.is_empty() { "none" } else { &kinds }))?;
    page.push_str("</dl>\n");
    Ok(())
}

fn write_counts(manifest: &Manifest, page: &mut String) -> fmt::Result {
    page.push_str("<h2 id=\"records\">What was found</h2>\n");
    if manifest.sources.is_empty() {
        page.push_str("<p>No log was searched.</p>\n");
        return Ok(());
    }
    page.push_str(
        "<div class=\"wide\"><table>\n<caption>Records by product and type of data</caption>\n\
         <thead><tr><th scope=\"col\">Product</th><th scope=\"col\">Type of data</th>\
         <th scope=\"col\" class=\"count\">Records</th></tr></thead>\n<tbody>\n",
    );
    for (product, data_type, matched) in counts(&manifest.sources) {
        writeln!(
            page,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td class=\"count\">{matched}</td></tr>",
            Escaped(product),
            Escaped(data_type)
        )?;
    }
    let total = manifest.sources.iter().map(|source| source.matched).fold(0, u64::saturating_add);
    writeln!(
        page,
        "</tbody>\n<tfoot><tr><th scope=\"row\" colspan=\"2\">Total</th><td class=\"count\">{total}</td></tr></tfoot>\n\
         </table></div>"
    )
}

/// How many rows matched of each product and data type, in the order of their first sources.
fn counts(sources: &[Source]) -> Vec<(&str, &str, u64)> {
    let mut counts: Vec<(&str, &str, u64)> = Vec::new();
    for source in sources {
        let known = counts
            .iter_mut()
            .find(|(product, data_type, _)| (*product, *data_type) == (&source.product, &source.data_type));
        match known {
            Some((_, _, matched)) => *matched = matched.saturating_add(source.matched),
            None => counts.push((&source.product, &source.data_type, source.matched)),
        }
    }
    counts
}

fn write_files(manifest: &Manifest, page: &mut String) -> fmt::Result {
    let files: Vec<(&File, u64)> = manifest.files.iter().filter_map(|file| Some((file, file.records?))).collect();
    page.push_str("<h2 id=\"files\">The files</h2>\n");
    if files.is_empty() {
        page.push_str("<p>There are no records, so there are no data files.</p>\n");
        return Ok(());
    }
    page.push_str(
        "<div class=\"wide\"><table>\n<caption>Data files of this package</caption>\n\
         <thead><tr><th scope=\"col\">File</th><th scope=\"col\" class=\"count\">Records</th>\
         <th scope=\"col\" class=\"count\">Bytes</th></tr></thead>\n<tbody>\n",
    );
    for (file, records) in files.iter().take(LINKS_MAX) {
        writeln!(
            page,
            "<tr><th scope=\"row\"><a href=\"{}\">{}</a></th><td class=\"count\">{records}</td><td class=\"count\">{}</td></tr>",
            Href(&file.path),
            Escaped(&file.path),
            file.bytes
        )?;
    }
    page.push_str("</tbody>\n</table></div>\n");
    if files.len() > LINKS_MAX {
        writeln!(page, "<p>And {} more, which <code>manifest.json</code> lists.</p>", files.len() - LINKS_MAX)?;
    }
    Ok(())
}

fn write_reading(format: Format, page: &mut String) -> fmt::Result {
    let how = match format {
        Format::Json => {
            "The data files are JSON: each is a list of records, and each record names its fields. Any text editor opens \
             them, most browsers show them neatly, and other services can import them."
        }
        Format::Ndjson => {
            "The data files are NDJSON: each line is one record as a JSON object that names its fields. Any text editor \
             opens them, and other services can import them."
        }
        Format::Csv => {
            "The data files are CSV tables, which any spreadsheet opens: a row is a record, and the first row names the \
             columns. An apostrophe at the start of a cell was put there so that no program runs the cell as a formula; it \
             is not part of the value. An empty cell has no value. Lists and objects are written as JSON. Open the files as \
             text columns if long numbers must keep all their digits."
        }
        Format::Xml => {
            "The data files are XML: each <code>record</code> holds its fields by name. Any browser or text editor opens \
             them, and other services can import them. A field with <code>encoding=\"json\"</code> holds characters that \
             XML cannot, so its text is written as a JSON string."
        }
    };
    writeln!(
        page,
        "<h2 id=\"reading\">How to read them</h2>\n<p>{how}</p>\n\
         <p>Records are given as the products logged them: field names, numbers and times are unchanged. Times end in their \
         offset from UTC where the product logged one (<code>Z</code> is UTC). Values that are not text, such as keys or \
         hashes, are in base64.</p>"
    )
}

fn write_missing(manifest: &Manifest, page: &mut String) -> fmt::Result {
    page.push_str("<h2 id=\"missing\">What is not included, and why</h2>\n");
    let unread: Vec<&Source> = manifest.sources.iter().filter(|source| !source.problems.is_empty()).collect();
    if unread.is_empty() && manifest.excluded.is_empty() {
        page.push_str(if manifest.complete {
            "<p>Nothing was left out: every log that was searched could be read whole.</p>\n"
        } else {
            "<p>The search ended before all logs were read.</p>\n"
        });
        return Ok(());
    }
    page.push_str(
        "<div class=\"wide\"><table>\n<caption>Data that is not in this package, or only in part</caption>\n\
         <thead><tr><th scope=\"col\">Product</th><th scope=\"col\">Type of data</th><th scope=\"col\">Why</th></tr></thead>\n\
         <tbody>\n",
    );
    let mut row = |product: &str, data_type: &str, why: &dyn Display| {
        writeln!(
            page,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td>{why}</td></tr>",
            Escaped(product),
            Escaped(data_type)
        )
    };
    for excluded in &manifest.excluded {
        row(&excluded.product, &excluded.data_type, &Escaped(&excluded.reason))?;
    }
    for source in unread {
        let parts = counted(source.problems.len().try_into().unwrap_or(u64::MAX), "part");
        let why = format_args!(
            "{parts} of the logs could not be read whole; <code>manifest.json</code> names each with the reason."
        );
        row(&source.product, &source.data_type, &why)?;
    }
    page.push_str("</tbody>\n</table></div>\n");
    Ok(())
}

fn write_about(manifest: &Manifest, page: &mut String) -> fmt::Result {
    writeln!(
        page,
        "<h2 id=\"package\">About this package</h2>\n<dl>\n\
         <dt><a href=\"{info}\">{info}</a></dt><dd>what was asked for and when</dd>\n\
         <dt><a href=\"{manifest_file}\">{manifest_file}</a></dt><dd>every file with its size, checksum and number of records, \
         and every log that was searched</dd>\n\
         <dt>{signature}</dt><dd>the same, signed: it shows whether anything was changed since</dd>\n</dl>\n\
         <p>Made by {tool}.</p>",
        info = package::REQUEST_INFO,
        manifest_file = package::MANIFEST,
        signature = package::MANIFEST_SIGNATURE,
        tool = Escaped(&manifest.tool),
    )
}

/// `1 record`, `2 records`.
fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// A text as HTML, in elements and in quoted attributes.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                // HTML has no way to write them; they would show as nothing, or turn the text around.
                '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => f.write_str("\u{fffd}")?,
                _ if letter.is_control() && letter != '\n' && letter != '\t' => f.write_str("\u{fffd}")?,
                _ => f.write_char(letter)?,
            }
        }
        Ok(())
    }
}

/// A path within the package as a relative URL.
struct Href<'a>(&'a str);

impl Display for Href<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A first segment with a colon would be a scheme.
        f.write_str("./")?;
        for &byte in self.0.as_bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'/') {
                f.write_char(char::from(byte))?;
            } else {
                write!(f, "%{byte:02X}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
