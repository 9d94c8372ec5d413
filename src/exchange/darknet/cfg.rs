//! The text of a `.cfg` → its sections, in order, with their settings: `[name]`, then `key=value` on each line.

use crate::diag::Fault;
use crate::exchange::darknet::wrong;
use crate::exchange::import::building::cannot;
use crate::exchange::import::line::Origin;

/// The most sections.
const MAX_SECTIONS: usize = 20_000;
/// The largest number of a setting.
const MAX_NUMBER: i64 = 1 << 24;

/// A section: what it is called, where, and its settings.
pub struct Section<'t> {
    pub name: &'t str,
    pub line: usize,
    settings: Vec<(&'t str, &'t str)>,
    /// `convolutional 12`, which counts as Darknet prints it.
    pub origin: Origin,
}

pub fn sections(text: &str) -> Result<Vec<Section<'_>>, Fault> {
    let mut found: Vec<Section<'_>> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.split(['#', ';']).next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            if found.len() == MAX_SECTIONS {
                return Err(wrong(format!("line {}: more than {MAX_SECTIONS} sections", at + 1)));
            }
            let n = found.len().saturating_sub(1);
            let name = name.trim();
            let shown: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
            let origin = Origin { name: format!("{shown} {n}"), classes: Vec::new() };
            found.push(Section { name, line: at + 1, settings: Vec::new(), origin });
            continue;
        }
        let setting = line.split_once('=').map(|(key, value)| (key.trim(), value.trim()));
        match (setting, found.last_mut()) {
            (Some(setting), Some(section)) => section.settings.push(setting),
            (Some(_), None) => {
                return Err(wrong(format!("line {}: a setting before the first section", at + 1)));
            }
            (None, _) => {
                let shown: String = line.chars().filter(|c| !c.is_control()).take(40).collect();
                return Err(wrong(format!("line {}: `{shown}` is neither a section nor a setting", at + 1)));
            }
        }
    }
    match found.first() {
        Some(first) if ["net", "network"].contains(&first.name) => Ok(found),
        _ => Err(wrong("the file does not begin with `[net]`, as those of Darknet do")),
    }
}

impl<'t> Section<'t> {
    /// A setting's text; of several of the same name the first, as Darknet has it.
    pub fn get(&self, key: &str) -> Option<&'t str> {
        self.settings.iter().find(|(own, _)| *own == key).map(|(_, value)| *value)
    }

    fn odd(&self, key: &str) -> Fault {
        let shown: String = self.get(key).unwrap_or_default().chars().take(40).collect();
        wrong(format!("line {}: `{key}={shown}` in `[{}]`", self.line, self.name))
    }

    /// A whole number, which may be below 0.
    pub fn int(&self, key: &str, default: i64) -> Result<i64, Fault> {
        match self.get(key) {
            None => Ok(default),
            Some(text) => {
                let n = text.parse::<i64>().ok().filter(|n| n.abs() <= MAX_NUMBER);
                n.ok_or_else(|| self.odd(key))
            }
        }
    }

    /// A whole number of at least `least`.
    pub fn count(&self, key: &str, default: usize, least: usize) -> Result<usize, Fault> {
        let n = self.int(key, default as i64)?;
        usize::try_from(n).ok().filter(|&n| n >= least).ok_or_else(|| self.odd(key))
    }

    pub fn flag(&self, key: &str) -> Result<bool, Fault> {
        self.int(key, 0).map(|n| n != 0)
    }

    pub fn number(&self, key: &str, default: f64) -> Result<f64, Fault> {
        match self.get(key) {
            None => Ok(default),
            Some(text) => text.parse::<f64>().ok().filter(|n| n.is_finite()).ok_or_else(|| self.odd(key)),
        }
    }

    /// Whole numbers with commas between them.
    pub fn ints(&self, key: &str) -> Result<Vec<i64>, Fault> {
        let text = self
            .get(key)
            .ok_or_else(|| wrong(format!("line {}: `[{}]` has no `{key}`", self.line, self.name)))?;
        let numbers =
            text.split(',').map(|part| part.trim().parse::<i64>().ok().filter(|n| n.abs() <= MAX_NUMBER));
        numbers.collect::<Option<Vec<_>>>().ok_or_else(|| self.odd(key))
    }

    pub fn refuse(&self, why: impl std::fmt::Display) -> Fault {
        let mut fault = cannot(&self.origin, why);
        fault.notes.push(format!("it begins at line {}", self.line));
        fault
    }
}
