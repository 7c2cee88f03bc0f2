//! What companies tell one person: orders, parcels, banks, passwords, documents to sign, invitations.

use super::super::mail::{Dice, alternative, encoded, fields, file, html, message, multi, part, text};
use super::pdf;

/// A page with a button, as nearly all of these are.
fn notice(dice: &mut Dice, domain: &str, from: &str, subject: &str, said: &str, button: &str) -> Vec<u8> {
    let head = fields(dice, &format!("{from} <no-reply@{domain}>"), &encoded(subject));
    let token = dice.token(20);
    let link = match dice.below(3) {
        0 => format!("https://click.{domain}/ls/click?upn={token}"),
        1 => format!("https://www.{domain}/go?t={token}&utm_source=mail&utm_medium=email"),
        _ => format!("https://{domain}/x/{token}"),
    };
    let page = format!(
        "<html><body><span style=\"display:none!important;visibility:hidden;opacity:0;color:transparent;height:0;width:0\">{subject}\
         </span><table><tr><td><img src=\"https://cdn.{domain}/logo.png\" alt=\"{from}\"></td></tr><tr><td>{said}</td></tr>\
         <tr><td><a href=\"{link}\" style=\"background:#0057b8;color:#ffffff\">{button}</a></td></tr><tr><td>If the button does not \
         work, copy this into your browser: <a href=\"{link}\">{link}</a></td></tr><tr><td style=\"font-size:9px;color:#777\">\
         {from}, 1 Market Street. See <a href=\"https://click.{domain}/h/{token}\">www.{domain}/help</a></td></tr></table>\
         <img src=\"https://click.{domain}/wf/open?upn={token}\" width=1 height=1></body></html>\n"
    );
    let body = alternative(&format!("{said}\n\n{link}\n"), &page, dice);
    message(&head, &body)
}

pub fn order(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let said = format!(
        "Thank you for your order {}. Total: EUR {}.90, paid by card ending in 4242.",
        dice.below(900_000),
        dice.below(300)
    );
    notice(dice, domain, "Harbour Books", "Your order confirmation 📦", &said, "View your order")
}

pub fn parcel(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let said =
        format!("Your parcel JD{} will be delivered today between 10:00 and 12:00.", dice.below(900_000_000));
    notice(dice, domain, "Parcel Service", "Your parcel arrives today", &said, "Track your parcel")
}

pub fn bank(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let said = "Your statement for October is ready. We never ask for your password or PIN by e-mail. Sign in to online banking to read it.";
    notice(dice, domain, "North Bank", "Your account statement is ready", said, "Sign in")
}

pub fn password_reset(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let said = "Somebody asked to reset the password of your account. If this was not you, ignore this message: your password stays as it is.";
    notice(dice, domain, "Account Team", "Reset your password", said, "Reset password")
}

pub fn login_alert(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let said = format!(
        "A new sign-in from 203.0.113.{} near Oslo. Was this you? Verify your account activity.",
        dice.below(250)
    );
    notice(
        dice,
        domain,
        "Account Security",
        "Security alert: new sign-in to your account",
        &said,
        "Check activity",
    )
}

pub fn one_time_code(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let head = fields(dice, &format!("Sign-in <code@{domain}>"), "Your code");
    let said = format!(
        "{:06} is your sign-in code. It is valid for ten minutes. Do not share it.\n",
        dice.below(999_999)
    );
    message(&head, &text(&said, dice))
}

pub fn to_be_signed(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let said = "Per Lindqvist sent you a document to review and sign: Lease_2026.pdf. Do not share this e-mail: it has a secure link.";
    notice(
        dice,
        domain,
        "\"Per Lindqvist via e-Sign\"",
        "Please sign: Lease_2026.pdf",
        said,
        "REVIEW DOCUMENT",
    )
}

