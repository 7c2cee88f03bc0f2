//! What look-up, import and memory cost: `cargo test --release lists::tests::measure -- --ignored --nocapture`.

use std::time::Instant;

use super::*;

fn file(entries: usize) -> String {
    let line = |i: usize| match i % 4 {
        0 => format!("user{i}@sender{}.example # found by hand\n", i % 977),
        1 => format!("domain{i}.example\n"),
        2 => format!("10.{}.{}.{}\n", i / 65_536, i / 256 % 256, i % 256),
        _ => format!("2001:db8:{:x}:{:x}::/{}\n", i >> 16, i & 0xffff, 64),
    };
    (0..entries).map(line).collect()
}

/// CPU time of this thread: the machine may be busy with something else.
fn cpu() -> Duration {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_THREAD).unwrap();
    let time = |t: nix::sys::time::TimeVal| {
        Duration::from_micros(u64::try_from(t.tv_sec() * 1_000_000 + t.tv_usec()).unwrap())
    };
    time(usage.user_time()) + time(usage.system_time())
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_hundred_thousand_lines_are_imported_in_a_bearable_time() {
    // The bar is 5 s for the optimised program; this one is not, and the machine may be busy.
    let rig = Rig::new();
    let file = file(100_000);
    let begin = Instant::now();
    assert_eq!(
        rig.import(List::Block, &file, Mode::Merge),
        Imported { added: 100_000, ..Imported::default() }
    );
    assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());
    assert_eq!(
        rig.import(List::Block, &file, Mode::Replace),
        Imported { same: 100_000, ..Imported::default() }
    );
    let rig = rig.again();
    assert_eq!(rig.export(List::Block, Format::Plain).lines().count(), 100_000);
}

#[test]
#[ignore = "a measurement"]
#[expect(clippy::print_stderr, reason = "a measurement is read by who runs it")]
fn measure() {
    for entries in [0, 1_000, 100_000] {
        let rig = Rig::new();
        let file = file(entries);
        let before = resident();
        eprintln!("  VmRSS {} kB at the start", resident());
        let (begin, cpu_begin) = (Instant::now(), cpu());
        let lines = read(file.as_bytes(), TODAY).unwrap();
        let parsed = begin.elapsed();
        eprintln!("  VmRSS {} kB after reading", resident());
        rig.lists.import(List::Block, &lines, Mode::Merge, "x", false).unwrap();
        let imported = begin.elapsed();
        drop(lines);
        eprintln!(
            "{entries} entries: read in {parsed:?}, imported in {imported:?} ({:?} of CPU here)",
            cpu() - cpu_begin
        );
        eprintln!(
            "  VmRSS grew by {} kB in all, the database's cache and the file included",
            resident() - before
        );
        let (mut at, mut found) = (0, 0);
        let mut each = |name: &str, client: &str, sender: &str, from: &[String]| {
            let client: IpAddr = client.parse().unwrap();
            let begin = cpu();
            const TIMES: u32 = 200_000;
            for _ in 0..TIMES {
                at += 1;
                let asked = Asked {
                    client: Some(client),
                    sender: Some(sender),
                    from,
                    authors: from,
                    ..Asked::default()
                };
                found += rig.lists.hits(std::hint::black_box(&asked)).0.len();
            }
            eprintln!("  {name}: {:?} of CPU a look-up", (cpu() - begin) / TIMES);
        };
        let from = ["Anna@mail.sender.example".to_owned()];
        each("miss", "192.0.2.7", "a@mail.sender.example", &from);
        each("miss, IPv6, long domain", "2001:db9::1", &format!("a@{}example", "a.".repeat(120)), &from);
        each("hit", "10.0.3.234", "user400@sender400.example", &from);
    }
}
