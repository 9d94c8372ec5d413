//! How an output's shape came about, in words for people. Every layer has it and few are read, so that of windows, which most
//! layers are, it is put into words only where somebody reads it.

use std::fmt;

use crate::shape::Window;

/// The arithmetic that gives an output's shape.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Arithmetic {
    /// There is nothing to say.
    #[default]
    None,
    Words(String),
    /// Windows over axes of these extents.
    Windows(Box<[(Window, usize)]>),
}

impl Arithmetic {
    pub fn is_none(&self) -> bool {
        *self == Arithmetic::None
    }
}

impl From<String> for Arithmetic {
    fn from(words: String) -> Arithmetic {
        if words.is_empty() { Arithmetic::None } else { Arithmetic::Words(words) }
    }
}

impl fmt::Display for Arithmetic {
    /// The arithmetic of every axis, once where they are alike.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let axes = match self {
            Arithmetic::None => return Ok(()),
            Arithmetic::Words(words) => return f.write_str(words),
            Arithmetic::Windows(axes) => axes,
        };
        let alike = axes.iter().all(|axis| *axis == axes[0]);
        for (i, (window, extent)) in axes.iter().enumerate().take(if alike { 1 } else { axes.len() }) {
            if !alike {
                let gap = if i > 0 { ", " } else { "" };
                write!(f, "{gap}{} ", axis_name(i, axes.len()))?;
            }
            f.write_str(&window.arithmetic(*extent))?;
        }
        Ok(())
    }
}

/// What an axis of so many is called.
pub(crate) fn axis_name(i: usize, n_axes: usize) -> &'static str {
    match n_axes - i {
        3 => "depth",
        2 => "height",
        _ if n_axes == 1 => "length",
        _ => "width",
    }
}
