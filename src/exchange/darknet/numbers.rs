//! The bytes of a `.weights` file → the numbers of one layer after another. The file says nothing of what they are: the `.cfg` does,
//! and only that both end together shows that they belong to each other.

use crate::diag::Fault;
use crate::exchange::darknet::wrong;
use crate::exchange::import::line::Weight;
use crate::weights::carry::turned;
use crate::weights::elements::{Element, Order};

/// What is not read yet.
pub struct Numbers<'a> {
    rest: &'a [u8],
    /// Matrices lie column by column, as very old files have them.
    pub is_transposed: bool,
}

impl<'a> Numbers<'a> {
    /// Reads the header: three numbers of a version, then how many images the network has seen, in 4 bytes before version 0.2.
    pub fn open(bytes: &'a [u8]) -> Result<Numbers<'a>, Fault> {
        let int = |at: usize| {
            let own = bytes.get(4 * at..4 * at + 4).and_then(|own| <[u8; 4]>::try_from(own).ok());
            own.map(|own| i64::from(i32::from_le_bytes(own)))
        };
        let (Some(major), Some(minor), Some(_)) = (int(0), int(1), int(2)) else {
            return Err(wrong(format!("the weights end in their header: {} bytes", bytes.len())));
        };
        if major < 0 || minor < 0 || major > 100_000 || minor > 100_000 {
            return Err(wrong("the file is no weights of Darknet: its version makes no sense"));
        }
        let is_transposed = major > 1000 || minor > 1000;
        let is_long = major * 10 + minor >= 2 && !is_transposed;
        let head = if is_long { 20 } else { 16 };
        let rest = bytes.get(head..).ok_or_else(|| wrong("the weights end in their header"))?;
        if rest.len() % 4 != 0 {
            return Err(wrong(format!(
                "the weights are cut short: {} bytes are no whole numbers",
                rest.len()
            )));
        }
        Ok(Numbers { rest, is_transposed })
    }

    /// The next numbers, of a layer that is called so.
    pub fn next(&mut self, n: usize, layer: &str) -> Result<&'a [u8], Fault> {
        let taken = n.checked_mul(4).and_then(|length| self.rest.split_at_checked(length));
        let (taken, rest) = taken.ok_or_else(|| {
            wrong(format!(
                "the weights end too early: `{layer}` needs {n} numbers, {} are left",
                self.rest.len() / 4
            ))
        })?;
        self.rest = rest;
        Ok(taken)
    }

    /// That nothing is left.
    pub fn end(&self) -> Result<(), Fault> {
        match self.rest.len() / 4 {
            0 => Ok(()),
            left => {
                Err(wrong(format!("the weights have {left} numbers more than the `.cfg` has places for")))
            }
        }
    }
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|own| Element::F32.number(own, Order::Little)).collect()
}

/// Numbers as they lie.
pub fn plain(bytes: &[u8]) -> Weight<'_> {
    Weight::later(bytes.len() / 4, move || Ok(floats(bytes)))
}

/// A matrix of so many columns in the file → the rows that those are.
pub fn transposed(bytes: &[u8], columns: usize) -> Weight<'_> {
    Weight::later(bytes.len() / 4, move || {
        let numbers = floats(bytes);
        let rows = numbers.len() / columns.max(1);
        Ok(turned(&numbers, &[rows, columns], &[1, 0]))
    })
}
