//! The private Postfix's `main.cf`, `master.cf` and tables.

use std::path::Path;

use super::postfix::Options;

/// Where the files of one private Postfix are.
#[derive(Debug)]
pub(super) struct Paths<'a> {
    /// The temporary directory.
    pub(super) dir: &'a Path,
    /// User id that Maildirs are written as.
    pub(super) mail_uid: u32,
}

/// `main.cf`: enough of a mail server to receive, filter and deliver, and nothing that leaves the machine.
pub(super) fn main_cf(options: &Options, paths: &Paths<'_>) -> String {
    let dir = paths.dir.display();
    let uid = paths.mail_uid;
    let milters = options.milter.as_deref().unwrap_or_default();
    let mut text = format!(
        "compatibility_level = 3.6
queue_directory = {dir}/queue
data_directory = {dir}/data
mail_owner = postfix
setgid_group = postdrop
maillog_file = {dir}/postfix.log
maillog_file_prefixes = {dir}
syslog_name = postfix
myhostname = mx.example.org
mydomain = example.org
myorigin = example.org
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
# Nobody is trusted for where they come from: these clients play the Internet.
mynetworks =
local_header_rewrite_clients =
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
# With XCLIENT a test can be any client on earth.
smtpd_authorized_xclient_hosts = 127.0.0.0/8
virtual_mailbox_domains = example.org, example.net
virtual_mailbox_base = {dir}/mail
virtual_mailbox_maps = texthash:{dir}/config/mailboxes
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{uid}
virtual_minimum_uid = 100
virtual_mailbox_limit = 0
# Mail to the rest of the world, bounces among it, ends in a mailbox too, or in a failed delivery. Never outside.
default_transport = virtual
relay_transport = virtual
disable_dns_lookups = yes
smtp_host_lookup = native
smtpd_milters = {milters}
non_smtpd_milters = {milters}
milter_default_action = {action}
milter_protocol = 6
milter_connect_timeout = 10s
milter_command_timeout = 30s
milter_content_timeout = 300s
message_size_limit = 104857600
mailbox_size_limit = 0
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_error_sleep_time = 0
smtpd_tls_security_level = none
in_flow_delay = 0
default_process_limit = 200
biff = no
append_dot_mydomain = no
",
        action = options.default_action,
    );
    for (name, value) in &options.main_cf {
        // Postfix takes the last line of a name, and warns of the others.
        let other = |line: &&str| line.split(" =").next() != Some(name);
        text = text.lines().filter(other).map(|line| format!("{line}\n")).collect();
        text.push_str(&format!("{name} = {value}\n"));
    }
    text
}

/// `master.cf`: one smtpd for each service, nothing chrooted, so that a milter's socket may be anywhere.
pub(super) fn master_cf(options: &Options, ports: &[u16]) -> String {
    let mut text = String::new();
    for (service, port) in options.services.iter().zip(ports) {
        text.push_str(&format!("127.0.0.1:{port} inet n - n - - smtpd\n"));
        for (name, value) in &service.options {
            text.push_str(&format!("  -o {{ {name} = {value} }}\n"));
        }
    }
    text.push_str(
        "pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
",
    );
    for line in &options.master_cf {
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// Mailboxes, one line each; an address that begins with `@` takes the whole domain.
pub(super) fn mailboxes(options: &Options) -> String {
    options.mailboxes.iter().fold(String::new(), |mut text, address| {
        text.push_str(&format!("{address} {}\n", mailbox_folder(address)));
        text
    })
}

/// Folder of an address below the mail directory; the final slash makes it a Maildir.
pub(super) fn mailbox_folder(address: &str) -> String {
    match address.rsplit_once('@') {
        Some(("", domain)) => format!("{domain}/everyone/"),
        Some((user, domain)) => format!("{domain}/{user}/"),
        None => format!("{address}/"),
    }
}
