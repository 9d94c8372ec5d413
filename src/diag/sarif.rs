//! Diagnostics as a SARIF 2.1.0 log (OASIS, 2020), which code hosts and editors read: the codes as rules with their
//! pages, the findings as results with regions, related places and fixes.

use serde_json::{Map, Value, json};

use crate::diag::codes::PAGES;
use crate::diag::{Diagnostic, Fix, Label, Severity};
use crate::source::{Sources, Span};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// The log of one run over files with their findings; `unreadable` says which files could not be read, and why.
pub fn log(checked: &[(&Sources, &[Diagnostic])], unreadable: &[String]) -> Value {
    let results: Vec<Value> =
        checked.iter().flat_map(|(sources, found)| found.iter().map(|d| result(sources, d))).collect();
    let failures: Vec<Value> = unreadable
        .iter()
        .map(|message| json!({ "level": "error", "message": { "text": message } }))
        .collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "dslc",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules(),
            } },
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": failures.is_empty(),
                "toolExecutionNotifications": failures,
            }],
            "results": results,
        }],
    })
}

fn rules() -> Vec<Value> {
    let rule = |page: &crate::diag::codes::Page| {
        let level = if page.code.starts_with('W') { "warning" } else { "error" };
        json!({
            "id": page.code,
            "shortDescription": { "text": page.title() },
            "fullDescription": { "text": page.meaning() },
            "help": { "text": page.text, "markdown": page.text },
            "defaultConfiguration": { "level": level },
        })
    };
    PAGES.iter().map(rule).collect()
}

fn result(sources: &Sources, d: &Diagnostic) -> Value {
    let mut result = Map::new();
    result.insert("ruleId".to_owned(), json!(d.code));
    if let Some(index) = PAGES.iter().position(|page| page.code == d.code) {
        result.insert("ruleIndex".to_owned(), json!(index));
    }
    let level = match d.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    result.insert("level".to_owned(), json!(level));
    let text: Vec<&str> = std::iter::once(&d.message).chain(&d.notes).map(String::as_str).collect();
    result.insert("message".to_owned(), json!({ "text": text.join("\n") }));
    result.insert("locations".to_owned(), location(sources, &d.primary).into_iter().collect());
    let related: Vec<Value> = d.related.iter().filter_map(|label| location(sources, label)).collect();
    if !related.is_empty() {
        result.insert("relatedLocations".to_owned(), json!(related));
    }
    let fixes: Vec<Value> = d.fixes.iter().filter_map(|fix| edits(sources, fix)).collect();
    if !fixes.is_empty() {
        result.insert("fixes".to_owned(), json!(fixes));
    }
    Value::Object(result)
}

/// A labelled place; none where it lies in no file of the user's (a `--set`, the language's own library).
fn location(sources: &Sources, label: &Label) -> Option<Value> {
    let span = label.span;
    let mut location = json!({ "physicalLocation": {
        "artifactLocation": artifact(sources, span)?,
        "region": region(sources, span),
    } });
    if !label.text.is_empty() {
        location["message"] = json!({ "text": label.text });
    }
    Some(location)
}

fn artifact(sources: &Sources, span: Span) -> Option<Value> {
    sources.on_disk(span.file).then(|| json!({ "uri": uri(&sources.get(span.file).path) }))
}

/// 1-based, in characters, the end exclusive.
fn region(sources: &Sources, span: Span) -> Value {
    let file = sources.get(span.file);
    let (start_line, start_column) = file.line_column(span.start as usize);
    let (end_line, end_column) = file.line_column(span.end as usize);
    json!({
        "startLine": start_line,
        "startColumn": start_column,
        "endLine": end_line,
        "endColumn": end_column,
    })
}

/// A fix that can be applied; advice in words has no place in the format and is left to the other formats.
fn edits(sources: &Sources, fix: &Fix) -> Option<Value> {
    let mut changes: Vec<(Span, Vec<Value>)> = Vec::new();
    for (span, text) in &fix.edits {
        let replacement =
            json!({ "deletedRegion": region(sources, *span), "insertedContent": { "text": text } });
        match changes.iter_mut().find(|(other, _)| other.file == span.file) {
            Some((_, replacements)) => replacements.push(replacement),
            None => changes.push((*span, vec![replacement])),
        }
    }
    let changes: Option<Vec<Value>> = changes
        .into_iter()
        .map(|(span, replacements)| {
            Some(json!({ "artifactLocation": artifact(sources, span)?, "replacements": replacements }))
        })
        .collect();
    let changes = changes.filter(|changes| !changes.is_empty())?;
    Some(json!({ "description": { "text": fix.title }, "artifactChanges": changes }))
}

/// A path as a URI reference (RFC 3986).
fn uri(path: &str) -> String {
    let mut out = String::new();
    if path.starts_with('/') {
        out.push_str("file://");
    }
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(char::from(byte))
            }
            b'\\' if cfg!(windows) => out.push('/'),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_uris() {
        assert_eq!(uri("models/a b.net"), "models/a%20b.net");
        assert_eq!(uri("/tmp/ä#1.net"), "file:///tmp/%C3%A4%231.net");
    }

    #[test]
    fn a_run_without_findings_is_a_whole_document() {
        let log = log(&[], &["nowhere.net does not exist".to_owned()]);
        let run = &log["runs"][0];
        assert_eq!(run["results"], json!([]));
        assert_eq!(run["invocations"][0]["executionSuccessful"], false);
        assert_eq!(run["tool"]["driver"]["rules"].as_array().map(Vec::len), Some(PAGES.len()));
    }
}
