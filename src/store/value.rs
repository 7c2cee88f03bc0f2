//! The bytes of one value: format, checksum, payload.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Format byte: payload is JSON, checksum covers key and payload.
const FORMAT: u8 = 1;
/// Format byte and CRC-32 (little endian).
const HEADER: usize = 5;

/// `format, crc32(key, payload), payload`. The key is covered so that a value found under another
/// key than its own is seen.
pub(super) fn encode<V: Serialize>(key: &[u8], value: &V) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = Vec::with_capacity(256);
    bytes.extend_from_slice(&[FORMAT, 0, 0, 0, 0]);
    serde_json::to_writer(&mut bytes, value)?;
    seal(key, &mut bytes);
    Ok(bytes)
}

/// The same of a payload that is JSON already.
pub(super) fn sealed(key: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![FORMAT, 0, 0, 0, 0];
    bytes.extend_from_slice(payload);
    seal(key, &mut bytes);
    bytes
}

fn seal(key: &[u8], bytes: &mut [u8]) {
    let (header, payload) = bytes.split_at_mut(HEADER);
    header[1..].copy_from_slice(&checksum(key, payload).to_le_bytes());
}

/// Undoes [`encode`], or says in a few words what is wrong.
pub(super) fn decode<V: DeserializeOwned>(key: &[u8], bytes: &[u8]) -> Result<V, String> {
    serde_json::from_slice(payload(key, bytes)?).map_err(|e| format!("its content is not understood: {e}"))
}

/// The payload, if it is what was written.
pub(super) fn payload<'v>(key: &[u8], bytes: &'v [u8]) -> Result<&'v [u8], String> {
    let (header, payload) = bytes
        .split_at_checked(HEADER)
        .ok_or_else(|| format!("it has {} bytes, fewer than a value can have", bytes.len()))?;
    if header[0] != FORMAT {
        return Err(format!("its format is {}, and only {FORMAT} is known", header[0]));
    }
    if header[1..] != checksum(key, payload).to_le_bytes() {
        return Err("its checksum does not fit".to_owned());
    }
    Ok(payload)
}

fn checksum(key: &[u8], payload: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(key);
    crc.update(payload);
    crc.finalize()
}

/// A key as people can read it: text if it is plain text, else hex; cut at 64 characters.
pub(super) fn show_key(key: &[u8]) -> String {
    match std::str::from_utf8(key) {
        Ok(text) if text.bytes().all(|b| b.is_ascii_graphic()) => crate::model::text::line(text, 64),
        _ => crate::model::text::line(&data_encoding::HEXLOWER.encode(key), 64),
    }
}
