//! What other filters and networks wrap.

use crate::mail::links::Limits;
use crate::mail::links::{Source, find};
use crate::model::Parts;

/// What is unwrapped of an address, outermost first.
fn unwrapped(address: &str) -> Vec<String> {
    let found = find(&Parts::default(), address, &Limits::default());
    assert_eq!(found.list[0].source, Source::Subject, "{address}");
    found.list.iter().filter(|f| f.source == Source::Wrapped).map(|f| f.link.to_string()).collect()
}

#[test]
fn each_wrapper_gives_what_is_in_it() {
    for (wrapped, expected) in [
        (
            "https://nam02.safelinks.protection.outlook.com/?url=https%3A%2F%2Fevil.example%2Fx%3Fa%3D1&data=05%7C01&reserved=0",
            "https://evil.example/x?a=1",
        ),
        ("https://gcc02.safelinks.protection.office365.us/?url=evil.com%2Fx", "http://evil.com/x"),
        (
            "https://urldefense.proofpoint.com/v1/url?u=http://evil.example/x&k=oIvRg1%2BdGAgOoM1BIlLLqw%3D%3D%0A",
            "http://evil.example/x",
        ),
        (
            "https://urldefense.proofpoint.com/v2/url?u=https-3A__evil.example_a-2Db-3Fc-3Dd&d=DwMFaQ&c=x",
            "https://evil.example/a-b?c=d",
        ),
        ("https://urldefense.com/v3/__https://evil.example/x__;!!abc!def$", "https://evil.example/x"),
        ("https://urldefense.com/v3/__https://evil.example/x*y__;Iw!!abc!def$", "https://evil.example/x"),
        ("https://urldefense.com/v3/__https:/evil.example/a*b__;Kg!!abc!def$", "https://evil.example/a*b"),
        (
            "https://urldefense.us/v3/__https://evil.example/?q=**A__;w6nDqA!!abc!def$",
            "https://evil.example/?q=%C3%A9%C3%A8",
        ),
        ("https://protect-us.mimecast.com/s/AbCdEf?domain=evil.com", "http://evil.com/"),
        ("https://url.us.m.mimecastprotect.com/s/AbC?domain=evil.com", "http://evil.com/"),
        (
            "https://linkprotect.cudasvc.com/url?a=https%3a%2f%2fevil.example%2fx&c=E,1,abc&typo=1",
            "https://evil.example/x",
        ),
        ("https://www.google.com/url?q=https://evil.example/x&sa=D", "https://evil.example/x"),
        ("https://www.google.co.uk/url?sa=t&url=evil.com/x", "http://evil.com/x"),
        ("https://www.google.com/amp/s/evil.example/x?a=1", "https://evil.example/x?a=1"),
        ("https://evil-example.cdn.ampproject.org/c/s/evil.example/x", "https://evil.example/x"),
        ("https://evil--site-com.translate.goog/x?_x_tr_sl=a&b=1", "https://evil-site.com/x?b=1"),
        ("https://translate.google.com/translate?u=evil.com", "http://evil.com/"),
        ("https://l.facebook.com/l.php?u=https%3A%2F%2Fevil.example%2Fx&h=AT0", "https://evil.example/x"),
        ("https://l.instagram.com/?u=evil.com&e=1", "http://evil.com/"),
        ("https://www.linkedin.com/redir/redirect?url=evil.com/x&urlhash=1", "http://evil.com/x"),
        ("https://www.linkedin.com/safety/go?url=https%3A%2F%2Fevil.example", "https://evil.example/"),
        ("https://www.youtube.com/redirect?event=x&q=evil.com", "http://evil.com/"),
        (
            "https://www.bing.com/ck/a?!&&p=1&u=a1aHR0cHM6Ly9ldmlsLmV4YW1wbGUveA&ntb=1",
            "https://evil.example/x",
        ),
        (
            "https://protect.checkpoint.com/v2/r01/___https://evil.example/cp/x___.YzJlOmFiYzpjOm86MQ",
            "https://evil.example/cp/x",
        ),
        (
            "https://protect.checkpoint.com/v2/___https://evil.example/x?a=1&b=c___d___.YzJlOmFiYzpjOm86MQ",
            "https://evil.example/x?a=1&b=c___d",
        ),
        ("https://eu.protect.checkpoint.com/v2/___http:/evil.example/x___.YzJl", "http://evil.example/x"),
        ("https://duckduckgo.com/l/?uddg=https%3A%2F%2Fevil.example%2F", "https://evil.example/"),
        (
            "https://r.search.yahoo.com/_ylt=A/RU=https%3a%2f%2fevil.example%2fx/RK=2/RS=3",
            "https://evil.example/x",
        ),
        ("https://secure-web.cisco.com/1abc/https%3A%2F%2Fevil.example%2Fx", "https://evil.example/x"),
        (
            "https://protect2.fireeye.com/v1/url?k=1&q=1&e=2&u=https%3A%2F%2Fevil.example%2F",
            "https://evil.example/",
        ),
        ("https://clicktime.symantec.com/3abc?u=https%3A%2F%2Fevil.example%2F", "https://evil.example/"),
        (
            "https://eu.protection.sophos.com?d=evil.com&u=aHR0cHM6Ly9ldmlsLmNvbS94&i=1",
            "http://evil.com/ https://evil.com/x",
        ),
        ("https://slack-redir.net/link?url=evil.com", "http://evil.com/"),
        ("https://vk.com/away.php?to=evil.com%2Fx", "http://evil.com/x"),
        ("https://web.archive.org/web/2020/http://evil.example/x?y", "http://evil.example/x?y"),
        ("https://site.example/redirect?to=https%253A%252F%252Fevil.example%252Fx", "https://evil.example/x"),
        ("https://site.example/?https://evil.example/x", "https://evil.example/x"),
        ("https://site.example/go?b=aHR0cHM6Ly9ldmlsLmV4YW1wbGUveA==", "https://evil.example/x"),
        ("https://www.google.com/search?q=example.com", ""),
        ("https://site.example/page?ref=example.com&q=http", ""),
    ] {
        let expected: Vec<&str> = expected.split_ascii_whitespace().collect();
        assert_eq!(unwrapped(wrapped), expected, "{wrapped}");
    }
}

#[test]
fn what_is_wrapped_twice_is_unwrapped_twice_and_not_for_ever() {
    let inner = "https%3A%2F%2Furldefense.proofpoint.com%2Fv2%2Furl%3Fu%3Dhttp-3A__evil.example_x%26d%3D1";
    assert_eq!(
        unwrapped(&format!("https://eur01.safelinks.protection.outlook.com/?url={inner}")),
        ["https://urldefense.proofpoint.com/v2/url?u=http-3A__evil.example_x&d=1", "http://evil.example/x"]
    );
    let deep = "https://a.example/?u=".repeat(50) + "https://evil.example/";
    assert_eq!(unwrapped(&deep).len(), Limits::default().unwrap);
}
