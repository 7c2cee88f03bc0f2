//! One who signs, written from RFC 6376 with nothing of what verifies, so that both cannot have one fault. Slow
//! and plain: lists of fields and lines instead of places in bytes.

use std::fmt::Write as _;

use data_encoding::BASE64;
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};

/// RFC 6376 §3.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super::super) enum Form {
    Simple,
    Relaxed,
}

impl Form {
    pub(super) const ALL: [Self; 2] = [Self::Simple, Self::Relaxed];

    fn name(self) -> &'static str {
        match self {
            Self::Simple => "simple",
            Self::Relaxed => "relaxed",
        }
    }
}

/// Which key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Rsa,
    Ed25519,
}

impl Kind {
    pub(super) const ALL: [Self; 2] = [Self::Rsa, Self::Ed25519];
}

/// How a message is signed.
#[derive(Clone, Debug)]
pub(super) struct Signer {
    pub(super) header: Form,
    pub(super) body: Form,
    pub(super) kind: Kind,
    /// `h=`.
    pub(super) names: String,
    /// More tags, each with its semicolon.
    pub(super) more: String,
    pub(super) domain: String,
    pub(super) selector: String,
}

impl Default for Signer {
    fn default() -> Self {
        Self {
            header: Form::Relaxed,
            body: Form::Relaxed,
            kind: Kind::Ed25519,
            names: "From:To:Subject:Date".into(),
            more: String::new(),
            domain: "example.org".into(),
            selector: String::new(),
        }
    }
}

impl Signer {
    /// The message with its DKIM-Signature on top.
    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let (header, body) = split(message);
        let hash = BASE64.encode(digest(&SHA256, &canonical_body(self.body, body)).as_ref());
        let (algorithm, selector) = match self.kind {
            Kind::Rsa => ("rsa-sha256", "rsa"),
            Kind::Ed25519 => ("ed25519-sha256", "ed"),
        };
        let selector = if self.selector.is_empty() { selector } else { &self.selector };
        let field = format!(
            "DKIM-Signature: v=1; a={algorithm}; c={}/{};\r\n\td={}; s={selector};\r\n\th={};{}\r\n\tbh={hash};\r\n\tb=",
            self.header.name(),
            self.body.name(),
            self.domain,
            self.names,
            self.more,
        );
        let data = covered(self.header, &field, &self.names, &fields(header));
        let mut out = field;
        for (n, piece) in signature(self.kind, &data).as_bytes().chunks(60).enumerate() {
            write!(out, "{}{}", if n == 0 { "" } else { "\r\n\t" }, str::from_utf8(piece).unwrap()).unwrap();
        }
        [out.as_bytes(), b"\r\n", message].concat()
    }
}

/// What a signature with this field (its `b=` empty) and these names covers.
pub(super) fn covered(form: Form, own: &str, names: &str, fields: &[Vec<u8>]) -> Vec<u8> {
    let mut left: Vec<&Vec<u8>> = fields.iter().collect();
    let mut data = Vec::new();
    for wanted in names.split(':') {
        let wanted = wanted.trim().to_ascii_lowercase();
        if let Some(at) = left.iter().rposition(|field| name_of(field) == wanted) {
            data.extend(canonical_field(form, left.remove(at)));
            data.extend(b"\r\n");
        }
    }
    data.extend(canonical_field(form, own.as_bytes()));
    data
}

fn signature(kind: Kind, data: &[u8]) -> String {
    match kind {
        Kind::Rsa => {
            let pair = rsa();
            let mut out = vec![0; pair.public().modulus_len()];
            pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), data, &mut out).unwrap();
            BASE64.encode(&out)
        }
        Kind::Ed25519 => BASE64.encode(ed25519().sign(digest(&SHA256, data).as_ref()).as_ref()),
    }
}

/// `p=` of the public key.
pub(super) fn public(kind: Kind) -> String {
    match kind {
        Kind::Rsa => BASE64.encode(rsa().public_key().as_ref()),
        Kind::Ed25519 => BASE64.encode(ed25519().public_key().as_ref()),
    }
}

fn rsa() -> RsaKeyPair {
    RsaKeyPair::from_pkcs8(&BASE64.decode(RSA_2048.as_bytes()).unwrap()).unwrap()
}

/// The seed of RFC 8463 appendix A.2.
fn ed25519() -> Ed25519KeyPair {
    let seed = BASE64.decode(b"nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=").unwrap();
    Ed25519KeyPair::from_seed_unchecked(&seed).unwrap()
}

/// Header and body; the empty line belongs to neither.
pub(super) fn split(message: &[u8]) -> (&[u8], &[u8]) {
    match message.windows(4).position(|w| w == b"\r\n\r\n") {
        Some(at) => (&message[..at + 2], &message[at + 4..]),
        None => (message, b""),
    }
}

/// The lines of a text, without their CRLF.
fn lines(text: &[u8]) -> Vec<Vec<u8>> {
    let mut lines = vec![Vec::new()];
    let mut rest = text;
    while let [first, after @ ..] = rest {
        if let Some(after) = rest.strip_prefix(b"\r\n") {
            lines.push(Vec::new());
            rest = after;
        } else {
            lines.last_mut().unwrap().push(*first);
            rest = after;
        }
    }
    if lines.last().is_some_and(Vec::is_empty) {
        lines.pop();
    }
    lines
}

/// The fields of a header, folds and all, without their last CRLF.
pub(super) fn fields(header: &[u8]) -> Vec<Vec<u8>> {
    let mut fields: Vec<Vec<u8>> = Vec::new();
    for line in lines(header) {
        match fields.last_mut() {
            Some(field) if line.starts_with(b" ") || line.starts_with(b"\t") => {
                field.extend(b"\r\n");
                field.extend(line);
            }
            _ => fields.push(line),
        }
    }
    fields
}

