//! Bytes from an editor → messages, one after another. `lsp_server` would take any length that a header names and set
//! aside that much memory; here a length has a bound, and what is refused is passed over without being kept.
//!
//! A message is JSON, whose texts have no line end of their own. So wherever `Content-Length: N` and a line end stand in
//! the bytes, the header of a message begins, and behind a message that is refused the next one is found.

use std::io::{self, BufRead, ErrorKind, Read};

use lsp_server::Message;

use crate::syntax::guard::MAX_TEXT;

/// Bytes of the longest message that is read: the longest text, with each of its characters escaped, and more than that.
pub const MAX_MESSAGE: u64 = 16 * MAX_TEXT as u64;

/// Bytes of the longest line of a header.
const MAX_LINE: u64 = 1024;

/// What begins the line of a header that matters. Its first letter stands nowhere else in it.
const LENGTH: &str = "Content-Length: ";

/// What came.
#[derive(Debug)]
pub enum Incoming {
    Message(Message),
    /// Why a message was not taken.
    Refused(String),
}

pub struct Wire<R> {
    from: R,
    at: At,
}

/// What stands next in the bytes.
enum At {
    Header,
    /// Something that was refused, and a header somewhere behind it.
    Lost,
}

impl<R: BufRead> Wire<R> {
    pub fn new(from: R) -> Wire<R> {
        Wire { from, at: At::Header }
    }

    /// The next message; `None` at the end. An error where the bytes are of no such protocol, or end in a message.
    pub fn read(&mut self) -> io::Result<Option<Incoming>> {
        let Some(length) = self.header()? else { return Ok(None) };
        self.at = At::Header;
        let refused = match length.parse::<u64>() {
            Ok(length) if length <= MAX_MESSAGE => {
                let mut body = Vec::new();
                (&mut self.from).take(length).read_to_end(&mut body)?;
                if (body.len() as u64) < length {
                    return Err(io::Error::new(ErrorKind::UnexpectedEof, "the last message is cut short"));
                }
                match serde_json::from_slice(&body) {
                    Ok(message) => return Ok(Some(Incoming::Message(message))),
                    Err(e) => format!("skipping a message that cannot be read: {e}"),
                }
            }
            // More digits than a number has are too much all the same.
            Ok(_) | Err(_) => {
                format!("skipping a message of {length} bytes: the limit is {} MiB", MAX_MESSAGE >> 20)
            }
        };
        self.at = At::Lost;
        Ok(Some(Incoming::Refused(refused)))
    }

    /// Reads a header to its end: the digits of the length that it names.
    fn header(&mut self) -> io::Result<Option<String>> {
        let mut length = match self.at {
            At::Header => None,
            At::Lost => match self.find()? {
                Some(digits) => Some(digits),
                None => return Ok(None),
            },
        };
        for first in (0..).map(|n| n == 0) {
            let mut line = Vec::new();
            (&mut self.from).take(MAX_LINE).read_until(b'\n', &mut line)?;
            if line.is_empty() && first && length.is_none() {
                return Ok(None);
            }
            let text = String::from_utf8_lossy(&line);
            let Some(text) = text.strip_suffix("\r\n") else {
                return Err(invalid(format!("{text:?} is not a header")));
            };
            if text.is_empty() {
                break;
            }
            let Some((name, value)) = text.split_once(": ") else {
                return Err(invalid(format!("{text:?} is not a header")));
            };
            if name.eq_ignore_ascii_case(LENGTH.trim_end_matches(": ")) {
                if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(invalid(format!("{value:?} is not a length")));
                }
                length = Some(value.to_owned());
            }
        }
        length.map(Some).ok_or_else(|| invalid("a header without Content-Length".to_owned()))
    }

    /// Passes over bytes up to the line that begins a header, that line included: its digits.
    fn find(&mut self) -> io::Result<Option<String>> {
        let (mut met, mut digits) = (0, String::new());
        for byte in (&mut self.from).bytes() {
            let byte = byte?;
            if met < LENGTH.len() {
                let own = |at: usize| LENGTH.as_bytes()[at].eq_ignore_ascii_case(&byte);
                met = if own(met) { met + 1 } else { usize::from(own(0)) };
                continue;
            }
            match byte {
                b'\n' if digits.ends_with('\r') && digits.len() > 1 => {
                    digits.pop();
                    return Ok(Some(digits));
                }
                b'0'..=b'9' | b'\r' if !digits.ends_with('\r') && (digits.len() as u64) < MAX_LINE => {
                    digits.push(char::from(byte));
                }
                _ => {
                    met = usize::from(byte.eq_ignore_ascii_case(&LENGTH.as_bytes()[0]));
                    digits.clear();
                }
            }
        }
        Ok(None)
    }
}

