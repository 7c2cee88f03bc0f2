//! Files that people attach.

use super::super::mail::{Dice, Part, fields, file, message, multi, text};
use super::{pdf, picture, zipped};

fn with(dice: &mut Dice, domain: &str, subject: &str, attached: Part) -> Vec<u8> {
    let head = fields(dice, &format!("Anna Berg <a.berg@{domain}>"), subject);
    let said = dice.sentences(2);
    let parts = [text(&said, dice), attached];
    let body = multi("mixed", &parts, dice);
    message(&head, &body)
}

const TYPES: (&str, &[u8]) = ("[Content_Types].xml", b"<?xml version=\"1.0\"?><Types/>");

pub fn word(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let said = format!("<w:document><w:body><w:p>{}</w:p></w:body></w:document>", dice.sentences(20));
    let packed =
        zipped(&[TYPES, ("word/document.xml", said.as_bytes()), ("word/media/image1.png", &picture(dice))]);
    let kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
    with(dice, domain, "Contract, second draft", file("Contract v2.1 (final).docx", kind, &packed))
}

pub fn sheet(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let packed = zipped(&[
        TYPES,
        ("xl/workbook.xml", b"<workbook/>"),
        ("xl/worksheets/sheet1.xml", b"<worksheet/>"),
        ("xl/externalLinks/externalLink1.xml", b"<externalLink/>"),
    ]);
    let kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
    with(dice, domain, "Numbers", file("Q3.2026.xlsx", kind, &packed))
}

pub fn open_document(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let packed = zipped(&[
        ("mimetype", b"application/vnd.oasis.opendocument.text"),
        ("content.xml", b"<office/>"),
        ("Basic/script-lc.xml", b"<library/>"),
    ]);
    with(dice, domain, "Notes", file("notes.odt", "application/vnd.oasis.opendocument.text", &packed))
}

/// The form of before 2007.
pub fn old_document(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let mut ole = vec![0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];
    ole.extend(dice.bytes(1500));
    ole.extend("WordDocument".encode_utf16().flat_map(u16::to_le_bytes));
    ole.extend(dice.bytes(3000));
    with(dice, domain, "Old letter", file("letter.doc", "application/msword", &ole))
}

pub fn portable(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let name = dice.of(&["Offer.pdf", "Ticket-2026.11.17.pdf", "Lebenslauf Müller.pdf", "AGB_1.0.pdf"]);
    with(dice, domain, "PDF", file(name, "application/pdf", &pdf(domain)))
}

pub fn packed_photos(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let (one, two) = (picture(dice), picture(dice));
    let packed = zipped(&[("trip/IMG_1.png", &one), ("trip/IMG_2.png", &two), ("trip/notes.txt", b"lovely")]);
    with(dice, domain, "Trip", file("trip.zip", "application/zip", &packed))
}

/// A whole project, scripts in it.
pub fn project(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let packed = zipped(&[
        ("site/index.html", b"<p>"),
        ("site/app.js", b"let a = 1"),
        ("site/app.css", b"p{}"),
        ("site/lib.js", b"let b"),
        ("site/README.md", b"# site"),
    ]);
    with(dice, domain, "The site", file("site-1.2.0.zip", "application/x-zip-compressed", &packed))
}

pub fn gzipped_log(dice: &mut Dice, domain: &str) -> Vec<u8> {
    use std::io::Write as _;
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(dice.sentences(200).as_bytes()).unwrap();
    with(dice, domain, "Log", file("mail.log.2.gz", "application/gzip", &gz.finish().unwrap()))
}

pub fn table(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let mut rows = "\u{feff}date;amount;text\r\n".to_owned();
    for n in 0..dice.below(60) {
        rows += &format!("2026-11-{:02};-{}.50;=\"{n}\"\r\n", n % 28 + 1, dice.below(900));
    }
    with(dice, domain, "Export", file("export.csv", "text/csv", rows.as_bytes()))
}

pub fn card(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let card =
        format!("BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Anna Berg\r\nEMAIL:a.berg@{domain}\r\nEND:VCARD\r\n");
    with(dice, domain, "My card", file("anna.vcf", "text/vcard", card.as_bytes()))
}

/// An invoice for programs (EN 16931).
pub fn e_invoice(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><rsm:CrossIndustryInvoice><ram:ID>R-1</ram:ID></rsm:CrossIndustryInvoice>";
    with(dice, domain, "Rechnung R-1", file("xrechnung.xml", "application/xml", xml.as_bytes()))
}

/// An archive with a password that comes another way.
pub fn locked_archive(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let mut packed = zipped(&[("payslip.pdf", &dice.bytes(900))]);
    packed[6] |= 1;
    with(
        dice,
        domain,
        "Payslip (the password is known to you)",
        file("payslip.zip", "application/zip", &packed),
    )
}

pub fn drawing(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 9 9\"><style>.a{fill:red}</style><path class=\"a\" d=\"M0 0h9v9z\"/></svg>";
    with(dice, domain, "Logo", file("logo.svg", "image/svg+xml", svg.as_bytes()))
}

pub fn rich_text(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let rtf = format!("{{\\rtf1\\ansi\\deff0{{\\fonttbl{{\\f0 Arial;}}}}\\f0 {}\\par}}", dice.sentences(9));
    with(dice, domain, "Minutes", file("minutes.rtf", "application/rtf", rtf.as_bytes()))
}
