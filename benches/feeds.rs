//! Five million links in memory, and what a change of feeds does to mail that is on its way.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use mailward::feed::{Asked, Folder, Index};
use mailward::link::Link;

use super::links;
use super::mails::{Kind, Template};
use super::mta::{Daemon, Postfix, admin};
use super::process::thread_time;
use super::sender;
use super::table::Spread;

/// Entries of the large list.
const MANY: usize = 5_000_000;
/// Links looked up in one round; the clock of a thread has steps of some milliseconds.
const LOOKED_UP: usize = 500_000;
/// Links of one message.
const OF_ONE_MAIL: usize = 250;
/// Messages of one round of [`swap`].
const WAITED_FOR: usize = 400;

/// What a row says, what is wanted, and which links are looked up how.
type Way<'a> = (&'a str, &'a str, &'a [Link], &'a dyn Fn(&[Link]) -> usize);

/// Memory of a key, time to load, time of a look-up.
///
/// # Errors
/// If the list is not read as it should be.
pub(crate) fn report(rounds: usize) -> anyhow::Result<()> {
    let body = links::list(MANY);
    let before = thread_time()?;
    let (dir, source, keyer, index) = links::index_of(&body)?;
    let taken_in = thread_time()?.saturating_sub(before);
    drop((body, index));
    let before = thread_time()?;
    let folder = Folder::open(&dir.path().join("feeds"))?;
    let (copy, keys) = folder.load(&source, &keyer)?.context("no copy of the list")?;
    let index = Index::new(keyer).with("mine", &keys, Arc::new(copy))?;
    let loaded = thread_time()?.saturating_sub(before);
    drop(keys);
    #[expect(clippy::cast_precision_loss, reason = "some hundred millions")]
    let bytes = index.bytes() as f64 / index.keys() as f64;
    println!("{MANY} links, {} keys:\n\n| what | came | wanted |\n|---|---|---|", index.keys());
    println!("| bytes a key | {bytes:.1} | ≤ 24 |");
    println!("| read from the publisher's list, one core | {:.1} s | |", taken_in.as_secs_f64());
    println!("| loaded from the copy on disk, one core | {:.1} s | ≤ 10 s |", loaded.as_secs_f64());
    let (listed, strangers) = (some(0)?, some(MANY)?);
    let together = |links: &[Link]| {
        let mut known = 0;
        for of_one in links.chunks(OF_ONE_MAIL) {
            index.look_up_links(of_one.iter(), |_, found| {
                black_box(found);
                known += 1;
            });
        }
        known
    };
    let alone = |links: &[Link]| {
        links.iter().filter(|link| !black_box(index.look_up(Asked::Link(link))).is_empty()).count()
    };
    anyhow::ensure!((together(&listed), together(&strangers)) == (LOOKED_UP, 0), "the index is wrong");
    let ways: [Way<'_>; 4] = [
        ("a link that is listed, among 250", "≤ 300 ns", &listed, &together),
        ("a link that is not listed, among 250", "≤ 300 ns", &strangers, &together),
        ("a link that is listed, alone", "", &listed, &alone),
        ("a link that is not listed, alone", "", &strangers, &alone),
    ];
    let mut each = vec![Vec::new(); ways.len()];
    for _ in 0..rounds {
        for ((.., links, look_up), each) in ways.iter().zip(&mut each) {
            let before = thread_time()?;
            black_box(look_up(links));
            #[expect(clippy::cast_precision_loss, reason = "some thousands")]
            each.push(thread_time()?.saturating_sub(before).as_secs_f64() * 1e9 / links.len() as f64);
        }
    }
    for ((what, wanted, ..), each) in ways.iter().zip(each) {
        println!("| {what} | {:.0} ns | {wanted} |", Spread::of(each.into_iter()));
    }
    Ok(())
}

/// Every seven thousand nine hundred and nineteenth link of a list that begins there.
fn some(begin: usize) -> anyhow::Result<Vec<Link>> {
    let link = |n: usize| Link::parse(&links::link(n.wrapping_mul(7_919) % MANY + begin));
    Ok((0..LOOKED_UP).map(link).collect::<Result<_, _>>()?)
}

/// How long messages wait for their answer while feeds are swapped without a pause, beside the same without swaps.
///
/// # Errors
/// If a message is not taken, or a feed not refreshed.
pub(crate) fn swap(postfix: &Postfix, daemon: &Daemon, rounds: usize) -> anyhow::Result<()> {
    let (port, mail) = (postfix.port("mailward")?, Template::new(Kind::Text));
    let place = daemon.site().path();
    let [list, other, aside] = ["links.txt", "other.txt", "aside.txt"].map(|name| place.join(name));
    let body = std::fs::read_to_string(&list)?;
    std::fs::write(&other, format!("{body}https://new.example/\n"))?;
    let change = || {
        // Something is new each time.
        std::fs::rename(&list, &aside)?;
        std::fs::rename(&other, &list)?;
        std::fs::rename(&aside, &other)?;
        let path = "/api/v1/feeds/links/refresh?force=true";
        let (status, told) = admin::ask(&daemon.site().admin_socket(), "POST", path)?;
        anyhow::ensure!(status == 200, "not refreshed: {told}");
        anyhow::Ok(())
    };
    let mut waits: [Vec<Vec<Duration>>; 2] = [Vec::new(), Vec::new()];
    let mut swaps = 0;
    for round in 0..=rounds {
        for (with, waits) in waits.iter_mut().enumerate() {
            let done = AtomicBool::new(false);
            let (of_round, count) = std::thread::scope(|scope| {
                let swapping = scope.spawn(|| {
                    let mut count = 0;
                    while with == 1 && !done.load(Ordering::Relaxed) {
                        change()?;
                        count += 1;
                    }
                    anyhow::Ok(count)
                });
                let waits = sender::waits(port, &mail, &format!("swap.{round}.{with}"), WAITED_FOR);
                done.store(true, Ordering::Relaxed);
                let count = swapping.join().map_err(|_| anyhow::anyhow!("the swapping panicked"))??;
                anyhow::Ok((waits?, count))
            })?;
            postfix.wait_for_empty_queue()?;
            if round > 0 {
                swaps += count;
                waits.push(of_round);
            }
        }
    }
    println!(
        "{} messages of 3.5 kB a round, one after another, while a feed is read again without a pause ({swaps} \
         times); ms:\n",
        WAITED_FOR
    );
    println!("| | median wait | 99 of 100 wait at most | the longest |\n|---|---|---|---|");
    for (name, rounds) in ["no change of feeds", "changes without a pause"].iter().zip(&waits) {
        let at = |share: f64| Spread::of(rounds.iter().map(|waits| quantile(waits, share)));
        println!("| {name} | {:.2} | {:.2} | {:.2} |", at(0.5), at(0.99), at(1.0));
    }
    Ok(())
}

/// In milliseconds.
fn quantile(waits: &[Duration], share: f64) -> f64 {
    let mut waits: Vec<f64> = waits.iter().map(|wait| wait.as_secs_f64() * 1e3).collect();
    waits.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a few hundred"
    )]
    let at = (waits.len().saturating_sub(1) as f64 * share).round() as usize;
    waits.get(at).copied().unwrap_or(f64::NAN)
}