fn invalid(message: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: &str = r#"{"jsonrpc":"2.0","method":"hello","params":null}"#;

    fn framed(body: &str) -> String {
        format!("Content-Length: {}\r\n\r\n{body}", body.len())
    }

    /// What comes of bytes: `hello` for a message, else why it was refused; last the error, if there is one.
    fn read(bytes: &str) -> Vec<String> {
        let mut wire = Wire::new(bytes.as_bytes());
        let mut said = Vec::new();
        loop {
            match wire.read() {
                Ok(Some(Incoming::Message(Message::Notification(hello)))) => said.push(hello.method),
                Ok(Some(Incoming::Message(other))) => said.push(format!("{other:?}")),
                Ok(Some(Incoming::Refused(reason))) => said.push(reason),
                Ok(None) => return said,
                Err(e) => {
                    said.push(format!("error: {e}"));
                    return said;
                }
            }
        }
    }

    #[test]
    fn messages_are_read_to_the_end() {
        let typed = format!("content-length: {}\r\nContent-Type: x\r\n\r\n{HELLO}", HELLO.len());
        assert_eq!(read(&(framed(HELLO) + &typed)), ["hello", "hello"]);
        assert_eq!(read(""), [""; 0]);
    }

    #[test]
    fn what_is_refused_is_passed_over() {
        let hello = framed(HELLO);
        for length in ["100000000000", "18446744073709551615", "18446744073709551616", "16777217"] {
            for rest in ["", "Content-Type: x\r\n", "Content-Length: 99999999999\r\n"] {
                for body in
                    ["", "[1, 2", r#"{"a":"Content-Length: 5\r\n"}"#, "Content-Length: 12", "CContent-L"]
                {
                    let text = format!("{hello}Content-Length: {length}\r\n{rest}\r\n{body}{hello}{hello}");
                    let said = read(&text);
                    assert_eq!(said.len(), 4, "{text}: {said:?}");
                    assert!(said[1].contains("bytes: the limit is 16 MiB"), "{said:?}");
                    assert_eq!([&said[0], &said[2], &said[3]], ["hello"; 3], "{text}");
                }
            }
        }
        let said = read(&format!("{}{}{hello}", framed("nonsense"), framed(r#"{"id":[]}"#)));
        assert!(said.len() == 3 && said[0].contains("cannot be read") && said[2] == "hello", "{said:?}");
        assert_eq!(read("Content-Length: 99999999999\r\n\r\n").len(), 1);
    }

    #[test]
    fn what_is_no_protocol_is_an_error() {
        for (text, said) in [
            ("hello\n", "is not a header"),
            ("hello\r\n", "is not a header"),
            ("Content-Length: -1\r\n\r\n", "is not a length"),
            ("Content-Length: \r\n\r\n", "is not a length"),
            ("Content-Type: x\r\n\r\n", "without Content-Length"),
            ("Content-Length: 50\r\n\r\n{", "cut short"),
            ("Content-Length: 50\r\n", "is not a header"),
            (&"x".repeat(5000), "is not a header"),
        ] {
            let found = read(text);
            assert!(found.len() == 1 && found[0].contains(said), "{text:?}: {found:?}");
        }
    }
}
