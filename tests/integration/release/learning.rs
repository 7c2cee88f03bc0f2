//! Teaching, from the command to the controller.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

use super::*;
use crate::relay::AtDot;

/// Takes the place of rspamd's controller: learns each message once, refuses after that. The client itself is
/// tested elsewhere, with rspamd.
fn controller() -> (u16, Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        let mut known: Vec<Vec<u8>> = Vec::new();
        for mut stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut head, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if line.trim().is_empty() {
                    break;
                }
                head.push_str(&line);
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let (status, text) = match known.contains(&body) {
                false => ("200 OK", "{\"success\":true}"),
                true => ("208 Already Reported", "{\"error\":\"known already\"}"),
            };
            known.push(body.clone());
            drop(tell.send((head, body)));
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
                text.len()
            );
            drop(stream.write_all(answer.as_bytes()));
        }
    });
    (port, told)
}

#[test]
fn rspamd_is_taught_from_what_is_held_and_from_files() {
    let (daemon, toml) = holding();
    let (port, taught) = controller();
    let password = daemon.site().path().join("password");
    std::fs::write(&password, "secret\n").unwrap();
    let (raw, relay) = (mail("learn", "HOLD-THIS"), Relay::start());
    let id = hold(&daemon, &["alice@example.org"], &raw);
    // rspamd itself is left alone: what is tested here is its controller.
    let rspamd = format!(
        "[scanner.rspamd]\nurl = \"http://127.0.0.1:{}\"\non_failure = \"ignore\"\ncontroller = \"http://127.0.0.1:{port}\"\n\
         controller_password = {{ file = {password:?} }}\n",
        mta::free_port().unwrap()
    );
    release_to(&daemon, &format!("{toml}{rspamd}"), &format!("relay = {:?}", relay.server()));
    let told = stdout(&daemon, &["learn", "spam", &id]);
    assert_eq!(told, format!("{id}  learned as spam\n"));
    let (head, body) = taught.recv().unwrap();
    assert!(head.starts_with("POST /learnspam ") && head.contains("secret"), "{head}");
    assert_eq!(body, raw, "rspamd is taught from what was judged, byte for byte");
    let told = stdout(&daemon, &["learn", "spam", "--text", "learn"]);
    assert_eq!(told, format!("{id}  known as spam already\n"));
    let file = daemon.site().path().join("mail.eml");
    std::fs::write(&file, mail("from a file", "text")).unwrap();
    let told = stdout(&daemon, &["learn", "ham", "--file", file.to_str().unwrap()]);
    assert!(told.ends_with("  learned as ham\n"), "{told}");
    // With a release, and only if it was one.
    relay.at_dot(AtDot::Say("451 4.3.0 later"));
    assert!(release(&daemon, &id, &["--learn-ham"]).1["learned"].is_null());
    assert_eq!(release(&daemon, &id, &["--learn-ham"]).1["learned"], "known as ham already");
    assert_eq!(taught.try_iter().count(), 3);
    let journal = std::fs::read_dir(daemon.site().state_dir().join("audit")).unwrap();
    let lines: String =
        journal.filter_map(|file| std::fs::read_to_string(file.unwrap().path()).ok()).collect();
    assert_eq!(lines.matches("\"what\":\"learned\"").count(), 4, "{lines}");
    verify(&daemon);
}
