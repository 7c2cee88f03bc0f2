//! Parts broken in seeded ways: no reader fails, nothing goes beyond its limit.

use super::{message, told};
use crate::mail::links::{Limits, Skipped, find};

/// Something of everything that is read.
pub(in crate::mail::links) const SAMPLES: [(&str, &str); 8] = [
    (
        "text/html",
        "<base href='http://b.example/'><a href=\"https://a.example/x?u=https%3A%2F%2Fc.example\">y<b>z</a>\
         <!--[if mso]><v:roundrect href='//d.example'><![endif]--><iframe srcdoc='&lt;a href=x&gt;'></iframe>\
         <svg><style><!--</style><a xlink:href='e'></a></svg><noscript><a title='</noscript>'>",
    ),
    (
        "text/html",
        "<script>var a = 'ht' + 'tp://a.example'; b = atob('aHR0cDovL2EuZXhhbXBsZS94'); String.fromCharCode(104,116)\
         </script><style>@import/**/'//x.example';p{background:\\75rl(http://a.example)}</style>\
         <meta http-equiv=refresh content='0;url=//a.example'><img srcset='a 1x, (b) 2x'><a href='data:text/html;base64,PGE+'>",
    ),
    (
        "text/plain",
        "See <http://a.example/\r\n x>, (www.example.com/a_(b)), evil\u{ff0e}com\u{ff0f} http://\u{440}aypal.com/ a.com:8/x",
    ),
    (
        "text/calendar",
        "URL:http://a.ex\r\n ample\r\nX-ALT-DESC:<a href='x'>\\n\\,y</a>\r\nN;QUOTED-PRINTABLE:=3A=\r\n",
    ),
    (
        "image/svg+xml",
        "<?xml version='1.0'?><!DOCTYPE svg [<!ENTITY e 'http://a.example'>]><svg><a y:href='x'/><![CDATA[<a>]]>\
         <animate values='http://a.example;b'/></svg>",
    ),
    (
        "application/pdf",
        "%PDF-1.7\n1 0 obj << /Annots [<< /A << /S /URI /#55RI (http://a.example/\\(x\\)\\057) >> >>] /F <68747470> >> endobj\n\
         2 0 obj << /Type /ObjStm /N 1 /First 5 >> stream\r\n10 0 (http://b.example/)\nendstream endobj\n\
         3 0 obj << /JS 4 0 R /URI 5 0 R >> endobj 4 0 obj << >> stream\napp.launchURL('http://c.example')\nendstream endobj\n\
         5 0 obj (http://d.example/) endobj trailer << /Encrypt 6 0 R >> %%EOF",
    ),
    (
        "application/rtf",
        "{\\rtf1\\uc1{\\info{\\*\\hlinkbase http://a.example/}}{\\field{\\*\\fldinst HYPERLINK \"http://b.ex\\'61mple/\"}\
         {\\fldrslt \\u104?ttp://c.example}}\\bin3 }}}\\par www.example.com}",
    ),
    (
        "text/enriched",
        "<bold>http</bold>://a.exa<x>mple/ <param>http://b.example</param> <<http://c.example<nl>/x>",
    ),
];

/// What breaks readers.
const PIECES: [&str; 24] = [
    "<",
    ">",
    "\"",
    "'",
    "&",
    "&#",
    ";",
    "=",
    "(",
    ")",
    "<!--",
    "-->",
    "]]>",
    "<svg>",
    "</",
    "\\",
    "\u{200b}",
    "\u{3002}",
    "\u{1f4a9}",
    "%",
    "\0",
    "\r\n ",
    "http://",
    "<script>",
];

pub(in crate::mail::links) struct Random(pub(in crate::mail::links) u64);

impl Random {
    /// xorshift64*.
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let n = u64::try_from(n.max(1)).unwrap();
        usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % n).unwrap()
    }
}

pub(in crate::mail::links) fn mutated(sample: &str, random: &mut Random) -> String {
    let mut out = sample.to_owned();
    for _ in 0..=random.below(5) {
        let at = out.floor_char_boundary(random.below(out.len()));
        match random.below(4) {
            0 => out.insert_str(at, PIECES[random.below(PIECES.len())]),
            1 => {
                let end = out.floor_char_boundary((at + random.below(12)).min(out.len())).max(at);
                out.replace_range(at..end, "");
            }
            2 => {
                let end = out.floor_char_boundary((at + random.below(60)).min(out.len())).max(at);
                let piece = out[at..end].to_owned();
                let to = out.floor_char_boundary(random.below(out.len()));
                out.insert_str(to, &piece);
            }
            _ => {
                let end = out.floor_char_boundary(random.below(out.len() * 4).min(out.len()));
                out.truncate(end);
            }
        }
    }
    out
}

#[test]
fn twenty_thousand_broken_parts_are_read_and_alike_each_time() {
    let mut random = Random(0x006c_696e_6b73);
    let limits = Limits { urls: 40, text: 4_000, ..Limits::default() };
    for round in 0..20_000 {
        let (media_type, sample) = SAMPLES[round % SAMPLES.len()];
        let content = mutated(sample, &mut random);
        let parts = message(media_type, content.clone());
        let found = find(&parts, &content, &limits);
        assert!(!found.not_inspected.contains(&Skipped::Unreadable), "{content:?}");
        assert!(found.list.len() <= limits.urls, "{content:?}");
        if round % 20 == 0 {
            assert_eq!(told(&found), told(&find(&parts, &content, &limits)), "{content:?}");
        }
    }
}
