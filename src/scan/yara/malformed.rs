//! Rule files, mutated: compiled or refused with a reason, and what was compiled scans.

use std::sync::Arc;

use super::bundled;
use super::compile;
use super::source::Source;
use crate::mutation::Campaign;
use crate::testing::effort;

const RULES: [&str; 5] = [
    "import \"hash\"\nimport \"math\"\nrule One : tag { meta: score = 5 category = \"malware\" text = \"x\" strings: $a = \"evil\" nocase wide ascii $b = { 4D 5A ?? [2-4] ( 90 | 91 ) } $c = /a[b-z]{2,9}(c|d)+/i condition: (2 of them or #a > 3) and filesize < 1MB and math.entropy(0, filesize) > 1.5 and hash.md5(0, 4) != \"x\" }\n",
    "private rule Two { strings: $x = \"y\" xor base64 fullword condition: for any i in (1..#x) : (@x[i] < 100 and uint32be(@x[i]) == 0x79) }\nrule Three { condition: Two and not false }\n",
    "import \"pe\"\nimport \"elf\"\nrule Four { condition: pe.is_pe and pe.number_of_sections > 2 or for any s in pe.sections : (s.name == \".text\") or elf.type == elf.ET_EXEC }\n",
    "rule Five { meta: score = -1 strings: $ = \"a\" $ = /b{1,1000}/ condition: part_name iendswith \".exe\" or part_type == \"text/html\" or is_raw and any of them }\n",
    "include \"other.yar\"\nglobal rule Six { condition: true }\n",
];

const WORDS: [&str; 40] = [
    "rule X { condition: true }\n",
    "condition:",
    "strings:",
    "meta:",
    "import \"pe\"\n",
    "import \"zip\"\n",
    "include \"/etc/passwd\"\n",
    "$a = ",
    "any of them",
    "all of ($a*)",
    "#a",
    "@a[1]",
    "!a[1]",
    "for all i in (0..18446744073709551615) : ( i )",
    "filesize",
    "entrypoint",
    "uint8(",
    "/(a*)*b/",
    "/((((a))))/",
    "/.*.*.*.*x/s",
    "/a{0,65535}/",
    "{ ?? ?? ?? }",
    "{ [0-65535] 4D }",
    "{ ~4D }",
    " base64wide",
    " xor(0-255)",
    "score = 99999999999999999999",
    "score = \"x\"",
    "matches /x/",
    "contains",
    "and",
    "or",
    "not",
    "defined",
    "0x",
    "9KB",
    "1MB",
    "\\x00",
    "(*",
    "/*",
];

#[test]
fn files_of_rules() {
    let mut samples = RULES.map(|rules| rules.as_bytes().to_vec()).to_vec();
    // The large ones would be most of the time.
    samples.extend(
        bundled::sources().iter().map(|source| source.text.clone()).filter(|text| text.len() < 3_000),
    );
    let mut campaign = Campaign::new("yara", effort(60, 6_000), samples).words(&WORDS);
    campaign.largest = 8 << 10;
    // What shows a fault in its line counts bytes as characters. The file is told as broken all the same.
    campaign.excused = &["/annotate-snippets-"];
    campaign.run(|input| {
        let source = Source { name: "x.yar".to_owned(), origin: "x.yar".to_owned(), text: input.to_vec() };
        match compile::good(&[Arc::new(source)]) {
            Ok((set, broken)) => {
                assert!(broken.len() <= 1);
                assert!(set.count == 0 || broken.is_empty(), "half of a file is in use");
                for pass in &set.passes {
                    let mut scanner = yara_x::Scanner::new(&pass.rules);
                    scanner.set_timeout(std::time::Duration::from_secs(1));
                    drop(scanner.scan(b"MZ evil\0\x90abcd yyy some more text of a mail"));
                }
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    });
}

#[test]
fn a_fault_that_cannot_be_shown_in_its_line_is_told_all_the_same() {
    let text = "private rule Two \u{2028}B{ strings: $x = \"y\" condition: uint65536be(1) == 4294967295x79 }";
    let source = Source { name: "x.yar".to_owned(), origin: "x.yar".to_owned(), text: text.into() };
    let (set, broken) = compile::good(&[Arc::new(source)]).unwrap();
    assert_eq!((set.count, broken.len()), (0, 1));
}