pub fn invoice(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let number = dice.below(90_000);
    let head = fields(dice, &format!("Accounts <billing@{domain}>"), &format!("Invoice {number}"));
    let said = format!(
        "Dear customer,\nplease find attached invoice {number}, due in thirty days.\n{}\n",
        dice.sentences(1)
    );
    let parts = [text(&said, dice), file(&format!("Invoice_{number}.pdf"), "application/pdf", &pdf(domain))];
    let body = multi("mixed", &parts, dice);
    message(&head, &body)
}

pub fn subscription(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let said = "Your subscription renews on 1 December. Your payment method ends in 1881 and expires soon: update your payment details.";
    notice(dice, domain, "Stream+", "Action required: update your payment method", said, "Update payment")
}

pub fn social(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let said = format!("Maria Rossi mentioned you in a comment: “{}”", dice.sentences(1));
    notice(dice, domain, "\"Maria Rossi (via Team Board)\"", "Maria Rossi mentioned you", &said, "Reply")
}

pub fn shared_document(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let head = fields(
        dice,
        &format!("\"Per Lindqvist (via Docs)\" <shares@{domain}>"),
        "Document shared with you: “Budget 2027”",
    );
    let link = *[
        "https://docs.google.com/spreadsheets/d/1AbCdEfGh/edit?usp=sharing",
        "https://www.dropbox.com/scl/fi/abc/Budget.xlsx?rlkey=x&dl=0",
        "https://contoso-my.sharepoint.com/:x:/g/personal/per/EabcDEF?e=4xYz",
        "https://1drv.ms/x/s!AbCdEf",
        "https://we.tl/t-AbCdEf",
    ]
    .get(dice.below(5))
    .unwrap();
    let page = format!(
        "<p>per@{domain} has invited you to edit:</p><a href=\"{link}\">Budget 2027</a><p><a href=\"{link}\">Open</a></p>\n"
    );
    let body = alternative(link, &page, dice);
    message(&head, &body)
}

pub fn survey(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let head = fields(dice, &format!("Harbour Books <hello@{domain}>"), "How did we do?");
    let mut stars = String::new();
    for n in 1..=5 {
        stars += &format!("<a href=\"https://survey.{domain}/r?s={n}&t={}\">{n}</a> ", dice.token(6));
    }
    let page = format!(
        "<form action=\"https://survey.{domain}/r\" method=\"get\"><textarea name=\"comment\"></textarea>\
         <input type=\"hidden\" name=\"t\" value=\"{}\"><input type=\"submit\" value=\"Send\"></form>{stars}\n",
        dice.token(6)
    );
    message(&head, &html(&page, dice))
}

pub fn meeting(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let method = dice.of(&["REQUEST", "CANCEL", "REPLY"]);
    let head = fields(dice, &format!("Per Lindqvist <per@{domain}>"), "Invitation: Review (Thu 10:00)");
    let calendar = format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:{method}\r\nBEGIN:VEVENT\r\nUID:{}@{domain}\r\nDTSTART:20261119T090000Z\r\n\
         DTEND:20261119T100000Z\r\nSUMMARY:Review\r\nORGANIZER:mailto:per@{domain}\r\nATTENDEE;RSVP=TRUE:mailto:alice@recipient.example\r\n\
         LOCATION:https://meet.{domain}/j/{}?pwd={}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
        dice.token(8),
        dice.below(900_000_000),
        dice.token(8)
    );
    let page = format!(
        "<p>Join: <a href=\"https://meet.{domain}/j/1\">https://meet.{domain}/j/1</a></p><p>Meeting ID: 912 4455 011<br>Passcode: 448821</p>\
         <span itemscope itemtype=\"http://schema.org/InformAction\"><span style=\"display:none\" itemprop=\"about\">Review on Thursday\
         </span></span>\n"
    );
    let both = [
        text("Join the review.\nPasscode: 448821\n", dice),
        html(&page, dice),
        part(&format!("text/calendar; charset=utf-8; method={method}"), "", calendar.as_bytes()),
    ];
    let inner = multi("alternative", &both, dice);
    let parts = [inner, file("invite.ics", "application/ics", calendar.as_bytes())];
    let body = multi("mixed", &parts, dice);
    message(&head, &body)
}
