//! What main.cf says once for all.

use super::facts::Postfix;
use super::milter::Milter;
use super::places::shipped;
use crate::cli::doctor::sheet::Sheet;
use crate::cli::output::bytes;
use crate::config::Config;

pub(super) fn judge(sheet: &mut Sheet, postfix: &Postfix, config: &Config) {
    local_mail(sheet, postfix, config);
    size(sheet, postfix, config);
    if postfix.get("soft_bounce") == "yes" {
        let text = "soft_bounce = yes turns each refusal into a temporary one: what mailward refuses comes back for \
                    days; good for the first days, not for longer";
        sheet.warning("soft_bounce", text, postfix.set("soft_bounce", "no"));
    }
    if postfix.get("smtpd_delay_reject") == "no" {
        let text = "smtpd_delay_reject = no refuses clients before MAIL and RCPT: mailward's record does not show \
                    for whom that mail was";
        sheet.note("delay_reject", text, postfix.set("smtpd_delay_reject", "yes"));
    }
    let classes = postfix.get("internal_mail_filter_classes");
    if !classes.is_empty() {
        let text = format!(
            "internal_mail_filter_classes = {classes}: mail that Postfix makes itself is judged as well; a bounce that \
             quotes spam is then held, and its sender hears nothing"
        );
        sheet.warning("internal_mail", text, postfix.unset("internal_mail_filter_classes"));
    }
}

/// Mail from sendmail(1).
fn local_mail(sheet: &mut Sheet, postfix: &Postfix, config: &Config) {
    let queue = postfix.queue();
    let is_in = |name: &str| {
        let cleanups: Vec<_> = postfix.services.iter().filter(|service| service.name == "cleanup").collect();
        let list = Milter::list(&postfix.get(name));
        let is_ours = |chroot: bool| {
            list.iter().any(|milter| config.milter.listen.iter().any(|ours| milter.is(ours, &queue, chroot)))
        };
        if cleanups.is_empty() {
            is_ours(false)
        } else {
            cleanups.iter().all(|cleanup| is_ours(cleanup.chroot))
        }
    };
    if is_in("non_smtpd_milters") {
        return sheet.ok("non_smtpd_milters", "mail from sendmail(1) passes mailward too");
    }
    let text = "non_smtpd_milters does not name mailward: what programs on this machine send (cron, web forms) is not \
                filtered, and a broken-in web form sends what it likes";
    let mend = match shipped(postfix, config) {
        _ if is_in("smtpd_milters") => postfix.set("non_smtpd_milters", "$smtpd_milters"),
        Some(ours) => postfix.set("non_smtpd_milters", &Milter::written(&[ours])),
        None => None,
    };
    sheet.warning("non_smtpd_milters", text, mend);
}

fn size(sheet: &mut Sheet, postfix: &Postfix, config: &Config) {
    let ours = config.limits.message.0;
    let Ok(theirs) = postfix.get("message_size_limit").parse::<u64>() else {
        return sheet.unseen("message_size_limit", "message_size_limit is no number");
    };
    if theirs != 0 && theirs <= ours {
        let text =
            format!("Postfix takes messages up to {}, mailward judges up to {}", bytes(theirs), bytes(ours));
        return sheet.ok("message_size_limit", text);
    }
    let most = if theirs == 0 { "of any size".to_owned() } else { format!("up to {}", bytes(theirs)) };
    let text = format!(
        "Postfix takes messages {most}, mailward reads up to {} (limits.message): a sender of a larger one hears only \
         after all of it was sent that it is refused",
        bytes(ours)
    );
    sheet.warning("message_size_limit", text, postfix.set("message_size_limit", &ours.to_string()));
}
