//! Mailing lists and what programmers send.

use super::super::mail::{Dice, alternative, fields, html, message, multi, part, text};

const FOOT: &str = "\n_______________________________________________\ntalk mailing list\ntalk@lists.club.example\n\
                    https://lists.club.example/mailman/listinfo/talk\n";

fn list_fields(head: &str) -> String {
    format!(
        "{head}List-Id: Talk <talk.lists.club.example>\nList-Post: <mailto:talk@lists.club.example>\n\
         List-Unsubscribe: <https://lists.club.example/options/talk>\nReply-To: talk@lists.club.example\nPrecedence: list\n"
    )
}

/// The subject and the end were changed, so that no signature holds.
pub fn post(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let head = fields(dice, &format!("Anna Berg <a.berg@{domain}>"), "[talk] Re: Which heat pump?");
    let said = format!("{}\n\n> {}\n{FOOT}", dice.sentences(4), dice.sentences(2));
    message(&list_fields(&head), &text(&said, dice))
}

/// The list writes itself into From.
pub fn munged(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let from = match dice.below(3) {
        0 => format!("\"Anna Berg via talk\" <talk@{domain}>"),
        1 => format!("\"a.berg@sender.example via talk\" <talk@{domain}>"),
        _ => format!("\"a.berg--- via talk\" <talk@{domain}>"),
    };
    let head = fields(dice, &from, "[talk] Which heat pump?");
    let page = format!("<p>{}</p><pre>{FOOT}</pre>\n", dice.sentences(3));
    let body = alternative(FOOT, &page, dice);
    message(&list_fields(&head), &body)
}

/// The list put its end behind the text as a part of its own.
pub fn foot_as_part(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let head = fields(dice, &format!("Per <per@{domain}>"), "[talk] minutes");
    let said = dice.sentences(5);
    let parts = [alternative(&said, &format!("<p>{said}</p>\n"), dice), text(FOOT, dice)];
    let body = multi("mixed", &parts, dice);
    message(&list_fields(&head), &body)
}

pub fn digest(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let head = fields(dice, &format!("talk-request <talk-request@{domain}>"), "Talk Digest, Vol 12, Issue 3");
    let mut parts = Vec::new();
    for n in 0..3 + dice.below(4) {
        let inner = fields(dice, &format!("Member {n} <m{n}@member{n}.example>"), "Re: Which heat pump?");
        let said = dice.sentences(3);
        parts.push(part("message/rfc822", "", &message(&inner, &text(&said, dice))));
    }
    let inner = multi("digest", &parts, dice);
    let body = multi("mixed", &[text("Today's topics: heat pumps\n", dice), inner, text(FOOT, dice)], dice);
    message(&list_fields(&head), &body)
}

pub fn patch(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let head =
        fields(dice, &format!("Dev Eloper <dev@{domain}>"), "[PATCH 2/3] web: escape names in the table");
    let said = "The names come from mail.\n\n---\n web/table.js | 4 ++--\n 1 file changed, 2 insertions(+), 2 deletions(-)\n\n\
                diff --git a/web/table.js b/web/table.js\n@@ -10,4 +10,4 @@\n-  el.innerHTML = name;\n+  el.textContent = name;\n   \
                const blob = new Blob([csv]);\n   const url = URL.createObjectURL(blob);\n   link.download = 'table.csv';\n-- \n2.47.0\n";
    message(&head, &text(said, dice))
}

pub fn review(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let head = fields(
        dice,
        &format!("\"octo-reviewer\" <notifications@{domain}>"),
        "Re: [club/site] Fix login form (PR #12)",
    );
    let page = format!(
        "<p></p><p dir=\"auto\">@octo-reviewer commented on this pull request.</p><hr><p>In <a href=\"https://github.com/club/site/pull/12\">\
         login.html</a>:</p><pre style='color:#555'>&gt; &lt;input type=&quot;password&quot; name=&quot;pw&quot;&gt;</pre><p>{}</p>\
         <p style=\"font-size:small;color:#666\">&mdash;<br>Reply to this email directly, <a href=\"https://github.com/club/site/pull/12#x\">\
         view it on GitHub</a>, or <a href=\"https://github.com/notifications/unsubscribe-auth/{}\">unsubscribe</a>.\
         <img src=\"https://github.com/notifications/beacon/{}.gif\" height=\"1\" width=\"1\" alt=\"\"></p>\n",
        dice.sentences(2),
        dice.token(12),
        dice.token(12)
    );
    message(&head, &html(&page, dice))
}
