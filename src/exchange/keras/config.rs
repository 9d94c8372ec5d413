//! A layer's part of the description, JSON that anyone may have written → its values, each held against what it must be.

use serde_json::Value;

use crate::diag::Fault;
use crate::exchange::import::building::cannot;
use crate::exchange::import::line::Origin;
use crate::exchange::keras::wrong;
pub use crate::weights::keras::config::{MAX_DEPTH, MAX_LAYERS, class, layers, name, network, parts, places};

/// The largest window, stride or extent of a layer.
const MAX_EXTENT: u64 = 1 << 20;

/// The whole description.
pub fn parse(text: &str) -> Result<Value, Fault> {
    crate::weights::keras::config::parse(text).map_err(wrong)
}

/// What a layer says of itself.
pub struct Config<'c> {
    pub class: &'c str,
    pub values: &'c Value,
    pub origin: Origin,
}

impl<'c> Config<'c> {
    pub fn of(layer: &'c Value, within: &str) -> Config<'c> {
        let own = name(layer);
        let name = if within.is_empty() { own } else { format!("{within}/{own}") };
        let origin = Origin { name, classes: Vec::new() };
        Config { class: class(layer), values: layer.get("config").unwrap_or(&Value::Null), origin }
    }

    /// The value of that name, where it is not `null`.
    pub fn get(&self, key: &str) -> Option<&'c Value> {
        self.values.get(key).filter(|value| !value.is_null())
    }

    pub fn refuse(&self, why: impl std::fmt::Display) -> Fault {
        let mut fault = cannot(&self.origin, why);
        fault.notes.push(format!("it is a `{}` in Keras", self.class.chars().take(60).collect::<String>()));
        fault
    }

    fn odd(&self, key: &str) -> Fault {
        let shown: String =
            self.values.get(key).map(Value::to_string).unwrap_or_default().chars().take(60).collect();
        wrong(format!("says `{key}` {shown} for its layer `{}`", self.origin.name))
    }

    pub fn bool(&self, key: &str, default: Option<bool>) -> Result<bool, Fault> {
        match self.get(key) {
            None => default.ok_or_else(|| self.odd(key)),
            Some(value) => value.as_bool().ok_or_else(|| self.odd(key)),
        }
    }

    pub fn text(&self, key: &str, default: &'static str) -> Result<&'c str, Fault> {
        self.get(key).map_or(Ok(default), |value| value.as_str().ok_or_else(|| self.odd(key)))
    }

    pub fn number(&self, key: &str, default: f64) -> Result<f64, Fault> {
        self.get(key).map_or(Ok(default), |value| value.as_f64().ok_or_else(|| self.odd(key)))
    }

    fn extent(&self, key: &str, value: &Value, least: u64) -> Result<usize, Fault> {
        let n =
            value.as_u64().filter(|n| (least..=MAX_EXTENT).contains(n)).and_then(|n| usize::try_from(n).ok());
        n.ok_or_else(|| self.odd(key))
    }

    /// A whole number of at least 1.
    pub fn count(&self, key: &str, default: Option<usize>) -> Result<usize, Fault> {
        match self.get(key) {
            None => default.ok_or_else(|| self.odd(key)),
            Some(value) => self.extent(key, value, 1),
        }
    }

    /// A number of at least 1 for each axis; a single one stands for all.
    pub fn extents(&self, key: &str, rank: usize, default: &[usize]) -> Result<Vec<usize>, Fault> {
        match self.get(key) {
            None if default.len() == rank => Ok(default.to_vec()),
            None => Ok(vec![default.first().copied().unwrap_or(1); rank]),
            Some(Value::Array(list)) if list.len() == rank => {
                list.iter().map(|value| self.extent(key, value, 1)).collect()
            }
            Some(Value::Array(_)) => Err(self.odd(key)),
            Some(value) => self.extent(key, value, 1).map(|n| vec![n; rank]),
        }
    }

    /// Amounts at the top, bottom, left and right: one number, one a side, or one an end.
    pub fn ends(&self, key: &str) -> Result<[usize; 4], Fault> {
        let value = self.get(key).ok_or_else(|| self.odd(key))?;
        let amount = |value: &Value| self.extent(key, value, 0);
        let both = |value: &Value| -> Result<[usize; 2], Fault> {
            match value.as_array().map(Vec::as_slice) {
                Some([before, after]) => Ok([amount(before)?, amount(after)?]),
                Some(_) => Err(self.odd(key)),
                None => amount(value).map(|n| [n; 2]),
            }
        };
        Ok(match value.as_array().map(Vec::as_slice) {
            Some([rows, columns]) => {
                let ([top, bottom], [left, right]) = (both(rows)?, both(columns)?);
                [top, bottom, left, right]
            }
            Some(_) => return Err(self.odd(key)),
            None => [amount(value)?; 4],
        })
    }

    /// Numbers: a single one, or a list, also of lists.
    pub fn numbers(&self, key: &str) -> Result<Vec<f64>, Fault> {
        let mut found = Vec::new();
        let mut open: Vec<&Value> = self.get(key).into_iter().collect();
        while let Some(value) = open.pop() {
            match value {
                Value::Array(list) => open.extend(list.iter().rev()),
                // Keras writes an array as what makes it.
                Value::Object(map) => match map.get("config").and_then(|config| config.get("value")) {
                    Some(inner) => open.push(inner),
                    None => return Err(self.odd(key)),
                },
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                    found.push(value.as_f64().ok_or_else(|| self.odd(key))?);
                }
            }
        }
        Ok(found)
    }
}
