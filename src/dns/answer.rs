//! What a server's reply says about a question.
//!
//! Only the answer section counts, and in it only the question's name and the aliases that lead on from
//! it: what a server adds about other names, or in other sections, is not looked at and so cannot poison.

use std::time::Duration;

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::{DNSClass, Name, RData, RecordType};

use super::{DnsError, Found, MAX_ALIASES, Record};

/// The longest a positive answer is kept, whatever its TTL says: a key that was withdrawn should not
/// verify for days.
const LONGEST_POSITIVE: u32 = 24 * 60 * 60;
/// The longest that "there is nothing" is kept.
const LONGEST_NEGATIVE: u32 = 15 * 60;

/// An answer, and how long it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) found: Found,
    pub(super) keep: Duration,
}

/// What a reply is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// An answer.
    Answer(Answer),
    /// An alias for another name, which the server did not follow; the seconds for which it holds.
    Alias(Name, u32),
    /// It answers nothing; why. Another server may do better.
    Useless(String),
}

/// Reads a reply to the question for `kind` at `name`. `holds` are the seconds for which the aliases that led
/// here hold.
pub(super) fn read(reply: &Message, name: &Name, kind: RecordType, holds: u32) -> Read {
    let code = reply.metadata.response_code;
    if !matches!(code, ResponseCode::NoError | ResponseCode::NXDomain) {
        return Read::Useless(format!("the answer is {}", word(code)));
    }
    let ours = |record: &&hickory_resolver::proto::rr::Record| record.dns_class == DNSClass::IN;
    let answers: Vec<_> = reply.answers.iter().filter(ours).collect();
    let (mut at, mut holds) = (name, holds);
    for _ in 0..=MAX_ALIASES {
        let mut there = answers.iter().filter(|r| r.name == *at && r.record_type() == kind).peekable();
        if there.peek().is_some() {
            let mut records = Vec::new();
            for found in there {
                holds = holds.min(seconds(found.ttl));
                records.extend(record(&found.data));
            }
            let keep = Duration::from_secs(holds.min(LONGEST_POSITIVE).into());
            return Read::Answer(Answer { found: Ok(records.into()), keep });
        }
        let alias = answers.iter().filter(|r| r.name == *at).find_map(|r| match &r.data {
            RData::CNAME(target) => Some((&target.0, r.ttl)),
            _ => None,
        });
        let Some((target, ttl)) = alias else { return nothing(reply, name, at, holds) };
        (at, holds) = (target, holds.min(seconds(ttl)));
    }
    Read::Useless("the aliases go round, or on for too long".to_owned())
}

/// No records: there are none, or the server does not know.
fn nothing(reply: &Message, asked: &Name, at: &Name, holds: u32) -> Read {
    let soa = reply.authorities.iter().find_map(|record| match &record.data {
        // RFC 2308 §5: the lesser of both.
        RData::SOA(soa) => Some(seconds(record.ttl).min(seconds(soa.minimum))),
        _ => None,
    });
    let missing = match reply.metadata.response_code {
        ResponseCode::NXDomain => DnsError::NoName,
        _ if soa.is_none() && at != asked => return Read::Alias(at.clone(), holds),
        // Name servers instead of an answer: this one knows its own zones and asks nobody for us.
        _ if soa.is_none() && reply.authorities.iter().any(|r| r.record_type() == RecordType::NS) => {
            return Read::Useless(
                "the answer refers to others; this server looks up nothing for us".to_owned(),
            );
        }
        _ => DnsError::NoRecords,
    };
    // RFC 2308 §5: without a SOA nobody says for how long.
    let keep = soa.unwrap_or(0).min(holds).min(LONGEST_NEGATIVE);
    Read::Answer(Answer { found: Err(missing), keep: Duration::from_secs(keep.into()) })
}

/// RFC 2181 §8: a TTL with its highest bit set is 0.
const fn seconds(ttl: u32) -> u32 {
    if ttl > i32::MAX as u32 { 0 } else { ttl }
}

