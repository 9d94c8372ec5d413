//! A position in a file, or in bytes, that is moved by what is read, and never beyond their end.

use crate::weights::hdf5::content::Content;

/// The longest text that is looked at.
const MAX_TEXT: u64 = 1 << 13;

/// What is not read yet.
#[derive(Clone, Copy)]
pub(super) struct Bytes<'a> {
    source: Source<'a>,
    at: u64,
    end: u64,
}

#[derive(Clone, Copy)]
enum Source<'a> {
    Memory(&'a [u8]),
    Content(&'a Content),
}

impl<'a> Bytes<'a> {
    pub fn of(bytes: &'a [u8]) -> Bytes<'a> {
        Bytes { source: Source::Memory(bytes), at: 0, end: bytes.len() as u64 }
    }

    /// A file's from this place on; `None` beyond its end.
    pub fn within(content: &'a Content, at: u64) -> Option<Bytes<'a>> {
        let end = content.len();
        (at <= end).then_some(Bytes { source: Source::Content(content), at, end })
    }

    pub fn len(&self) -> usize {
        usize::try_from(self.end - self.at).unwrap_or(usize::MAX)
    }

    /// Moves over the next bytes, and says where they began.
    fn passed(&mut self, n: usize) -> Result<u64, String> {
        let at = self.at;
        let left = self.end - at;
        if n as u64 > left {
            return Err(format!("is damaged: {n} bytes should follow where {left} are left"));
        }
        self.at += n as u64;
        Ok(at)
    }

    fn copy(&self, at: u64, out: &mut [u8]) -> Result<(), String> {
        match self.source {
            Source::Content(content) => content.read(at, out),
            Source::Memory(bytes) => {
                let own = usize::try_from(at).ok().and_then(|at| bytes.get(at..)?.get(..out.len()));
                out.copy_from_slice(own.ok_or("is damaged: it ends while it is read")?);
                Ok(())
            }
        }
    }

    pub fn take(&mut self, n: usize) -> Result<Vec<u8>, String> {
        let at = self.passed(n)?;
        let mut taken = vec![0; n];
        self.copy(at, &mut taken)?;
        Ok(taken)
    }

    /// The next bytes as a part of their own.
    pub fn part(&mut self, n: usize) -> Result<Bytes<'a>, String> {
        let at = self.passed(n)?;
        Ok(Bytes { source: self.source, at, end: self.at })
    }

    pub fn skip(&mut self, n: usize) -> Result<(), String> {
        self.passed(n).map(|_| ())
    }

    /// Whether these bytes follow, which are taken.
    pub fn expect(&mut self, signature: &[u8; 4], what: &str) -> Result<(), String> {
        match self.fixed::<4>()? == *signature {
            true => Ok(()),
            false => Err(format!("is damaged: {what} does not begin where it should")),
        }
    }

    pub fn fixed<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let at = self.passed(N)?;
        let mut taken = [0; N];
        self.copy(at, &mut taken)?;
        Ok(taken)
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

    /// A text up to its first 0, and no longer than names are.
    pub fn text(&self) -> Result<String, String> {
        let n = usize::try_from((self.end - self.at).min(MAX_TEXT)).unwrap_or(0);
        let mut bytes = vec![0; n];
        self.copy(self.at, &mut bytes)?;
        bytes.truncate(bytes.iter().position(|&byte| byte == 0).unwrap_or(n));
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// The next multiple of 8, to which old messages pad.
pub(super) fn padded(n: usize) -> usize {
    n.div_ceil(8) * 8
}
