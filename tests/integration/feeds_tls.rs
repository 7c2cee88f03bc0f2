//! Feeds over https: the daemon trusts whom the machine's store of certificates names, and nobody else.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::common::stdout;
use super::mta::{self, Site};

const LIST: &str = "HTTP/1.1 200 OK\r\nContent-Length: 19\r\nConnection: close\r\n\r\nhttp://evil.test/a\n";

fn openssl(place: &Path, arguments: &str) {
    let output = Command::new("openssl").args(arguments.split(' ')).current_dir(place).output().unwrap();
    assert!(output.status.success(), "openssl {arguments}: {output:?}");
}

/// Makes NAME.pem and NAME.key, signed by the CA, for a host, with so many days to live.
fn certificate(place: &Path, name: &str, host: &str, days: i32) {
    std::fs::write(place.join("ext"), format!("subjectAltName=DNS:{host}\n")).unwrap();
    openssl(
        place,
        &format!(
            "req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr"
        ),
    );
    openssl(
        place,
        &format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -set_serial 7 -extfile ext -days {days} -out {name}.pem"
        ),
    );
}

/// A certificate that nobody else has signed.
fn self_signed(place: &Path, name: &str, more: &str) {
    openssl(
        place,
        &format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN={name} -keyout {name}.key -out {name}.pem -days 2{more}"
        ),
    );
}

/// A server that shows the certificate of this name, and answers to all that is asked.
fn serve(place: &Path, name: &str, answer: String) -> u16 {
    let chain = vec![CertificateDer::from_pem_file(place.join(format!("{name}.pem"))).unwrap()];
    let key = PrivateKeyDer::from_pem_file(place.join(format!("{name}.key"))).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let tls = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(tls, stream);
            let mut head = Vec::new();
            let mut byte = [0];
            // A client that does not trust us hangs up.
            while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
                head.push(byte[0]);
            }
            drop(stream.write_all(answer.as_bytes()));
            stream.conn.send_close_notify();
            drop(stream.flush());
        }
    });
    port
}

#[test]
fn a_feed_is_fetched_over_https_from_whom_the_machine_trusts_alone() {
    let test = "a_feed_is_fetched_over_https_from_whom_the_machine_trusts_alone";
    if Command::new("openssl").arg("version").output().is_err() {
        mta::not_run(test, "openssl is not there", "install openssl");
        return;
    }
    let mut site = Site::new().unwrap();
    let place = site.path().to_owned();
    self_signed(&place, "ca", "");
    certificate(&place, "good", "localhost", 2);
    certificate(&place, "other", "other.example", 2);
    certificate(&place, "expired", "localhost", -1);
    self_signed(
        &place,
        "alone",
        " -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE",
    );
    self_signed(&place, "plain", " -addext subjectAltName=DNS:localhost");
    site.set_env("SSL_CERT_FILE", place.join("ca.pem"));
    let down = "HTTP/1.1 302 Found\r\nLocation: http://localhost/list\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let mut config = String::new();
    for (feed, certificate, answer) in [
        ("good", "good", LIST),
        ("other", "other", LIST),
        ("expired", "expired", LIST),
        ("alone", "alone", LIST),
        ("plain", "plain", LIST),
        ("down", "good", down),
    ] {
        let port = serve(&place, certificate, answer.to_owned());
        config.push_str(&format!(
            "[feed.{feed}]\nformat = \"urls\"\nurl = \"https://localhost:{port}/list\"\nmax_shrink = 100\n"
        ));
    }
    let config = site.defaults(&config);
    let daemon = site.start(&config).unwrap();
    assert_eq!(stdout(&daemon, &["feed", "refresh", "good", "--force"]), "good: 1 entry\n");
    let nobody = "localhost could not be asked: its certificate is signed by nobody whom this machine trusts; a CA of \
                  your own belongs into the system's store";
    for (feed, expected) in [
        ("other", "localhost could not be asked: its certificate is for another name"),
        ("expired", "localhost could not be asked: its certificate has expired"),
        ("alone", nobody),
        (
            "plain",
            "localhost could not be asked: its certificate is one of a CA and not of a server, as self-signed ones \
             often are",
        ),
        ("down", "localhost sends us elsewhere, and that is not followed: it leads from https to http"),
    ] {
        let output = daemon.cli(&["feed", "refresh", feed]).unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        let expected =
            format!("mailward: the feed {feed} was not refreshed, and it has no entries: {expected}\n");
        assert_eq!((output.status.success(), &*told), (false, &*expected), "{feed}");
    }
}
