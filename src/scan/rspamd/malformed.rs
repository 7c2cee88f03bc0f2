//! HTTP responses of rspamd and the JSON in them, mutated, and cut into pieces in many ways.

use super::reply;
use super::report;
use super::response::{Answer, Reader, ResponseError};
use crate::model::{AdvisedAction, Outcome};
use crate::mutation::{Campaign, Dice};
use crate::testing::effort;

/// The most bytes of a body that are taken.
const LIMIT: usize = 20_000;

const JSON: &str = r#"{"is_skipped":false,"score":7.25,"required_score":15.0,"action":"add header",
"thresholds":{"reject":15.0,"add header":6.0,"greylist":4.0},
"symbols":{"MIME_GOOD":{"name":"MIME_GOOD","score":-0.1,"metric_score":-0.1,"description":"Known content-type","options":["text/plain","+"]},
"PHISHING":{"name":"PHISHING","score":4.0,"metric_score":4.0,"options":["a.example->b.example"]},"CLAM_VIRUS_FAIL":{"name":"CLAM_VIRUS_FAIL","score":0.0}},
"messages":{"smtp_message":"Try again later"},"urls":["a.example"],"emails":[],"message-id":"a@b","time_real":0.12,
"subject":"***SPAM*** x","dkim-signature":["v=1; a=rsa-sha256; b=x","v=1; a=ed25519-sha256; b=y"],
"milter":{"remove_headers":{"X-Spam":0,"X-A":-1,"Subject":2},"add_headers":{"X-Spam-Status":{"value":"Yes","order":1},"X-B":"plain",
"X-C":[{"value":"1","order":0},"2",{"value":"3","index":-1}]},"spam_header":"X-Spam","change_from":"<a@b>","add_rcpt":["c@d"],"del_rcpt":["e@f"],
"reject":"quarantine","no_action":false}}"#;

fn samples() -> Vec<Vec<u8>> {
    let sized = |status: &str, body: &str| {
        let length = body.len();
        format!(
            "HTTP/1.1 {status}\r\nServer: rspamd/3.8.4\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    };
    let (first, second) = JSON.split_at(300);
    let chunked = format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n{:x}\r\n{first}\r\n{:X};a=b\r\n{second}\r\n0\r\nX-T: 1\r\n\r\n",
        first.len(),
        second.len()
    );
    let skipped = r#"{"is_skipped":true,"score":0,"required_score":0,"action":"no action"}"#;
    [
        sized("200 OK", JSON),
        chunked,
        format!("HTTP/1.0 200 OK\r\nConnection: close\r\n\r\n{JSON}"),
        sized("200 OK", skipped),
        sized("403 Unauthorized", r#"{"error":"Unauthorized"}"#),
        sized("500 x", "oops"),
        "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
    ]
    .map(String::into_bytes)
    .to_vec()
}

const WORDS: [&str; 34] = [
    "\"action\":\"reject\"",
    "\"action\":\"no action\"",
    "soft reject",
    "greylist",
    "rewrite subject",
    "\"is_skipped\":true",
    "\"score\":",
    "null",
    "true",
    "[]",
    "{}",
    "NaN",
    "-0.0",
    "1e308",
    "\"symbols\":[",
    "\"options\":{",
    "\"milter\":",
    "\\u0000",
    "\\ud800",
    "\\n",
    "Content-Length: 5\r\n",
    "Content-Length: -1\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: gzip\r\n",
    "\r\n0\r\n\r\n",
    "ffffffffffffffff\r\n",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 200 OK\r\n",
    "Connection: close\r\n",
    "\"add_headers\":",
    "\"remove_headers\":",
    "\"order\":",
    "\"value\":",
    "Bcc",
];

fn read(pieces: &[&[u8]]) -> Result<Option<Answer>, ResponseError> {
    let mut reader = Reader::new(LIMIT);
    for piece in pieces {
        if reader.feed(piece)? {
            return Ok(Some(reader.into_answer()));
        }
    }
    reader.end().map(Some)
}

#[test]
fn responses_of_rspamd() {
    let mut campaign = Campaign::new("rspamd", effort(1_500, 60_000), samples()).words(&WORDS);
    campaign.largest = 48 << 10;
    campaign.run(|input| {
        let whole = read(&[input]);
        let mut dice = Dice::new(input.len() as u64);
        let (first, second) = input.split_at(dice.below(input.len() + 1));
        let cut = read(&[first, second]);
        // Behind a whole response, what comes with it is an error and what comes later is not looked at.
        if let (Ok(Some(a)), Ok(Some(b))) = (&whole, &cut) {
            assert_eq!((a.status, &a.body), (b.status, &b.body), "it depends on how it is cut");
        }
        let Ok(Some(answer)) = whole else { return };
        assert!(answer.body.len() <= LIMIT, "{} bytes were taken", answer.body.len());
        let Ok(read) = reply::parse(&answer.body) else { return };
        let action = read.advice.action;
        let told = report(read);
        assert!(told.findings.len() < 2_000, "{}", told.findings.len());
        if told.outcome == Outcome::Clean {
            assert_eq!(action, AdvisedAction::NoAction);
        }
        let advice = told.advice.unwrap();
        for field in &advice.add {
            assert!(!field.name.contains(['\r', '\n', '\0', ':']), "{field:?}");
        }
        for finding in &told.findings {
            assert!(finding.score.value().is_finite(), "{finding:?}");
            assert!(!finding.text.contains(['\r', '\n', '\0']), "{finding:?}");
        }
    });
}
