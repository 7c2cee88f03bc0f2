//! What is sent to many: newsletters as the usual services lay them out.

use super::super::mail::{Dice, alternative, encoded, fields, html, message};

/// The blank that keeps the rest of the text out of the preview.
const PADDING: &str = "&#847;&zwnj;&nbsp;&#8199;&#65279;";

fn head(dice: &mut Dice, domain: &str, subject: &str) -> String {
    let fields = fields(dice, &format!("The Garden Shop <news@{domain}>"), &encoded(subject));
    let token = dice.token(10);
    format!(
        "{fields}List-Id: news <news.{domain}>\nList-Unsubscribe: <https://click.{domain}/u/{token}>, <mailto:off-{token}@{domain}>\n\
         List-Unsubscribe-Post: List-Unsubscribe=One-Click\nPrecedence: bulk\n"
    )
}

fn foot(dice: &mut Dice, domain: &str) -> String {
    let token = dice.token(12);
    format!(
        "<p style=\"font-size:10px;color:#888\">You get this because you asked for it. \
         <a href=\"https://click.{domain}/u/{token}\">Unsubscribe</a> | <a href=\"https://click.{domain}/p/{token}\">Preferences</a> | \
         <a href=\"https://click.{domain}/v/{token}\">View in browser</a></p>\
         <img src=\"https://click.{domain}/o/{token}.gif\" width=1 height=1 alt=\"\" style=\"display:none\">"
    )
}

/// A preview in `display:none`, and padding behind it.
pub fn hidden_preview(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let head = head(dice, domain, "Spring is here: bulbs and seeds 🌷");
    let padding = PADDING.repeat(40 + dice.below(60));
    let page = format!(
        "<html><body><div style=\"display:none;font-size:0;max-height:0;overflow:hidden;mso-hide:all\">Bulbs from 2.99, seeds \
         from 0.99. {padding}</div><table width=600><tr><td><a href=\"https://click.{domain}/c/{}\">\
         <img src=\"https://cdn.{domain}/tulips.jpg\" alt=\"Tulips\"></a></td></tr><tr><td>{}</td></tr></table>{}</body></html>\n",
        dice.token(16),
        dice.sentences(5),
        foot(dice, domain)
    );
    let body = alternative("Spring is here.\n", &page, dice);
    message(&head, &body)
}

/// As MJML makes pages: `font-size:0px` around every column.
pub fn mjml(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let head = head(dice, domain, "What is new in November");
    let mut columns = String::new();
    for _ in 0..3 + dice.below(5) {
        columns += &format!(
            "<div style=\"margin:0px auto;max-width:600px\"><table align=\"center\" style=\"width:100%\"><tr>\
             <td style=\"direction:ltr;font-size:0px;padding:20px 0;text-align:center\"><!--[if mso | IE]><table><tr><td><![endif]-->\
             <div class=\"mj-column-per-100\" style=\"font-size:0px;text-align:left;direction:ltr;display:inline-block\">\
             <div style=\"font-family:Arial;font-size:13px;line-height:1.5;color:#000000\">{}</div></div>\
             <!--[if mso | IE]></td></tr></table><![endif]--></td></tr></table></div>",
            dice.sentences(4)
        );
    }
    let page = format!(
        "<!doctype html><html><head><style>#outlook a {{ padding:0; }} .mj-column-per-100 {{ width:100% !important }}</style></head>\
         <body><div style=\"display:none;font-size:1px;color:#ffffff;line-height:1px;max-height:0px;max-width:0px;opacity:0;\
         overflow:hidden;\">{}</div>{columns}{}</body></html>\n",
        dice.sentences(2),
        foot(dice, domain)
    );
    message(&head, &html(&page, dice))
}

