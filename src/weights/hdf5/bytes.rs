//! A position in bytes that is moved by what is read, and never beyond their end.

/// The bytes that are not read yet.
#[derive(Clone, Copy)]
pub(super) struct Bytes<'a> {
    rest: &'a [u8],
}

impl<'a> Bytes<'a> {
    pub fn of(bytes: &'a [u8]) -> Bytes<'a> {
        Bytes { rest: bytes }
    }

    pub fn len(&self) -> usize {
        self.rest.len()
    }

    pub fn take(&mut self, n: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.rest.split_at_checked(n).ok_or_else(|| {
            format!("is damaged: {n} bytes should follow where {} are left", self.rest.len())
        })?;
        self.rest = rest;
        Ok(taken)
    }

    /// The next bytes as a part of their own.
    pub fn part(&mut self, n: usize) -> Result<Bytes<'a>, String> {
        self.take(n).map(Bytes::of)
    }

    pub fn skip(&mut self, n: usize) -> Result<(), String> {
        self.take(n).map(|_| ())
    }

    /// Whether these bytes follow, which are taken.
    pub fn expect(&mut self, signature: &[u8; 4], what: &str) -> Result<(), String> {
        match self.take(4)? == signature {
            true => Ok(()),
            false => Err(format!("is damaged: {what} does not begin where it should")),
        }
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let taken = self.take(N)?;
        Ok(std::array::from_fn(|i| taken.get(i).copied().unwrap_or_default()))
    }

    pub fn u8(&mut self) -> Result<u8, String> {
        self.fixed::<1>().map(|[byte]| byte)
    }

    pub fn u16(&mut self) -> Result<u16, String> {
        self.fixed().map(u16::from_le_bytes)
    }

    pub fn u32(&mut self) -> Result<u32, String> {
        self.fixed().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Result<u64, String> {
        self.fixed().map(u64::from_le_bytes)
    }

    /// A number of 1, 2, 4 or 8 bytes, by the power of two.
    pub fn sized(&mut self, power: u8) -> Result<u64, String> {
        match power & 3 {
            0 => self.u8().map(u64::from),
            1 => self.u16().map(u64::from),
            2 => self.u32().map(u64::from),
            _ => self.u64(),
        }
    }

    pub fn count(&mut self) -> Result<usize, String> {
        let n = self.u64()?;
        usize::try_from(n).map_err(|_| format!("is damaged: it claims {n} of something"))
    }

    /// The sizes of addresses and of lengths, of which all files in use have 8.
    pub fn word_sizes(&mut self) -> Result<(), String> {
        match (self.u8()?, self.u8()?) {
            (8, 8) => Ok(()),
            (a, b) => Err(format!("has addresses of {a} and lengths of {b} bytes, which are not read")),
        }
    }

    /// A text up to its first 0.
    pub fn text(&self) -> String {
        let end = self.rest.iter().position(|&byte| byte == 0).unwrap_or(self.rest.len());
        String::from_utf8_lossy(&self.rest[..end]).into_owned()
    }
}

/// The next multiple of 8, to which old messages pad.
pub(super) fn padded(n: usize) -> usize {
    n.div_ceil(8) * 8
}
