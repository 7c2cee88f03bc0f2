//! Entries for some recipients only, and those for links, files and fields.

use std::net::IpAddr;

use proptest::prelude::*;

use super::*;

const FILE: &str = "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

#[derive(Clone, Debug, Default)]
struct Mail {
    client: Option<IpAddr>,
    sender: String,
    from: Vec<String>,
    hosts: Vec<String>,
    files: Vec<String>,
    fields: Vec<(String, String)>,
}

fn look(lists: &Lists, mail: &Mail, recipients: &[Recipient]) -> ListHits {
    let files: Vec<&str> = mail.files.iter().map(String::as_str).collect();
    lists.hits(&Asked {
        client: mail.client,
        sender: Some(&mail.sender),
        from: &mail.from,
        authors: &mail.from,
        recipients,
        hosts: &mail.hosts,
        files: &files,
        fields: &mail.fields,
    })
}

fn to(recipient: &str) -> Recipient {
    Recipient::new(format!("<{recipient}>"))
}

fn told(hits: &ListHits) -> Vec<String> {
    hits.0.iter().map(ToString::to_string).collect()
}

fn from(sender: &str) -> Mail {
    Mail { sender: sender.to_owned(), ..Mail::default() }
}

#[test]
fn an_entry_for_some_counts_for_them_alone() {
    let rig = Rig::new();
    rig.add(List::Block, "for:Bob@Example.ORG evil.example");
    rig.add(List::Block, "for:@example.net evil.example");
    let all = ["alice@example.org", "bob@example.org", "x@example.net", "x@sub.example.net"].map(to);
    let hits = look(&rig.lists, &from("a@evil.example"), &all);
    let each = all.each_ref().map(|recipient| told(&hits.for_recipient(recipient)));
    assert_eq!(
        each,
        [
            vec![],
            vec!["sender evil.example on the block list for bob@example.org".to_owned()],
            vec!["sender evil.example on the block list for @example.net".to_owned()],
            vec![],
        ]
    );
    assert_eq!(told(&look(&rig.lists, &from("a@evil.example"), &[])), Vec::<String>::new(), "at MAIL");
    assert_eq!(told(&look(&rig.lists, &from("a@evil.example"), &all[..1])), Vec::<String>::new());
    rig.lists.count(&hits);
    assert_eq!(rig.all(List::Block).iter().map(|l| l.hits).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn the_narrower_pattern_wins_then_the_narrower_scope_then_the_block() {
    let rig = Rig::new();
    let bob = [to("bob@example.org")];
    let now = |rig: &Rig| told(&look(&rig.lists, &from("joe@evil.example"), &bob));
    rig.add(List::Block, "evil.example");
    rig.add(List::Allow, "for:@example.org evil.example");
    let allowed = [
        "sender evil.example on the allow list for @example.org",
        "sender evil.example on the block list, with an exception",
    ];
    assert_eq!(now(&rig), allowed, "a narrower scope, and the block where it is not proven");
    rig.add(List::Block, "for:bob@example.org evil.example");
    assert_eq!(now(&rig), ["sender evil.example on the block list for bob@example.org"]);
    rig.add(List::Allow, "for:bob@example.org evil.example");
    assert_eq!(
        now(&rig),
        ["sender evil.example on the block list for bob@example.org"],
        "of the same the block"
    );
    rig.add(List::Allow, "joe@evil.example");
    assert_eq!(
        now(&rig),
        [
            "sender joe@evil.example on the allow list",
            "sender evil.example on the block list for bob@example.org, with an exception",
        ],
        "a narrower pattern for all"
    );
    rig.add(List::Block, "192.0.2.0/24");
    rig.add(List::Allow, "for:bob@example.org 192.0.2.0/24");
    let client = Mail { client: Some([192, 0, 2, 1].into()), ..Mail::default() };
    assert_eq!(
        told(&look(&rig.lists, &client, &bob)),
        ["client 192.0.2.0/24 on the allow list for bob@example.org"],
        "a client proves itself"
    );
}

#[test]
fn links_files_and_fields_are_found() {
    let rig = Rig::new();
    for text in [
        "url:evil.example",
        FILE,
        "header:X-Mailer:*Spam * 3*",
        "url:192.0.2.1",
        "header:Subject:Große Sache",
    ] {
        rig.add(List::Block, text);
    }
    rig.add(List::Allow, "url:good.evil.example");
    rig.add(List::Allow, "header:x-mailer:The Spam Master 3000");
    let host = |host: &str| Mail { hosts: vec![host.to_owned()], ..Mail::default() };
    let field = |name: &str, value: &str| Mail {
        fields: vec![(name.to_owned(), field_value(value))],
        ..Mail::default()
    };
    let now = |mail: &Mail| told(&look(&rig.lists, mail, &[])).join("|");
    assert_eq!(now(&host("evil.example")), "link url:evil.example on the block list");
    assert_eq!(now(&host("a.b.evil.example")), "link url:evil.example on the block list");
    assert_eq!(now(&host("x.good.evil.example")), "link url:good.evil.example on the allow list");
    assert_eq!(now(&host("notevil.example")), "");
    assert_eq!(now(&host("192.0.2.1")), "link url:192.0.2.1 on the block list");
    let file = Mail { files: vec![FILE[7..].to_owned()], ..Mail::default() };
    assert_eq!(now(&file), format!("file {FILE} on the block list"));
    assert_eq!(now(&field("subject", "GROSSE Sache")), "");
    assert_eq!(
        now(&field("subject", " große\r\n  SACHE")),
        "field header:subject:große sache on the block list"
    );
    assert_eq!(
        now(&field("x-mailer", "old spam v 3.1")),
        "field header:x-mailer:*spam * 3* on the block list"
    );
    assert_eq!(
        now(&field("x-mailer", "the spam master 3000")),
        "field header:x-mailer:*spam * 3* on the block list, with an exception|\
         field header:x-mailer:the spam master 3000 on the allow list",
        "a claim, beside the block that counts where it is not proven"
    );
    let wanted = rig.lists.wanted();
    assert_eq!((wanted.urls, wanted.files, wanted.fields.len()), (true, true, 2));
    for text in ["url:evil.example", "header:x-mailer:*Spam * 3*"] {
        rig.lists.remove(List::Block, &entry(text), "x").unwrap();
    }
    assert_eq!(rig.lists.index().globs(), 0);
    let rig = rig.again();
    assert_eq!(told(&look(&rig.lists, &host("evil.example"), &[])), Vec::<String>::new());
    assert_eq!(told(&look(&rig.lists, &file, &[])).len(), 1);
}

#[test]
fn of_many_hits_a_few_are_named_and_blocks_come_first() {
    let rig = Rig::new();
    for i in 0..50 {
        rig.add(List::Allow, &format!("url:a{i}.example"));
    }
    rig.add(List::Block, "url:z.example");
    let hosts = (0..50).map(|i| format!("a{i}.example")).chain(["z.example".to_owned()]).collect();
    let hits = look(&rig.lists, &Mail { hosts, ..Mail::default() }, &[]);
    assert_eq!((hits.0.len(), hits.block().map(|hit| hit.entry.as_str())), (8, Some("url:z.example")));
}

#[test]
fn hostile_values_cost_little_and_break_nothing() {
    let rig = Rig::new();
    let file: String = (0..MAX_GLOBS).map(|i| format!("header:x-long:a*b{i}*c*z\n")).collect();
    rig.import(List::Block, &file, Mode::Merge);
    let new = NewEntry { entry: entry("header:x:*"), comment: None, expires: None };
    let full = rig.lists.add(List::Block, &new, "x").unwrap_err();
    assert!(matches!(full, ListsError::Globs { .. }), "{full}");
    let huge = field_value(&"ab\u{202e}\u{0}ä".repeat(2_500_000));
    assert!(huge.len() <= 16 * 1024, "{}", huge.len());
    let mail = Mail { fields: vec![("x-long".to_owned(), huge)], ..Mail::default() };
    let begin = std::time::Instant::now();
    assert_eq!(told(&look(&rig.lists, &mail, &[])), Vec::<String>::new());
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert_eq!(field_value("\u{feff}\u{200b}\u{202e}"), "");
    assert_eq!(field_value("İ"), "i\u{307}");
}

#[test]
fn what_is_no_such_entry_is_refused_with_what_to_write() {
    let why = |text: &str| Entry::parse(text).unwrap_err().to_string();
    for (text, told) in [
        ("https://www.evil.example/x?y", "write url:www.evil.example for all links"),
        ("url:https://evil.example/x", "names more than a host; write url:evil.example"),
        ("url:evil.example/x", "names more than a host"),
        ("url:*.evil.example", "url:evil.example takes hosts below it in"),
        ("url:", "names no host of a link"),
        ("sha256:abc", "is no SHA-256"),
        ("header:Subject", "names a field and no value"),
        ("header::x", "names no header field"),
        ("header:Sub ject:x", "names no header field"),
        ("header:Subject: ", "has no value"),
        ("header:Subject:a # b", "begins in files"),
        ("for:alice@example.org", "names for whom and not what"),
        ("for:example.org evil.example", "write @example.org for all recipients there"),
        ("for:192.0.2.1 evil.example", "is not whom an entry is for"),
        ("for:@example.org", "names for whom and not what"),
    ] {
        assert!(why(text).contains(told), "{text}: {}", why(text));
    }
    for (text, normal) in [
        ("URL:Bücher.EXAMPLE.", "url:xn--bcher-kva.example"),
        ("url:[2001:DB8::1]", "url:2001:db8::1"),
        ("Header: List-Id : *.Lists.Example.org", "header:list-id:*.lists.example.org"),
        ("header:X:a**b", "header:x:a*b"),
        ("for:\"A b\"@Example.org  header:Subject:x y", "for:\"a b\"@example.org header:subject:x y"),
    ] {
        assert_eq!(entry(text).to_string(), normal);
        assert_eq!(entry(normal), entry(text), "{normal}");
    }
}

fn pattern() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec!["x@a.b", "@a.b", "a.b", "b", "y@a.b", "c.b"]).prop_map(str::to_owned),
        prop::sample::select(vec!["10.0.0.0/8", "10.0.0.1", "10.0.0.0/31"]).prop_map(str::to_owned),
        prop::sample::select(vec!["url:a.b", "url:b", "url:10.0.0.1"]).prop_map(str::to_owned),
        prop::sample::select(vec![FILE.to_owned(), FILE.replace("00", "01")]),
        prop::sample::select(vec!["header:s:x", "header:s:*", "header:s:x*", "header:t:*y*"])
            .prop_map(str::to_owned),
    ]
}

