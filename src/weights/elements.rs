//! The kinds of numbers that files hold → f32.

use crate::numbers::half;

/// How a number lies in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    F16,
    Bf16,
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    U8,
    Bool,
}

/// Which byte of a number is first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Little,
    Big,
}

impl Element {
    /// Bytes of a number.
    pub fn size(self) -> usize {
        match self {
            Element::I8 | Element::U8 | Element::Bool => 1,
            Element::F16 | Element::Bf16 | Element::I16 => 2,
            Element::F32 | Element::I32 => 4,
            Element::F64 | Element::I64 => 8,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Element::F16 => "f16",
            Element::Bf16 => "bf16",
            Element::F32 => "f32",
            Element::F64 => "f64",
            Element::I8 => "i8",
            Element::I16 => "i16",
            Element::I32 => "i32",
            Element::I64 => "i64",
            Element::U8 => "u8",
            Element::Bool => "bool",
        }
    }

    /// The number in the first [`Element::size`] of these bytes, rounded to f32.
    pub fn number(self, bytes: &[u8], order: Order) -> f32 {
        // By far the most.
        if let (Element::F32, Order::Little, &[a, b, c, d]) = (self, order, bytes) {
            return f32::from_le_bytes([a, b, c, d]);
        }
        let mut word = [0; 8];
        for (i, own) in word.iter_mut().enumerate().take(self.size()) {
            let at = match order {
                Order::Little => i,
                Order::Big => self.size() - 1 - i,
            };
            *own = bytes.get(at).copied().unwrap_or_default();
        }
        let word = u64::from_le_bytes(word);
        match self {
            Element::F16 => half(word as u16),
            Element::Bf16 => f32::from_bits((word as u32) << 16),
            Element::F32 => f32::from_bits(word as u32),
            Element::F64 => f64::from_bits(word) as f32,
            Element::I8 => f32::from(word as u8 as i8),
            Element::I16 => f32::from(word as u16 as i16),
            Element::I32 => word as u32 as i32 as f32,
            Element::I64 => word as i64 as f32,
            Element::U8 => f32::from(word as u8),
            Element::Bool => f32::from(u8::from(word != 0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_in_both_orders() {
        let cases: [(Element, &[u8], f32); 11] = [
            (Element::F16, &[0x00, 0xc0], -2.0),
            (Element::F16, &[0x01, 0x00], 5.960_464_5e-8),
            (Element::Bf16, &[0xc0, 0x3f], 1.5),
            (Element::F32, &[0, 0, 0x80, 0x3e], 0.25),
            (Element::F64, &[0, 0, 0, 0, 0, 0, 0xe0, 0x3f], 0.5),
            (Element::I8, &[0xff], -1.0),
            (Element::I16, &[0xfe, 0xff], -2.0),
            (Element::I32, &[0xfd, 0xff, 0xff, 0xff], -3.0),
            (Element::I64, &[7, 0, 0, 0, 0, 0, 0, 0], 7.0),
            (Element::U8, &[200], 200.0),
            (Element::Bool, &[2], 1.0),
        ];
        for (element, bytes, number) in cases {
            assert_eq!(element.number(bytes, Order::Little), number, "{element:?}");
            let turned: Vec<u8> = bytes.iter().rev().copied().collect();
            assert_eq!(element.number(&turned, Order::Big), number, "{element:?}");
        }
        assert_eq!([0x3c00, 0x7bff, 0xfc00].map(half), [1.0, 65504.0, f32::NEG_INFINITY]);
        assert!(half(0x7e00).is_nan());
    }
}
