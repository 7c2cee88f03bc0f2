//! What is kept of messages with very many or very long links.

use proptest::prelude::*;

use super::super::choice::MOST;
use super::super::things::{Thing, front_page, without_query};
use super::*;
use crate::link::Link;

fn links(texts: &[String]) -> Vec<Link> {
    texts.iter().map(|text| Link::parse(text).unwrap()).collect()
}

fn chosen(size: usize, texts: &[String]) -> (Vec<String>, Cut) {
    let links = links(texts);
    let mut choice = Choice::new(size, links.len());
    links.iter().for_each(|link| choice.link(link, 0));
    let (things, cut) = choice.finish(std::iter::empty());
    (things.iter().map(|thing| thing.text().to_owned()).collect(), cut)
}

const fn cut(links: usize) -> Cut {
    Cut { links, files: 0 }
}

#[test]
fn a_few_links_are_kept_once_each_as_they_are_and_in_their_order() {
    let texts = ["https://b.test/x?y=1", "http://a.test/", "https://b.test/x?y=1", "https://b.test/x?y=2"];
    let texts = texts.map(str::to_owned);
    let kept = ["https://b.test/x?y=1", "http://a.test/", "https://b.test/x?y=2"].map(str::to_owned);
    assert_eq!(chosen(300, &texts), (kept.to_vec(), cut(0)));
}

#[test]
fn a_long_link_is_kept_without_its_query_or_as_the_front_page_of_its_host() {
    let long = "q".repeat(MAX_LINK);
    let fits = format!("https://fits.test/{}", "a".repeat(MAX_LINK - 18));
    let texts = [
        format!("https://evil.test:8443/a/b.exe?{long}"),
        format!("https://evil.test:8443/a/b.exe?{long}2"),
        format!("https://other.test/{long}"),
        format!("https://other.test/{long}?x"),
        format!("https://evil.test:8443/{long}?x"),
        fits.clone(),
    ];
    let kept = ["https://evil.test:8443/a/b.exe", &fits, "https://other.test/"].map(str::to_owned);
    assert_eq!(chosen(9_000, &texts), (kept.to_vec(), cut(5)));
}

#[test]
fn behind_too_many_links_each_further_host_is_still_kept() {
    let mut texts: Vec<_> = (0..MAX_THINGS + 20).map(|n| format!("https://many.test/{n}")).collect();
    texts.extend(
        ["https://evil.test/a?b", "https://evil.test/c", "http://[2001:db8::1]:8080/c"].map(String::from),
    );
    let (kept, cut_off) = chosen(30_000, &texts);
    assert_eq!(kept[..MAX_THINGS], texts[..MAX_THINGS]);
    assert_eq!(kept[MAX_THINGS..], ["https://evil.test/", "http://[2001:db8::1]:8080/"]);
    assert_eq!(cut_off, cut(23));
}

#[test]
fn links_of_a_small_message_take_little_room_however_long_they_are() {
    let long = "q".repeat(450);
    let mut texts: Vec<_> = (0..250).map(|n| format!("http://e1.test/{long}/{n}")).collect();
    texts.push("http://evil.test/".to_owned());
    let (kept, cut_off) = chosen(3_390, &texts);
    assert_eq!((kept.len(), kept.last()), (18, texts.last()));
    assert_eq!(cut_off, cut(233), "the last one found room");
    let hosts: Vec<_> = (0..1_000).map(|n| format!("http://{n}.{}.test/", "h".repeat(60))).collect();
    assert!(chosen(3_390, &hosts).0.concat().len() < 12_000);
    assert_eq!(chosen(80_000, &texts).1, cut(1), "beyond the count");
}

#[test]
fn files_are_bounded_too() {
    let hash = "e".repeat(64);
    let kept = |size, count: usize| {
        let (things, cut) = Choice::new(size, 0).finish((0..count).map(|_| (hash.as_str(), 3)));
        assert!(things.iter().all(|thing| thing == Thing::File(&hash, 3)));
        (things.iter().count(), cut.files)
    };
    assert_eq!(kept(100_000, 260), (MAX_THINGS, 10));
    assert_eq!(kept(1_000, 250), (238, 12));
}

proptest! {
    #[test]
    fn whatever_links_there_are_they_fit_and_each_host_is_there_while_there_is_room(
        size in 0_usize..200_000,
        texts in proptest::collection::vec("https?://[a-c]{1,3}\\.test(:81)?/[a-z]{0,600}(\\?[a-z]{1,600})?", 0..400),
    ) {
        let links = links(&texts);
        let mut choice = Choice::new(size, links.len());
        links.iter().for_each(|link| choice.link(link, 1));
        let (things, _) = choice.finish(std::iter::empty());
        prop_assert!(things.size() <= MOST && things.size() <= 12_000.max(3 * size));
        prop_assert_eq!(Things::read(things.as_str()), Some(things.clone()));
        for thing in things.iter() {
            let Thing::Link(text, 1) = thing else { panic!("{thing:?}") };
            prop_assert!(text.len() <= MAX_LINK);
            prop_assert_eq!(Link::from_normal(text).map(|link| link.to_string()), Some(text.to_owned()));
            prop_assert!(links.iter().any(|l| [l.as_str(), without_query(l), front_page(l)].contains(&text)));
        }
        if things.size() < 8_000 {
            for link in &links {
                prop_assert!(things.iter().any(|t| Link::from_normal(t.text()).unwrap().host_text() == link.host_text()));
            }
        }
    }

    #[test]
    fn any_text_is_read_back_as_it_stands_or_not_at_all(text in "( [f0-3a:/ ]{0,8}){0,4}") {
        if let Some(things) = Things::read(&text) {
            let mut again = Things::default();
            for thing in things.iter() {
                match thing {
                    Thing::Link(text, known) => again.push_link(text, known),
                    Thing::File(text, known) => again.push_file(text, known),
                }
            }
            prop_assert_eq!(again.as_str(), text);
        }
    }
}