fn any_scope() -> impl Strategy<Value = Option<&'static str>> {
    prop::option::weighted(
        0.6,
        prop::sample::select(vec!["@r.x", "a@r.x", "b@r.x", "@s.x", "a@s.x", "\"a b\"@s.x"]),
    )
}

fn some(values: &'static [&'static str], most: usize) -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec(prop::sample::select(values).prop_map(str::to_owned), 0..=most)
}

fn mail() -> impl Strategy<Value = Mail> {
    let fields = proptest::collection::vec(
        (prop::sample::select(vec!["s", "t", "u"]), prop::sample::select(vec!["x", "xy", "y", "z"])),
        0..3,
    );
    (
        prop::option::of(prop::sample::select(vec!["10.0.0.1", "10.0.0.3", "11.0.0.1"])),
        some(&["x@a.b", "y@a.b", "z@q.b", "z@q"], 1),
        some(&["x@a.b", "y@a.b", "z@q.b"], 2),
        some(&["a.b", "z.a.b", "b", "10.0.0.1", "q"], 3),
        prop::option::of(Just(FILE[7..].to_owned())),
        fields,
    )
        .prop_map(|(client, sender, from, hosts, file, fields)| Mail {
            client: client.map(|ip| ip.parse().unwrap()),
            sender: sender.into_iter().next().unwrap_or_default(),
            from,
            hosts,
            files: file.into_iter().collect(),
            fields: fields.into_iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect(),
        })
}

