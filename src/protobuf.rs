//! Fields → the bytes of a protocol buffer (protobuf.dev/programming-guides/encoding), for ONNX's files and TensorBoard's.

/// A message under construction.
#[derive(Clone, Debug, Default)]
pub struct Message(pub Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// A whole number under a tag that is there already: the field's number times 8 and the kind.
    pub fn tagged(&mut self, tag: u64, value: u64) {
        self.varint(tag);
        self.varint(value);
    }

    /// A tag that is there already, whose content follows.
    pub fn bare(&mut self, tag: u64) {
        self.varint(tag);
    }

    fn tag(&mut self, field: u32, kind: u8) {
        self.varint(u64::from(field << 3) | u64::from(kind));
    }

    pub fn int(mut self, field: u32, value: i64) -> Message {
        self.tag(field, 0);
        self.varint(value as u64);
        self
    }

    pub fn float(mut self, field: u32, value: f32) -> Message {
        self.tag(field, 5);
        self.0.extend(value.to_le_bytes());
        self
    }

    pub fn double(mut self, field: u32, value: f64) -> Message {
        self.tag(field, 1);
        self.0.extend(value.to_le_bytes());
        self
    }

    pub fn text(self, field: u32, text: &str) -> Message {
        self.bytes(field, text.as_bytes())
    }

    pub fn bytes(mut self, field: u32, bytes: &[u8]) -> Message {
        self.head(field, bytes.len());
        self.0.extend_from_slice(bytes);
        self
    }

    pub fn message(self, field: u32, message: &Message) -> Message {
        self.bytes(field, &message.0)
    }

    /// One field a number, as the format's own description has it (proto2).
    pub fn ints(self, field: u32, values: impl IntoIterator<Item = i64>) -> Message {
        values.into_iter().fold(self, |message, value| message.int(field, value))
    }

    /// The beginning of a field of so many bytes, which follow.
    pub fn head(&mut self, field: u32, len: usize) {
        self.tag(field, 2);
        self.varint(len as u64);
    }
}