fn name_of(field: &[u8]) -> String {
    let name = field.split(|b| *b == b':').next().unwrap();
    String::from_utf8_lossy(name).trim().to_ascii_lowercase()
}

/// §3.4.1 and §3.4.2, without a CRLF at the end.
fn canonical_field(form: Form, field: &[u8]) -> Vec<u8> {
    if form == Form::Simple {
        return field.to_vec();
    }
    let colon = field.iter().position(|b| *b == b':').unwrap();
    let unfolded = lines(&field[colon + 1..]).concat();
    let mut value = squeezed(&unfolded);
    if value.first() == Some(&b' ') {
        value.remove(0);
    }
    if value.last() == Some(&b' ') {
        value.pop();
    }
    [name_of(field).as_bytes(), b":", &value].concat()
}

/// Each run of white space one space.
fn squeezed(line: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::new();
    for byte in line {
        let byte = if *byte == b'\t' { b' ' } else { *byte };
        if byte != b' ' || out.last() != Some(&b' ') {
            out.push(byte);
        }
    }
    out
}

/// §3.4.3 and §3.4.4, step by step and line by line.
pub(in super::super::super) fn canonical_body(form: Form, body: &[u8]) -> Vec<u8> {
    let mut lines = lines(body);
    if form == Form::Relaxed {
        for line in &mut lines {
            *line = squeezed(line);
            if line.last() == Some(&b' ') {
                line.pop();
            }
        }
    }
    while lines.last().is_some_and(Vec::is_empty) {
        lines.pop();
    }
    if lines.is_empty() && form == Form::Simple {
        lines.push(Vec::new());
    }
    lines.into_iter().flat_map(|line| [line, b"\r\n".to_vec()].concat()).collect()
}

/// A key of 2048 bits that signs nothing but these tests.
const RSA_2048: &str = "\
    MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDYxi1M/b56M4V3TyYrNEnWGBzAyl475hBvJi97fuKsU4e5C9Cx\
    o5pE+i8egM+cMEruQKrJce+ctlcWyKiZw6j2I7etNoIzFx+YExljs0AXwy/frRUZMt5WtYk26HNGj9ezVvIfqlfWBnq5MBK6+mZ5\
    iYX0bnk2Y/sjgxMPgjcg08OZdQihImN88SECW2s5vUkaOFBPeDGX1Hif5eEDRqeiv+8tkiQIqT1kNhn684zY2GrHfj2Vs8WXZkhJ\
    lqdNV6/37ljo/ynkF5EVWfaUSkoqUF0iGR7f0TNaIcBvlINOJmFeYPqN37pSnxiAQgyTeWUdOjlGf9i/ftvsfNsByfe9AgMBAAEC\
    ggEAAQqfLlUEFFWT1uLCps3DTbhjhoGP5BaMIRj5HVSxeEjb5/LcrAL+1Rg5LGsKY19lUfF4AdlaQm6ZkQvl5R93RLvyUKCQs3p4\
    y8ozx67RpI13eQPADtZlgPnA9JgyjEFAQWrJq7QetKQtMN4iO0HOFLnlffjO91GM4/XqbH+zTKyggT+7atXvVBTE0q2gAz6amaUD\
    /zt+C91jk6xIi0KzXUsPZ4GXkKOPAdGrq9RfgWwfL6EKusoIYttiLFhHlr9LRAPeZ94U/uSOYa2tKmcehbykvdzQc2YhWnIhIIuc\
    CclD3EMO7YJBORmlhQVFXz76WXBbuplsSj1qkxC+n5W3MQKBgQDzR/2tBYQwvwmw1R8voyiCoBwG12XZaHupstqQ5rN6/MInt4qz\
    OBJ/WNP6ljrKpVjRLcnPBSc1E4zRIhl8F9nxOAUg2d/PO5Fth3Vdyl1Q5JGRSK0bQL1j7RClGfwQ6EaN7GG4O0GgQpeTacdRrrrw\
    GojA5PuiiirYFvwXLQFaFQKBgQDkG2wmsKdVupSw5TBqjAM9+zU/iPRg6uXgSrpLzbQiyyAFURRBdqYYV5d2rJc/ZfpZyft2ph6+\
    Mq+qZ5Cr7KUmhqaROGO8WojpscMyvLvEQ3+EZMNJkVNVCRIPTL0f44LvGR/XVMXSyRtp07v8r+ZMLf9YNo68UCRNB3/zLFrZCQKB\
    gEA98HTyEfg1Wj/B55xSv23PDdeYpaKFfrJPMnw1D4wYlsSaKRwuYGQUdtWjOh8tDokeSD5MpA/V+8d187jbK4gRPPlxzzIQDtUX\
    ghykRYQI94+f22Zo8BolDdIrTG7Ch28OzrcxnqDNNO2Obz3YoDCrMRWO4gwH5ExvtV4BWmwJAoGBAJ2vNzwnsgVZTaBbTvTYhQU7\
    uruI+SZmOzKpdc8hC/1hXWlPeykl0/vP0SyAcq2o2T9omSSUAXyJnVW28hNnK2NOgaaxzIBQNYUXFVDllwc9gdELttQMWgbWll1t\
    Nu/sXn7aZ2B7gaUM0J5/d9xd3F2dDn70eAdFf1KgdJqtdr/BAoGAUmhdbCK5g+wX6MN2VdP5tBe8x+tYoPXIaR7uDTrRVpZqMKkH\
    jJC/D0OADmdez462ix8IY35K80peQEqtFbDuJvgFNMzqAe/06Yk7IbEmbJs4vmi1qDPp49HV3OI3Bm0/uy1W1RBisb4/oZEFcoU0\
    /T+oMlgrwsQc8k6zCB5PADA=";
