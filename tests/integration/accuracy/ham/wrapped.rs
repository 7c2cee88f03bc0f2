//! Links that lead through others: scanners of companies, hosts that many share, short links.

use super::super::mail::{Dice, alternative, fields, html, message, text};

/// A reply through a gateway that rewrote every link.
pub fn by_gateways(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let link = match dice.below(3) {
        0 => format!(
            "https://eur01.safelinks.protection.outlook.com/?url=https%3A%2F%2Fwww.{domain}%2Foffer&data=05%7C02%7C{}&sdata={}%3D&reserved=0",
            dice.token(16),
            dice.token(16)
        ),
        1 => format!(
            "https://urldefense.com/v3/__https://www.{domain}/offer__;!!{}!{}$",
            dice.token(4),
            dice.token(20)
        ),
        _ => format!("https://protect-eu.mimecast.com/s/{}?domain=www.{domain}", dice.token(10)),
    };
    let head = fields(dice, &format!("Per Lindqvist <per@{domain}>"), "RE: Offer");
    let page =
        format!("<p>{}</p><p><a href=\"{link}\">https://www.{domain}/offer</a></p>\n", dice.sentences(3));
    let body = alternative(&format!("{}\n{link}\n", dice.sentences(3)), &page, dice);
    message(&head, &body)
}

pub fn shared_hosts(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let link = dice.of(&[
        "https://my-club.github.io/autumn/",
        "https://harbour-books.web.app/order",
        "https://sites.google.com/view/autumn-trip",
        "https://forms.gle/AbCdEf",
        "https://myclub.wordpress.com/2026/11/17/trip/",
        "https://storage.googleapis.com/club-bucket/plan.pdf",
        "https://club.s3.eu-central-1.amazonaws.com/plan.pdf",
    ]);
    let head = fields(dice, &format!("Club <club@{domain}>"), "Autumn trip");
    let page = format!("<p>{} <a href=\"{link}\">The plan</a></p>\n", dice.sentences(2));
    message(&head, &html(&page, dice))
}

pub fn short_links(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let link = dice.of(&[
        "https://bit.ly/3gArDen",
        "https://tinyurl.com/abcdef",
        "https://lnkd.in/eAbC",
        "https://youtu.be/AbCdEf",
        "https://t.co/AbC",
    ]);
    let head = fields(dice, &format!("Club <club@{domain}>"), "Video of the trip");
    message(&head, &text(&format!("{}\n{link}\n", dice.sentences(1)), dice))
}

/// A link in the text and the other one behind it, as who counts clicks makes them.
pub fn counted(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let service = dice.of(&[
        "u123456.ct.sendgrid.net/ls/click?upn=",
        "clicks.mlsend.com/",
        "email.mg.example/c/",
        "links.club.example/ls/click?upn=",
    ]);
    let token = dice.token(30);
    let head = fields(dice, &format!("Club <club@{domain}>"), "Season tickets");
    let page = format!(
        "<p>Tickets: <a href=\"https://{service}{token}\">Buy now</a></p><p>{}</p>\n",
        dice.sentences(3)
    );
    message(&head, &html(&page, dice))
}
