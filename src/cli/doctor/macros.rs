//! Macros and edits: what the MTA should have said and offered, and never did.

use serde_json::Value;

use super::look::{Look, Silent};
use super::postfix::facts::Postfix;
use super::sheet::Sheet;

pub(super) fn look(sheet: &mut Sheet, look: &Look) {
    match look.status() {
        Ok(status) => judge(sheet, &status["mta"], look.postfix().ok()),
        Err(Silent::Unreachable(why) | Silent::Forbidden(why) | Silent::Failed(why)) => {
            sheet.unseen("macros", why)
        }
    }
}

/// What of Postfix says which macros come, where we may not ask for them.
const LISTS: [&str; 7] = [
    "milter_connect_macros",
    "milter_helo_macros",
    "milter_mail_macros",
    "milter_rcpt_macros",
    "milter_data_macros",
    "milter_end_of_header_macros",
    "milter_end_of_data_macros",
];

fn judge(sheet: &mut Sheet, mta: &Value, postfix: Option<&Postfix>) {
    let number = |key: &str| mta[key].as_u64().unwrap_or(0);
    let messages = number("messages");
    if messages == 0 {
        return sheet.unseen("macros", "no mail came since the daemon's start; ask again after some");
    }
    let not_asked = number("macros_not_asked");
    if not_asked > 0 {
        let text = format!(
            "for {not_asked} of {messages} messages the MTA let nobody ask for macros (SETSYMLIST): those come that are \
             set there"
        );
        let mend = postfix.map_or_else(
            || Some("in sendmail.mc, with the names of mailward(8): define(`confMILTER_MACROS_CONNECT', `j, _, \
                     {daemon_name}, {if_name}, {if_addr}, v')dnl".to_owned()),
            |postfix| postfix.set("milter_protocol", "6"),
        );
        sheet.warning("asked", text, mend);
    }
    let short = number("edits_missing");
    if short > 0 {
        let text = format!(
            "for {short} of {messages} messages the MTA did not offer to add and change fields and take recipients \
             away: mail that needs it is answered 4xx"
        );
        let mend = postfix.and_then(|postfix| postfix.set("milter_protocol", "6"));
        sheet.error("edits", text, mend);
    }
    let missing: Vec<&str> =
        mta["macros_missing"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mend = || {
        let postfix = postfix?;
        let changed: Vec<_> = LISTS.into_iter().filter(|name| postfix.is_set(name)).collect();
        if changed.is_empty() { None } else { postfix.unset(&changed.join(" ")) }
    };
    let mut is_whole = true;
    for (name, costs) in [
        ("i", "records and logs do not name the queue id, so nobody finds a mail in the MTA's log by them"),
        (
            "j",
            "the MTA's name is unknown, and Authentication-Results have none unless auth.authserv_id gives one",
        ),
        ("{daemon_name}", "submission is not told from port 25, unless its senders log in"),
    ] {
        if missing.contains(&name) {
            is_whole = false;
            sheet.warning(
                "macros",
                format!("the macro {name} never came in {messages} messages: {costs}"),
                mend(),
            );
        }
    }
    let is_postfix = postfix.is_some() && !missing.contains(&"v");
    if is_postfix && missing.contains(&"{client_connections}") {
        is_whole = false;
        let text = format!(
            "the macro {{client_connections}} never came in {messages} messages: mail by SMTP is taken for mail of \
             sendmail(1), unless only such came"
        );
        sheet.note("macros", text, mend());
    }
    for (name, setting, what) in [
        ("{tls_version}", "smtpd_tls_security_level", "over TLS"),
        ("{auth_authen}", "smtpd_sasl_auth_enable", "of users that log in"),
    ] {
        let is_on = postfix.is_some_and(|postfix| postfix.is_anywhere(setting, &["", "no", "none"]));
        if is_on && missing.contains(&name) {
            is_whole = false;
            sheet.note(
                "macros",
                format!("the macro {name} has not come in {messages} messages; mail {what} brings it"),
                None,
            );
        }
    }
    if is_whole {
        sheet.ok("macros", format!("the macros that are needed came, in {messages} messages"));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::sheet::Topic;
    use super::*;

    fn told(mta: Value, settings: &str) -> Vec<String> {
        let mut sheet = Sheet::new(Topic::Macros);
        let postfix = Postfix::read(settings, settings, "smtp inet n - y - - smtpd\n", "");
        judge(&mut sheet, &mta, Some(&postfix));
        sheet.told()
    }

    #[test]
    fn all_came() {
        let mta = json!({"messages": 3, "macros_not_asked": 0, "edits_missing": 0, "macros_missing": ["{tls_version}"]});
        assert_eq!(
            told(mta, "smtpd_tls_security_level = none\n"),
            ["ok macros: the macros that are needed came, in 3 messages"]
        );
        assert!(told(json!({"messages": 0}), "")[0].starts_with("not looked at macros: no mail came"));
    }

    #[test]
    fn what_never_came_is_told_with_what_it_costs() {
        let mta = json!({"messages": 9, "macros_not_asked": 9, "edits_missing": 9,
            "macros_missing": ["i", "j", "{daemon_name}", "{client_connections}", "{tls_version}", "{auth_authen}"]});
        let settings =
            "milter_connect_macros = j\nsmtpd_sasl_auth_enable = yes\nsmtpd_tls_security_level = may\n";
        let mend = "postconf -X milter_connect_macros && postfix reload";
        assert_eq!(
            told(mta, settings),
            [
                "warning asked: for 9 of 9 messages the MTA let nobody ask for macros (SETSYMLIST): those come that \
                 are set there | postconf -e 'milter_protocol = 6' && postfix reload".to_owned(),
                "error edits: for 9 of 9 messages the MTA did not offer to add and change fields and take recipients \
                 away: mail that needs it is answered 4xx | postconf -e 'milter_protocol = 6' && postfix reload".to_owned(),
                format!("warning macros: the macro i never came in 9 messages: records and logs do not name the queue \
                 id, so nobody finds a mail in the MTA's log by them | {mend}"),
                format!("warning macros: the macro j never came in 9 messages: the MTA's name is unknown, and \
                 Authentication-Results have none unless auth.authserv_id gives one | {mend}"),
                format!("warning macros: the macro {{daemon_name}} never came in 9 messages: submission is not told \
                 from port 25, unless its senders log in | {mend}"),
                format!("note macros: the macro {{client_connections}} never came in 9 messages: mail by SMTP is taken \
                 for mail of sendmail(1), unless only such came | {mend}"),
                "note macros: the macro {tls_version} has not come in 9 messages; mail over TLS brings it".to_owned(),
                "note macros: the macro {auth_authen} has not come in 9 messages; mail of users that log in brings \
                 it".to_owned(),
            ]
        );
    }
}