/// An index with the entries that take this recipient in, and no others, in which for each pattern only the
/// ones of the narrowest scope are left and are for all: what the plain rules then say is what must count.
/// The blocks of wider scopes, which stand beside an exception, are compared on their own.
fn reference(entries: &[(List, Entry)], recipient: &Recipient, mail: &Mail) -> Vec<(Matched, List, String)> {
    let scopes = crate::model::list::scopes(recipient);
    let width = |entry: &Entry| match entry.scope.as_ref().map(Scope::as_str) {
        None => Some(2),
        scope if scope == scopes.domain.as_deref() => Some(1),
        scope if scope == scopes.address.as_deref() => Some(0),
        _ => None,
    };
    let mut index = Index::default();
    for (list, entry) in entries {
        let Some(own) = width(entry) else { continue };
        let narrowest =
            entries.iter().filter(|(_, e)| e.pattern == entry.pattern).filter_map(|(_, e)| width(e)).min();
        if narrowest == Some(own) {
            index.put(*list, Arc::new(Item::new(listed(entry.clone().within(None)))));
        }
    }
    let files: Vec<&str> = mail.files.iter().map(String::as_str).collect();
    let asked = Asked {
        client: mail.client,
        sender: Some(&mail.sender),
        from: &mail.from,
        // Several authors of whom some are excepted need the blocks of wider scopes; those have tests above.
        authors: if mail.from.len() == 1 { &mail.from } else { &[] },
        recipients: &[],
        hosts: &mail.hosts,
        files: &files,
        fields: &mail.fields,
    };
    decisive(&claims::hits(&index, &asked, TODAY))
}