/// The same text twice, for two sizes of screen.
pub fn two_screens(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let head = head(dice, domain, "Weekend offers");
    let said = dice.sentences(7);
    let page = format!(
        "<html><head><style>.mobile {{ display:none }} @media (max-width:600px) {{ .mobile {{ display:block !important }} \
         .desktop {{ display:none !important }} }}</style></head><body><div class=\"desktop\"><h1>Offers</h1><p>{said}</p></div>\
         <!--[if !mso]><!--><div class=\"mobile\" style=\"display:none;max-height:0;overflow:hidden;mso-hide:all\"><h1>Offers</h1>\
         <p>{said}</p></div><!--<![endif]-->{}</body></html>\n",
        foot(dice, domain)
    );
    let body = alternative(&said, &page, dice);
    message(&head, &body)
}

/// White on a coloured block, buttons drawn for Outlook, a countdown.
pub fn white_on_colour(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let head = head(dice, domain, "Last day: 20 % off everything");
    let page = format!(
        "<body style=\"background-color:#ffffff\"><table bgcolor=\"#004488\" width=\"100%\"><tr><td style=\"color:#ffffff\">{}</td></tr>\
         <tr><td><!--[if mso]><v:roundrect xmlns:v=\"urn:schemas-microsoft-com:vml\" href=\"https://click.{domain}/c/1\" \
         fillcolor=\"#d62828\"><center style=\"color:#ffffff\">Shop now</center></v:roundrect><![endif]-->\
         <a href=\"https://click.{domain}/c/1\" style=\"background:#d62828;color:#ffffff\">Shop now</a></td></tr>\
         <tr><td style=\"background:url('https://cdn.{domain}/bg.png')\"><span style=\"color:#fff\">Only {} hours left</span></td></tr>\
         </table>{}</body>\n",
        dice.sentences(5),
        dice.below(24),
        foot(dice, domain)
    );
    message(&head, &html(&page, dice))
}

/// Names of other companies, whose links count clicks.
pub fn names_of_others(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let head = head(dice, domain, "Your travel deals");
    let mut rows = String::new();
    for _ in 0..4 {
        let name = dice.of(&["Booking.com", "Hotels.com", "Trivago.de", "Check24.de"]);
        rows += &format!(
            "<li><a href=\"https://click.{domain}/c/{}\">Save now with {name}</a></li>",
            dice.token(14)
        );
    }
    let page = format!(
        "<p>{}</p><ul>{rows}</ul><p><a href=\"https://click.{domain}/c/9\">www.{domain}</a></p>{}\n",
        dice.sentences(2),
        foot(dice, domain)
    );
    message(&head, &html(&page, dice))
}

/// 250 links, as price lists and digests of news have them.
pub fn many_links(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let head = head(dice, domain, "The day in 200 headlines");
    let mut rows = String::new();
    for n in 0..150 + dice.below(100) {
        rows += &format!(
            "<li><a href=\"https://www.{domain}/{n}/{}\">{}</a></li>\n",
            dice.token(4),
            dice.sentences(1)
        );
    }
    message(&head, &html(&format!("<ul>{rows}</ul>{}\n", foot(dice, domain)), dice))
}

/// A page that runs in the mail, beside an ordinary one.
pub fn amp(dice: &mut Dice, domain: &str) -> Vec<u8> {
    use super::super::mail::{multi, text, written};
    let head = head(dice, domain, "Pick a date");
    let page = format!(
        "<!doctype html><html amp4email><head><script async src=\"https://cdn.ampproject.org/v0.js\"></script>\
         <style amp4email-boilerplate>body{{visibility:hidden}}</style></head><body><form method=\"post\" \
         action-xhr=\"https://{domain}/pick\"><input type=\"text\" name=\"day\"></form></body></html>\n"
    );
    let parts = [
        text("Pick a date on our site.\n", dice),
        written("text/x-amp-html; charset=utf-8", &page, dice),
        html(&format!("<p>Pick a date on <a href=\"https://{domain}/pick\">our site</a>.</p>\n"), dice),
    ];
    let body = multi("alternative", &parts, dice);
    message(&head, &body)
}
