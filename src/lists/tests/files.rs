use proptest::prelude::*;

use super::*;

fn faults(file: &str) -> Vec<(usize, String)> {
    let unreadable = read(file.as_bytes(), TODAY).unwrap_err();
    assert_eq!(unreadable.count, unreadable.faults.len());
    unreadable.faults.into_iter().map(|fault| (fault.line, fault.what)).collect()
}

#[test]
fn a_plain_file_is_an_entry_a_line_with_its_comment() {
    let rig = Rig::new();
    let file = "# our partners\r\n\r\n  Example.org   # since 2019 # really\r\n192.0.2.0/24\t#\tnet\r\n\
                #no@entry.example\r\na#b@example.org\r\n\"a #b\"@example.org # odd\r\nc@example.org#d";
    let (line, what) = faults(file).remove(0);
    assert_eq!((line, what.starts_with("\"example.org#d\" is no domain")), (8, true), "{what}");
    let file = file.replace("c@example.org#d", "");
    let done = rig.import(List::Allow, &file, Mode::Merge);
    assert_eq!(done, Imported { added: 4, ..Imported::default() });
    assert_eq!(
        rig.export(List::Allow, Format::Plain),
        "\"a #b\"@example.org # odd\na#b@example.org\nexample.org # since 2019 # really\n192.0.2.0/24 # net\n"
    );
}

#[test]
fn every_bad_line_is_named_and_nothing_is_changed() {
    let rig = Rig::new();
    let bad: Vec<String> =
        (0..250).map(|i| if i % 2 == 0 { format!("d{i}.example") } else { "a b".to_owned() }).collect();
    let unreadable = read(bad.join("\n").as_bytes(), TODAY).unwrap_err();
    assert_eq!((unreadable.count, unreadable.faults.len()), (125, 100));
    assert_eq!(unreadable.faults[0].line, 2);
    assert_eq!(unreadable.faults[99].line, 200);
    assert_eq!(unreadable.to_string(), "125 lines of the file cannot be read, so nothing was changed");
    assert_eq!(rig.all(List::Block), []);
    let told = faults("good.example\n\u{1b}[2J@x\n10.0.0.1/8 # net\n");
    assert_eq!(told.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 3]);
    assert!(!told[0].1.contains('\u{1b}'), "{told:?}");
    assert!(told[1].1.ends_with("write 10.0.0.1 or 10.0.0.0/8"), "{told:?}");
    assert_eq!(read(b"\xff@example.org", TODAY).unwrap_err().faults[0].what, "it is no UTF-8 text");
    let long = "x".repeat(5000);
    assert_eq!(faults(&long)[0].1, "it has 5000 bytes, and no line may have more than 4096");
}

#[test]
fn what_stands_there_twice_is_told_and_the_last_counts() {
    let rig = Rig::new();
    let lines = read(b"example.org # one\nb.example\nEXAMPLE.org # two\n", TODAY).unwrap();
    assert_eq!((lines.len(), lines.duplicate_count), (2, 1));
    assert_eq!(lines.duplicates, ["line 3 repeats example.org of line 1"]);
    rig.lists.import(List::Block, &lines, Mode::Merge, "importer", false).unwrap();
    assert_eq!(rig.export(List::Block, Format::Plain), "b.example\nexample.org # two\n");
}

#[test]
fn an_import_adds_to_a_list_or_replaces_it_and_a_dry_run_does_neither() {
    let rig = Rig::new();
    rig.import(List::Block, "a.example # one\nb.example # two\n", Mode::Merge);
    let before = rig.all(List::Block);
    let file = "b.example\nc.example\na.example # other\n";
    let lines = read(file.as_bytes(), TODAY).unwrap();
    let dry = rig.lists.import(List::Block, &lines, Mode::Replace, "x", true).unwrap().0;
    assert_eq!(dry, Imported { added: 1, changed: 1, same: 1, removed: 0 });
    assert_eq!(rig.all(List::Block), before);
    assert_eq!(
        rig.import(List::Block, "b.example\n", Mode::Replace),
        Imported { same: 1, removed: 1, ..Imported::default() }
    );
    assert_eq!(rig.export(List::Block, Format::Plain), "b.example # two\n", "what a file does not say stays");
    assert_eq!(rig.hits(None, "x@a.example", &[]), Vec::<String>::new());
    assert_eq!(rig.import(List::Block, "", Mode::Replace), Imported { removed: 1, ..Imported::default() });
    let rig = rig.again();
    assert_eq!(rig.all(List::Block), []);
}