fn record(data: &RData) -> Option<Record> {
    // Odd bytes in names are escaped; such names cannot be asked, and cannot break a line either.
    let host = |name: &Name| name.to_ascii().to_ascii_lowercase();
    Some(match data {
        RData::A(ip) => Record::A(ip.0),
        RData::AAAA(ip) => Record::Aaaa(ip.0),
        RData::MX(mx) => Record::Mx(mx.preference, host(&mx.exchange)),
        RData::PTR(name) => Record::Ptr(host(&name.0)),
        RData::TXT(text) => Record::Txt(text.txt_data.concat()),
        _ => return None,
    })
}

/// As everybody writes it (RFC 6895 §2.3).
fn word(code: ResponseCode) -> String {
    match code {
        ResponseCode::FormErr => "FORMERR".to_owned(),
        ResponseCode::ServFail => "SERVFAIL".to_owned(),
        ResponseCode::NotImp => "NOTIMP".to_owned(),
        ResponseCode::Refused => "REFUSED".to_owned(),
        ResponseCode::NotAuth => "NOTAUTH".to_owned(),
        other => format!("error {}", u16::from(other)),
    }
}

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::op::{MessageType, OpCode, Query};
    use hickory_resolver::proto::rr::rdata::{A, CNAME, NS, SOA, TXT};
    use proptest::prelude::*;

    use super::*;

    type Hickory = hickory_resolver::proto::rr::Record;

    fn name(text: &str) -> Name {
        Name::from_ascii(text).unwrap()
    }

    fn rr(owner: &str, ttl: u32, data: RData) -> Hickory {
        Hickory::from_rdata(name(owner), ttl, data)
    }

    fn a(owner: &str, ttl: u32, last: u8) -> Hickory {
        rr(owner, ttl, RData::A(A::new(192, 0, 2, last)))
    }

    fn alias(owner: &str, ttl: u32, target: &str) -> Hickory {
        rr(owner, ttl, RData::CNAME(CNAME(name(target))))
    }

    fn soa(ttl: u32, minimum: u32) -> Hickory {
        let soa = SOA::new(name("ns.example."), name("root.example."), 1, 1, 1, 1, minimum);
        rr("example.", ttl, RData::SOA(soa))
    }

    fn reply(code: ResponseCode, answers: Vec<Hickory>, authorities: Vec<Hickory>) -> Message {
        let mut message = Message::new(1, MessageType::Response, OpCode::Query);
        message.metadata.response_code = code;
        message.add_query(Query::query(name("x.example."), RecordType::A));
        message.add_answers(answers);
        message.add_authorities(authorities);
        message
    }

    fn read(reply: &Message) -> Read {
        super::read(reply, &name("x.example."), RecordType::A, u32::MAX)
    }

    fn found(last: &[u8], keep: u64) -> Read {
        let records: Vec<Record> = last.iter().map(|l| Record::A([192, 0, 2, *l].into())).collect();
        Read::Answer(Answer { found: Ok(records.into()), keep: Duration::from_secs(keep) })
    }

    fn missing(error: DnsError, keep: u64) -> Read {
        Read::Answer(Answer { found: Err(error), keep: Duration::from_secs(keep) })
    }

    const OK: ResponseCode = ResponseCode::NoError;

    #[test]
    fn only_records_of_the_name_and_type_that_were_asked_for_are_taken() {
        let mut lies = reply(
            OK,
            vec![
                a("victim.example.", 300, 66),
                rr("x.example.", 300, RData::TXT(TXT::new(vec!["v=DMARC1; p=none".to_owned()]))),
                a("X.Example.", 300, 1),
                alias("victim.example.", 300, "x.example."),
                a("x.example.", 60, 2),
            ],
            vec![a("x.example.", 300, 66)],
        );
        lies.add_additional(a("x.example.", 300, 66));
        assert_eq!(read(&lies), found(&[1, 2], 60));
        let mut other_class = a("x.example.", 300, 66);
        other_class.dns_class = DNSClass::CH;
        assert_eq!(read(&reply(OK, vec![other_class], vec![])), missing(DnsError::NoRecords, 0));
    }

    #[test]
    fn aliases_are_followed_in_any_order_and_the_shortest_life_counts() {
        let chain = vec![
            a("c.example.", 300, 1),
            alias("b.example.", 20, "c.example."),
            alias("x.example.", 300, "b.example."),
        ];
        assert_eq!(read(&reply(OK, chain.clone(), vec![])), found(&[1], 20));
        assert_eq!(
            super::read(&reply(OK, chain, vec![]), &name("x.example."), RecordType::A, 5),
            found(&[1], 5)
        );
        let half = reply(OK, vec![alias("x.example.", 30, "b.example.")], vec![]);
        assert_eq!(read(&half), Read::Alias(name("b.example."), 30));
        let to_nothing = reply(OK, vec![alias("x.example.", 30, "b.example.")], vec![soa(60, 600)]);
        assert_eq!(read(&to_nothing), missing(DnsError::NoRecords, 30));
        let to_no_name =
            reply(ResponseCode::NXDomain, vec![alias("x.example.", 90, "b.example.")], vec![soa(60, 600)]);
        assert_eq!(read(&to_no_name), missing(DnsError::NoName, 60));
    }

    #[test]
    fn aliases_that_go_round_or_on_end() {
        let round = vec![alias("x.example.", 9, "y.example."), alias("y.example.", 9, "x.example.")];
        let why = Read::Useless("the aliases go round, or on for too long".to_owned());
        assert_eq!(read(&reply(OK, round, vec![])), why);
        let long = |n: usize| {
            let step = |i: usize| if i == 0 { "x.example.".to_owned() } else { format!("x{i}.example.") };
            let mut chain: Vec<Hickory> = (0..n).map(|i| alias(&step(i), 9, &step(i + 1))).collect();
            chain.push(a(&step(n), 9, 1));
            reply(OK, chain, vec![])
        };
        assert_eq!(read(&long(MAX_ALIASES)), found(&[1], 9));
        assert_eq!(read(&long(MAX_ALIASES + 1)), why);
    }

    #[test]
    fn how_long_an_answer_holds_has_limits() {
        assert_eq!(read(&reply(OK, vec![a("x.example.", 0, 1)], vec![])), found(&[1], 0));
        assert_eq!(read(&reply(OK, vec![a("x.example.", 0x7fff_ffff, 1)], vec![])), found(&[1], 86_400));
        assert_eq!(read(&reply(OK, vec![a("x.example.", 0x8000_0000, 1)], vec![])), found(&[1], 0));
        for (code, error) in [(OK, DnsError::NoRecords), (ResponseCode::NXDomain, DnsError::NoName)] {
            assert_eq!(read(&reply(code, vec![], vec![soa(600, 30)])), missing(error.clone(), 30));
            assert_eq!(read(&reply(code, vec![], vec![soa(86_400, 86_400)])), missing(error.clone(), 900));
            assert_eq!(read(&reply(code, vec![], vec![soa(u32::MAX, 60)])), missing(error.clone(), 0));
            assert_eq!(read(&reply(code, vec![], vec![])), missing(error, 0), "nobody said for how long");
        }
    }

    #[test]
    fn what_is_no_answer_is_told_from_nothing() {
        for (code, text) in [
            (ResponseCode::ServFail, "the answer is SERVFAIL"),
            (ResponseCode::Refused, "the answer is REFUSED"),
            (ResponseCode::Unknown(99), "the answer is error 99"),
        ] {
            let with_records = reply(code, vec![a("x.example.", 9, 1)], vec![]);
            assert_eq!(read(&with_records), Read::Useless(text.to_owned()));
        }
        let ns = rr(".", 9, RData::NS(NS(name("a.root-servers.net."))));
        let lame = "the answer refers to others; this server looks up nothing for us";
        assert_eq!(read(&reply(OK, vec![], vec![ns])), Read::Useless(lame.to_owned()));
    }

    #[test]
    fn odd_bytes_in_names_are_escaped() {
        let odd = Name::from_labels([&b"A b\0\n.\xff;\""[..], b"example"]).unwrap();
        let data = RData::PTR(hickory_resolver::proto::rr::rdata::PTR(odd));
        let Some(Record::Ptr(shown)) = record(&data) else { panic!() };
        assert!(shown.bytes().all(|b| b.is_ascii_graphic()), "{shown}");
        assert_eq!(super::super::question(&shown), Err(DnsError::NotAName), "and cannot be asked");
    }

    /// Owner and target are places in this list; an address tells its owner by its last number.
    const NAMES: [&str; 5] = ["x.example.", "y.example.", "z.example.", "victim.example.", "Y.Example."];

    fn records() -> impl Strategy<Value = Vec<(usize, Option<usize>, u32)>> {
        let ttl = prop_oneof![Just(0), 1..100_000_u32, any::<u32>()];
        proptest::collection::vec((0..NAMES.len(), proptest::option::of(0..NAMES.len()), ttl), 0..12)
    }

    proptest! {
        /// Any message that can be read can be judged.
        #[test]
        fn any_message_can_be_read(bytes in proptest::collection::vec(any::<u8>(), 12..400)) {
            if let Ok(message) = Message::from_vec(&bytes) {
                read(&message);
            }
        }

        /// Whatever records come, in whatever order: what is found is all of one name to which the aliases lead,
        /// and it holds no longer than any step on the way.
        #[test]
        fn what_is_found_is_of_the_name_to_which_the_aliases_lead(records in records(), turn in 0..12_usize) {
            let same = |a: usize, b: usize| NAMES[a].eq_ignore_ascii_case(NAMES[b]);
            let of = |(owner, target, ttl): &(usize, Option<usize>, u32)| match target {
                Some(target) => alias(NAMES[*owner], *ttl, NAMES[*target]),
                None => a(NAMES[*owner], *ttl, u8::try_from(*owner).unwrap()),
            };
            let answers: Vec<Hickory> = records.iter().map(of).collect();
            let Read::Answer(Answer { found: Ok(found), keep }) = read(&reply(OK, answers.clone(), vec![])) else {
                return Ok(());
            };
            let owners: Vec<usize> = found
                .iter()
                .map(|record| match record {
                    Record::A(ip) => usize::from(ip.octets()[3]),
                    other => panic!("{other:?}"),
                })
                .collect();
            let owner = owners[0];
            let addresses = || records.iter().filter(|(o, target, _)| target.is_none() && same(*o, owner));
            prop_assert_eq!(owners, addresses().map(|(o, ..)| *o).collect::<Vec<_>>());
            let mut reached = vec![0];
            for _ in &records {
                for (from, to, _) in &records {
                    if let Some(to) = to && reached.iter().any(|at| same(*at, *from)) {
                        reached.push(*to);
                    }
                }
            }
            prop_assert!(reached.iter().any(|at| same(*at, owner)));
            let shortest = addresses().map(|(_, _, ttl)| seconds(*ttl)).min().unwrap().min(LONGEST_POSITIVE);
            prop_assert!(keep <= Duration::from_secs(shortest.into()));

            // One alias for each name at the most: then the order of the records changes nothing.
            let aliases = |name: usize| records.iter().filter(|(o, t, _)| t.is_some() && same(*o, name)).count();
            if (0..NAMES.len()).all(|name| aliases(name) <= 1) {
                let mut turned = answers;
                let by = turn % turned.len();
                turned.rotate_left(by);
                let Read::Answer(again) = read(&reply(OK, turned, vec![])) else { panic!() };
                prop_assert_eq!(again.keep, keep);
                prop_assert_eq!(again.found.unwrap().len(), found.len());
            }
        }
    }
}
