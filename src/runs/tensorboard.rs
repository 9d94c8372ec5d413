//! The figures of epochs → TensorBoard's event file: records of a length, its checksum, an event and its checksum. The event
//! is the protocol buffer `tensorflow.Event`, of which four fields are written.

use std::io::Write as _;
use std::path::Path;

use serde_json::Value;

use crate::diag::{Fault, codes};
use crate::protobuf::Message;
use crate::runs::folder::TENSORBOARD;

/// TensorBoard knows its files by this word in their names.
const FILE: &str = "events.out.tfevents.0000000000.dslc";
/// The first event of every file.
const VERSION: &str = "brain.Event:2";
/// Events of a file are ordered by their times; theirs are the seconds of training.
const NO_TIME: f64 = 0.0;

/// The whole file of a run's events: a scalar for each figure of each epoch, under its name with `/` for the first dot, at
/// the number of the epoch.
pub fn file(events: &[Value]) -> Vec<u8> {
    let mut out = Vec::new();
    record(&mut out, &event(NO_TIME, 0, 3, VERSION.as_bytes()));
    let mut seconds = NO_TIME;
    for epoch in events.iter().filter(|event| event["event"] == "epoch") {
        seconds += epoch["seconds"].as_f64().unwrap_or(0.0);
        record(&mut out, &scalars(epoch, seconds));
    }
    out
}

/// Writes the file of a run, and the folder that it lies in.
pub fn write(folder: &Path, events: &[Value]) -> Result<(), Fault> {
    let place = folder.join(TENSORBOARD);
    let written = std::fs::create_dir_all(&place).and_then(|()| {
        let mut file = std::fs::File::create(place.join(FILE))?;
        file.write_all(&self::file(events))
    });
    written.map_err(|e| {
        Fault::new(codes::UNWRITTEN, format!("{} cannot be written: {e}", place.join(FILE).display()))
    })
}

/// Adds the last of a run's events to its file, which has the others.
pub fn append(folder: &Path, events: &[Value]) -> Result<(), Fault> {
    let Some(epoch) = events.last().filter(|event| event["event"] == "epoch") else { return Ok(()) };
    let path = folder.join(TENSORBOARD).join(FILE);
    let seconds = events.iter().filter_map(|event| event["seconds"].as_f64()).sum();
    let mut out = Vec::new();
    record(&mut out, &scalars(epoch, seconds));
    let opened = std::fs::File::options().append(true).open(&path);
    opened
        .and_then(|mut file| file.write_all(&out))
        .map_err(|e| Fault::new(codes::UNWRITTEN, format!("{} cannot be written: {e}", path.display())))
}

/// An epoch's event with a summary of all its figures.
fn scalars(epoch: &Value, seconds: f64) -> Vec<u8> {
    let mut summary = Message::default();
    let figures = epoch.as_object().into_iter().flatten();
    let figures = figures.filter(|(name, _)| !["epoch", "step", "seconds"].contains(&name.as_str()));
    for (name, number) in figures.filter_map(|(name, value)| Some((name, value.as_f64()?))) {
        let value = Message::default().text(1, &name.replacen('.', "/", 1)).float(2, number as f32);
        summary = summary.message(1, &value);
    }
    event(seconds, epoch["epoch"].as_u64().unwrap_or(0), 5, &summary.0)
}

/// `wall_time` (1), `step` (2), and one field of bytes: `file_version` (3) or `summary` (5).
fn event(seconds: f64, step: u64, field: u32, content: &[u8]) -> Vec<u8> {
    Message::default().double(1, seconds).int(2, step as i64).bytes(field, content).0
}

fn record(out: &mut Vec<u8>, content: &[u8]) {
    let length = (content.len() as u64).to_le_bytes();
    out.extend(length);
    out.extend(masked(&length).to_le_bytes());
    out.extend(content);
    out.extend(masked(content).to_le_bytes());
}

/// The checksum as records have it.
fn masked(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32 with Castagnoli's polynomial (RFC 3720).
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| crc >> 1 ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 })
    };
    !bytes.iter().fold(!0, step)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{append, crc32c, file, masked, write};

    /// The fields of a message: number, and its bytes or its number.
    fn fields(mut bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
        let mut found = Vec::new();
        let varint = |bytes: &mut &[u8]| {
            let end = bytes.iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
            let number = bytes[..end].iter().rev().fold(0u64, |n, byte| n << 7 | u64::from(byte & 0x7f));
            *bytes = &bytes[end..];
            number
        };
        while !bytes.is_empty() {
            let key = varint(&mut bytes);
            let n = match key & 7 {
                0 => {
                    found.push((key >> 3, varint(&mut bytes).to_le_bytes().to_vec()));
                    continue;
                }
                1 => 8,
                2 => varint(&mut bytes) as usize,
                5 => 4,
                other => panic!("wire type {other}"),
            };
            found.push((key >> 3, bytes[..n].to_vec()));
            bytes = &bytes[n..];
        }
        found
    }

    /// Tag, step and number of each scalar.
    fn read(mut bytes: &[u8]) -> Vec<(String, u64, f32)> {
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let n = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
            assert_eq!(bytes[8..12], masked(&bytes[..8]).to_le_bytes());
            let content = &bytes[12..12 + n];
            assert_eq!(bytes[12 + n..16 + n], masked(content).to_le_bytes());
            bytes = &bytes[16 + n..];
            let event = fields(content);
            let step = u64::from_le_bytes(event[1].1.clone().try_into().unwrap());
            for (_, value) in
                event.iter().filter(|(field, _)| *field == 5).flat_map(|(_, summary)| fields(summary))
            {
                let value = fields(&value);
                let number = f32::from_le_bytes(value[1].1.clone().try_into().unwrap());
                found.push((String::from_utf8(value[0].1.clone()).unwrap(), step, number));
            }
        }
        found
    }

    #[test]
    fn checksums_are_castagnoli_s() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
    }

    #[test]
    fn scalars_are_read_as_they_were_written() {
        let epoch = |n: u64| {
            json!({ "event": "epoch", "epoch": n, "step": 300 * n, "seconds": 1.5, "train.loss": 1.0 / n as f64,
                                     "validation.macro_f1": 0.25, "validation.loss": null, "best": true })
        };
        let events: Vec<_> = (1..4).chain([200]).map(epoch).collect();
        let expected: Vec<_> = [1u64, 2, 3, 200]
            .into_iter()
            .flat_map(|n| {
                [
                    ("train/loss".to_owned(), n, (1.0 / n as f64) as f32),
                    ("validation/macro_f1".to_owned(), n, 0.25),
                ]
            })
            .collect();
        assert_eq!(read(&file(&events)), expected);
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &events[..1]).unwrap();
        for n in 2..=events.len() {
            append(folder.path(), &events[..n]).unwrap();
        }
        let path = folder.path().join(super::TENSORBOARD).join(super::FILE);
        assert_eq!(std::fs::read(path).unwrap(), file(&events));
    }
}