#[test]
fn the_other_list_is_left_alone() {
    let rig = Rig::new();
    rig.add(List::Allow, "example.org");
    rig.import(List::Block, "example.org\n", Mode::Replace);
    rig.import(List::Block, "", Mode::Replace);
    assert_eq!(texts(&rig.all(List::Allow)), ["example.org"]);
}

#[test]
fn a_full_file_of_another_kind_or_with_other_fields_is_refused() {
    let head = Rig::new().export(List::Allow, Format::Full);
    assert_eq!(faults("#mailward-list 2\tentry\n")[0].0, 1);
    for (line, told) in [
        ("example.org", "it has 1 fields separated by tabs, and must have 7"),
        ("example.org\tsoon\t\t\t\t\t", "expires is \"soon\", which is no time as in 2026-12-24T12:00:00Z"),
        ("example.org\t\t\t\tmany\t\t", "hits is \"many\", which is no number"),
    ] {
        assert_eq!(faults(&format!("{head}{line}\n")), [(2, told.to_owned())]);
    }
    let over =
        read(format!("{head}example.org\t2020-01-01T00:00:00Z\t\t\t\t\t\n").as_bytes(), TODAY).unwrap();
    assert_eq!((over.len(), over.over), (0, 1));
}

fn listed() -> impl Strategy<Value = Listed> {
    let text = "[a-z #='+@äß\"]{0,20}";
    let entry = prop_oneof![
        "[a-z#'=.+ä]{1,8}@[a-z]{1,6}\\.example",
        "@?[a-z]{1,6}\\.example",
        "10\\.[0-9]{1,2}\\.0\\.0/16",
        "2001:db8:[0-9a-f]{1,4}::/48",
        "url:[a-z]{1,6}\\.example",
        "sha256:[0-9a-f]{64}",
        "header:[A-Z][a-z-]{1,6}:[a-zäß*.#\"]{1,12}",
        "for:(\"a #[b-d]\"|[a-d])?@[a-z]{1,6}\\.example (url:)?[a-z]{1,6}\\.example",
    ];
    let (moments, ends) = (1_000_000_000_000u64..2_000_000_000_000, 1_800_000_000_000u64..2_000_000_000_000);
    let some = |range| prop::option::of(range);
    (entry, text, text, moments.clone(), some(ends), 0u64..1000, some(moments)).prop_filter_map(
        "no entry",
        |(entry, note, by, created, expires, hits, last)| {
            Some(Listed {
                entry: Entry::parse(&entry).ok()?,
                comment: comment(&note).ok()?,
                by: by.trim().into(),
                created: Timestamp::from_millis(created),
                expires: expires.map(Timestamp::from_millis),
                hits,
                last_hit: last.map(Timestamp::from_millis),
            })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]
    #[test]
    fn an_export_that_is_imported_gives_the_same_list(all in proptest::collection::vec(listed(), 0..20)) {
        let rig = Rig::new();
        let mut file = rig.export(List::Block, Format::Full).into_bytes();
        for listed in &all {
            exchange::write_line(listed, Format::Full, &mut file).unwrap();
        }
        let file = String::from_utf8(file).unwrap();
        rig.import(List::Block, &file, Mode::Replace);
        let before = rig.all(List::Block);
        let mut kept: Vec<Listed> = Vec::new();
        for listed in all {
            kept.retain(|k| k.entry != listed.entry);
            // Nobody's name is the name of who imports.
            let by = if listed.by.is_empty() { "importer".into() } else { listed.by.clone() };
            kept.push(Listed { by, ..listed });
        }
        kept.sort_by(|a, b| a.entry.in_order(&b.entry));
        prop_assert_eq!(&before, &kept);
        let other = Rig::new();
        other.import(List::Allow, &rig.export(List::Block, Format::Full), Mode::Merge);
        prop_assert_eq!(other.all(List::Allow), before);
    }

    #[test]
    fn any_file_is_read_without_panic(bytes: Vec<u8>, text in "(#mailward-list 1\tentry\texpires\tby\tcreated\thits\tlast_hit\tcomment\n)?[a-z@.#\t\r\n\" 0-9/:]{0,200}") {
        for file in [bytes.as_slice(), text.as_bytes()] {
            match read(file, TODAY) {
                Ok(lines) => prop_assert!(lines.len() <= file.len()),
                Err(wrong) => prop_assert!(wrong.count >= wrong.faults.len() && wrong.count > 0),
            }
        }
    }
}