fn decisive(hits: &ListHits) -> Vec<(Matched, List, String)> {
    let kept = hits.0.iter().filter(|hit| !hit.excepted && hit.on != Matched::From);
    kept.map(|hit| (hit.on, hit.list, hit.entry.clone())).collect()
}

fn listed(entry: Entry) -> Listed {
    Listed { entry, comment: None, by: "x".into(), created: TODAY, expires: None, hits: 0, last_hit: None }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    /// However many others it is for, what counts for a recipient is what counts if it is for him alone, and
    /// what counts if nothing were on the lists but the entries that take him in.
    #[test]
    fn what_counts_for_one_is_what_his_entries_alone_say(
        entries in proptest::collection::vec((any::<bool>(), pattern(), any_scope()), 0..30),
        mail in mail(),
        recipients in some(&["a@r.x", "A@R.x.", "b@r.x", "c@r.x", "a@s.x", "\"a b\"@s.x", "a@t.x", "Postmaster", ""], 6),
    ) {
        let list = |block: bool| if block { List::Block } else { List::Allow };
        let entries: Vec<(List, Entry)> = entries
            .into_iter()
            .map(|(block, pattern, scope)| {
                let scope = scope.map(|scope| Scope::parse(scope).unwrap());
                (list(block), entry(&pattern).within(scope))
            })
            .collect();
        let mut index = Index::default();
        for (list, entry) in &entries {
            index.put(*list, Arc::new(Item::new(listed(entry.clone()))));
        }
        let files: Vec<&str> = mail.files.iter().map(String::as_str).collect();
        let asked = |recipients| Asked {
            client: mail.client,
            sender: Some(&mail.sender),
            from: &mail.from,
            authors: &mail.from,
            recipients,
            hosts: &mail.hosts,
            files: &files,
            fields: &mail.fields,
        };
        let recipients: Vec<Recipient> = recipients.iter().map(|r| to(r)).collect();
        let all = claims::hits(&index, &asked(&recipients), TODAY);
        for recipient in &recipients {
            // What is on the lists for others is taken away; nothing is left to narrow but what is for him.
            let scopes = crate::model::list::scopes(recipient);
            let mut own = Index::default();
            for (list, entry) in &entries {
                let scope = entry.scope.as_ref().map(|scope| scope.as_str().to_owned());
                if scope.is_none() || scope == scopes.address || scope == scopes.domain {
                    own.put(*list, Arc::new(Item::new(listed(entry.clone()))));
                }
            }
            let alone = claims::hits(&own, &asked(std::slice::from_ref(recipient)), TODAY);
            let plain = |hits: &ListHits| {
                let mut hits: Vec<ListHit> =
                    hits.0.iter().map(|hit| ListHit { beside: None, ..hit.clone() }).collect();
                hits.sort_by_key(|hit| hit.on);
                hits
            };
            let narrowed = all.for_recipient(recipient);
            prop_assert_eq!(plain(&narrowed), plain(&alone.for_recipient(recipient)));
            let mut decided = decisive(&narrowed);
            decided.sort_by_key(|(on, ..)| *on);
            prop_assert_eq!(decided, reference(&entries, recipient, &mail));
            prop_assert!(narrowed.positions_for(recipient).is_none_or(|all| all.len() == narrowed.0.len()));
        }
        for (list, entry) in &entries {
            index.take(*list, entry);
        }
        prop_assert!(index.is_for_all() && index.wanted() == Wanted::default() && index.globs() == 0);
        prop_assert_eq!((index.count(List::Allow), index.count(List::Block)), (0, 0));
    }
}
