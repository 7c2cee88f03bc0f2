//! What a name server may send, mutated.

use hickory_resolver::proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, CNAME, MX, NS, PTR, SOA, TXT};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};

use super::answer::{self, Read};
use super::transport::{Heard, heard};
use crate::mutation::Campaign;
use crate::testing::effort;

const NUMBER: u16 = 0x4711;
const KINDS: [RecordType; 5] =
    [RecordType::TXT, RecordType::A, RecordType::AAAA, RecordType::MX, RecordType::PTR];

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn asked(kind: RecordType) -> Query {
    Query::query(name("sender.example."), kind)
}

fn reply(kind: RecordType, answers: &[(&str, RData)], authority: Option<RData>) -> Vec<u8> {
    let mut message = Message::new(NUMBER, MessageType::Response, OpCode::Query);
    message.add_query(asked(kind));
    if answers.is_empty() {
        message.metadata.response_code = ResponseCode::NXDomain;
    }
    for (owner, data) in answers {
        message.add_answer(Record::from_rdata(name(owner), 300, data.clone()));
    }
    if let Some(data) = authority {
        message.add_authority(Record::from_rdata(name("example."), 60, data));
    }
    message.to_vec().unwrap()
}

fn samples() -> Vec<Vec<u8>> {
    let own = "sender.example.";
    let spf = || RData::TXT(TXT::new(vec!["v=spf1 include:a.example ~all".into(), "x".repeat(255)]));
    let alias = || (own, RData::CNAME(CNAME(name("www.sender.example."))));
    let soa = SOA::new(name("ns.example."), name("root.example."), 1, 2, 3, 4, 60);
    vec![
        reply(RecordType::TXT, &[(own, spf()), (own, spf())], None),
        reply(RecordType::A, &[(own, RData::A(A::new(192, 0, 2, 1)))], None),
        reply(RecordType::AAAA, &[(own, RData::AAAA(AAAA::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)))], None),
        reply(
            RecordType::MX,
            &[
                (own, RData::MX(MX::new(10, name("mx.sender.example.")))),
                (own, RData::MX(MX::new(0, Name::root()))),
            ],
            None,
        ),
        reply(RecordType::PTR, &[(own, RData::PTR(PTR(name("mail.sender.example."))))], None),
        reply(RecordType::TXT, &[alias(), ("www.sender.example.", spf())], None),
        reply(RecordType::A, &[alias()], None),
        reply(RecordType::TXT, &[], Some(RData::SOA(soa))),
        reply(RecordType::TXT, &[alias()], Some(RData::NS(NS(name("ns.other.example."))))),
    ]
}

#[test]
fn packets_of_name_servers() {
    let words: [&[u8]; 9] = [
        b"\xc0\x0c",
        b"\xc0\x00",
        b"\xc0\xff",
        b"\x3f",
        b"\xff",
        b"\x06sender\x07example\x00",
        b"\x00\x10\x00\x01",
        b"\x00\x05\x00\x01",
        b"\xff\xff\xff\xff",
    ];
    let mut campaign = Campaign::new("dns", effort(2_000, 60_000), samples()).words(&words);
    campaign.largest = 4096;
    campaign.run(|input| {
        for kind in KINDS {
            let query = asked(kind);
            let Heard::Answer(message) = heard(input, NUMBER, &query) else { continue };
            assert_eq!(input[..2], NUMBER.to_be_bytes(), "another question's number");
            assert!(message.queries.is_empty() || *message.queries == [query]);
            let Read::Answer(read) = answer::read(&message, &name("sender.example."), kind, 86_400) else {
                continue;
            };
            assert!(read.keep.as_secs() <= 86_400, "{:?}", read.keep);
            if let Ok(records) = &read.found {
                assert!(records.len() <= message.answers.len());
            }
        }
    });
}
