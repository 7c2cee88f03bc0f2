//! Sample messages, broken in seeded ways: no panic, no part out of order, nothing beyond the limits.

use crate::mail::{Limits, attachments, auth_results, header, strip, walk};
use crate::model::ByteSize;

const SAMPLES: [&str; 7] = [
    "From: =?utf-8?q?J=C3=B6rg?= <j@a.example>\nSubject: =?utf-8?b?4oKs?=\nContent-Type: multipart/mixed; boundary=\"b\"\n\n\
     --b\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\ncaf=C3=A9 =\nx\n\
     --b\nContent-Type: application/pdf; name*0*=utf-8''a%20; name*1=b.pdf\nContent-Transfer-Encoding: base64\n\nJVBERi0xLjQK\n--b--\n",
    "Content-Type: multipart/digest; boundary=d\n\n--d\n\nSubject: one\n\ntext\n--d\nContent-Type: message/rfc822\n\
     Content-Transfer-Encoding: base64\n\nU3ViamVjdDogeAoKYm9keQo=\n--d--\nend\n",
    "Authentication-Results: (a (b)) mx.example.org 1; spf=pass\nX-Mailward-Id: 1\nX-Spam-Flag: YES\n\
     Authentication-Results: \"mx.example.org\";\n dkim=fail\nContent-Type: text/html; charset=utf-16\n\n<\0a\0>\0\n",
    "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/alternative; boundary=aa\n\n--aa\n\n1\n\
     --aa--\n--a\nContent-Disposition: attachment; filename=x.gif\nContent-Transfer-Encoding: x-uuencode\n\n\
     begin 644 x\n#0V%T\n`\nend\n--a--\n",
    "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: application/octet-stream; name=a.eml\n\nSubject: x\n\
     Content-Type: text/plain\n\nbegin 644 b.eml\n#83H*\n`\nend\n--b\nContent-Type: message/external-body; access-type=URL;\n \
     url=\"http://a.example/b\"; name=c.exe\n\nContent-Type: a/b\n\n--b\nContent-Type: message/partial; number=1\n\nA: b\n\nx\n--b--\n",
    "Content-Type: application/ms-tnef; name=winmail.dat\nContent-Transfer-Encoding: base64\n\n\
     eJ8+IgEAAgKQBgAAAAAAAAACEIABAAYAAABhLmVtbADNAQIPgAYABgAAAEE6IGIKChEB\n",
    "From x Mon\nContent-Type: message/rfc822\n\nContent-Type: message/rfc822\n\nContent-Type: multipart/mixed\n\n--g\n\nx\n--g--\n",
];

/// xorshift64*: the same sequence on each run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let n = u64::try_from(n.max(1)).unwrap();
        usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % n).unwrap()
    }
}

fn mutate(sample: &[u8], random: &mut Random) -> Vec<u8> {
    const BYTES: &[u8] = b"\r\n-=;:\"()\\<>/ \tbad*%\0\xff";
    let mut out = sample.to_vec();
    for _ in 0..=random.below(6) {
        let at = random.below(out.len());
        match random.below(5) {
            0 if !out.is_empty() => out[at] = BYTES[random.below(BYTES.len())],
            1 => out.insert(at, BYTES[random.below(BYTES.len())]),
            2 => drop(out.drain(at..(at + random.below(20)).min(out.len()))),
            3 => {
                let piece = out[at..(at + random.below(60)).min(out.len())].to_vec();
                let to = random.below(out.len());
                out.splice(to..to, piece);
            }
            _ => out.truncate(random.below(out.len() * 4)),
        }
    }
    out
}

#[test]
fn twenty_thousand_broken_messages_are_read() {
    let mut random = Random(0x006d_6169_6c77_6172);
    let limits = Limits { fields: 60, parts: 12, depth: 5, decoded: ByteSize(100_000) };
    for round in 0..20_000 {
        let bytes = mutate(SAMPLES[round % SAMPLES.len()].as_bytes(), &mut random);
        let message = header::parse(bytes);
        let parts = walk(&message, &limits);
        assert!(parts.list.len() <= 12);
        assert!(!parts.not_inspected.contains(&crate::model::part::NotInspected::Unparsable), "{message:?}");
        for (i, part) in parts.list.iter().enumerate() {
            assert_eq!(part.index, i);
            assert_eq!(part.depth, part.parent.map_or(0, |p| parts.list[p].depth + 1));
            assert!(part.parent.is_none_or(|p| p < i), "{message:?}");
        }
        let files = attachments(&parts);
        assert!(files.iter().all(|f| !f.path.is_empty() && f.sha256.len() == 64));
        assert!(strip::removals(&message, Some("mx.example.org"), &[]).len() <= message.field_count());
        for (_, value) in message.fields() {
            assert!(header::decode_words(value).len() <= value.len() * 4);
            assert!(header::addresses(value).len() <= value.len());
            assert!(auth_results::authserv_id(value).is_none_or(|id| !id.is_empty()));
        }
    }
}
