//! Ordinary mail in the shapes that it has, drawn from a seed: the same each time.

mod bulk;
mod files;
mod lists;
mod machines;
mod notices;
mod people;
mod world;
mod wrapped;

use std::io::Write as _;

use super::mail::{Dice, Mail, Proof};

/// One kind of mail.
struct Shape {
    name: &'static str,
    proof: Proof,
    draw: fn(&mut Dice, &str) -> Vec<u8>,
}

const fn shape(name: &'static str, proof: Proof, draw: fn(&mut Dice, &str) -> Vec<u8>) -> Shape {
    Shape { name, proof, draw }
}

/// Reports of delivery have no sender.
const BOUNCE: &str = "a report of delivery";

const SHAPES: &[Shape] = &[
    shape("a short reply", Proof::Own, people::short_reply),
    shape("a reply from Outlook", Proof::Own, people::word_page),
    shape("a signature with a logo", Proof::Own, people::signature_with_logo),
    shape("photos", Proof::Own, people::photos),
    shape("a reply through a forwarder", Proof::Forwarded, people::word_page),
    shape("forwarded in the text", Proof::Own, people::forwarded_inline),
    shape("forwarded as a file", Proof::Own, people::forwarded_whole),
    shape("an absence note", Proof::Own, people::out_of_office),
    shape("a support ticket", Proof::Service, people::ticket),
    shape("odd names in From", Proof::Own, people::odd_names),
    shape("an address beyond ASCII", Proof::Own, people::internationalised),
    shape("a page without a text", Proof::Own, people::only_a_page),
    shape("signed with PGP", Proof::Own, people::pgp_signed),
    shape("encrypted with PGP", Proof::Own, people::pgp_encrypted),
    shape("S/MIME", Proof::Own, people::smime),
    shape("a warning of phishing", Proof::Own, people::about_dangers),
    shape("from a server without records", Proof::Nothing, people::short_reply),
    shape("a newsletter with a hidden preview", Proof::Service, bulk::hidden_preview),
    shape("a newsletter by MJML", Proof::Service, bulk::mjml),
    shape("a newsletter for two screens", Proof::Service, bulk::two_screens),
    shape("a newsletter with white text", Proof::Service, bulk::white_on_colour),
    shape("a newsletter that names others", Proof::Service, bulk::names_of_others),
    shape("a newsletter of 200 links", Proof::Service, bulk::many_links),
    shape("AMP", Proof::Service, bulk::amp),
    shape("an order", Proof::Service, notices::order),
    shape("a parcel", Proof::Service, notices::parcel),
    shape("a bank", Proof::Own, notices::bank),
    shape("a new password", Proof::Own, notices::password_reset),
    shape("a sign-in alert", Proof::Own, notices::login_alert),
    shape("a one-time code", Proof::Own, notices::one_time_code),
    shape("a document to sign", Proof::Service, notices::to_be_signed),
    shape("an invoice", Proof::Own, notices::invoice),
    shape("a subscription", Proof::Service, notices::subscription),
    shape("a social network", Proof::Own, notices::social),
    shape("a shared document", Proof::Own, notices::shared_document),
    shape("a survey", Proof::Service, notices::survey),
    shape("a meeting", Proof::Own, notices::meeting),
    shape("a post of a list", Proof::List, lists::post),
    shape("a list in From", Proof::Own, lists::munged),
    shape("a list's foot as a part", Proof::List, lists::foot_as_part),
    shape("a digest of a list", Proof::Own, lists::digest),
    shape("a patch", Proof::List, lists::patch),
    shape("a code review", Proof::Own, lists::review),
    shape(BOUNCE, Proof::Own, machines::bounce),
    shape("a receipt of reading", Proof::Own, machines::read_receipt),
    shape("a complaint", Proof::Own, machines::complaint),
    shape("a DMARC report", Proof::Own, machines::aggregate),
    shape("cron", Proof::Own, machines::cron),
    shape("monitoring", Proof::Own, machines::monitoring),
    shape("a copier", Proof::Nothing, machines::copier),
    shape("a voice message", Proof::Own, machines::voicemail),
    shape("winmail.dat", Proof::Own, machines::winmail),
    shape("a page that saves a table", Proof::Own, machines::page_that_saves_a_table),
    shape("a page with pictures", Proof::Own, machines::page_with_pictures),
    shape("a Word document", Proof::Own, files::word),
    shape("a spreadsheet", Proof::Own, files::sheet),
    shape("an OpenDocument text", Proof::Own, files::open_document),
    shape("an old Word document", Proof::Own, files::old_document),
    shape("a PDF", Proof::Own, files::portable),
    shape("photos in a zip", Proof::Own, files::packed_photos),
    shape("a project in a zip", Proof::Own, files::project),
    shape("a log in gzip", Proof::Own, files::gzipped_log),
    shape("a table", Proof::Own, files::table),
    shape("a contact", Proof::Own, files::card),
    shape("an invoice for programs", Proof::Own, files::e_invoice),
    shape("a locked archive", Proof::Own, files::locked_archive),
    shape("a drawing", Proof::Own, files::drawing),
    shape("rich text", Proof::Own, files::rich_text),
    shape("an old character set", Proof::Own, world::character_sets),
    shape("another script", Proof::Own, world::scripts),
    shape("hosts in other scripts", Proof::Own, world::hosts),
    shape("links through a gateway", Proof::Own, wrapped::by_gateways),
    shape("hosts that many share", Proof::Own, wrapped::shared_hosts),
    shape("short links", Proof::Own, wrapped::short_links),
    shape("counted links", Proof::Service, wrapped::counted),
];

/// `each` of every shape.
pub fn drawn(each: u64) -> Vec<Mail> {
    let mut mails = Vec::new();
    for (position, shape) in SHAPES.iter().enumerate() {
        for n in 0..each {
            let mut dice = Dice::new(position as u64 * 1_000_003 + n);
            let words = ["harbour", "nordwind", "green-field", "casa-blu", "tokyo-tea", "club7", "a-z-books"];
            let author = format!("{}-{position}-{n}.example", dice.of(&words));
            let raw = (shape.draw)(&mut dice, &author);
            let from = match shape.proof {
                _ if shape.name == BOUNCE => String::new(),
                Proof::Service => format!("bounce-{}@mailer.esp.example", dice.token(8)),
                Proof::List => "talk-bounces@lists.club.example".to_owned(),
                Proof::Own | Proof::Forwarded | Proof::Nothing => format!("x@{author}"),
            };
            let shown =
                raw.windows(9).any(|w| w == "bücher.".as_bytes()).then(|| format!("xn--bcher-kva.{author}"));
            mails.push(Mail {
                shape: shape.name,
                proof: shape.proof,
                from,
                author: shown.unwrap_or(author),
                raw,
            });
        }
    }
    mails
}

/// A small picture, another one each time.
fn picture(dice: &mut Dice) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, 16, 16);
    encoder.set_color(png::ColorType::Rgb);
    let pixels = dice.bytes(16 * 16 * 3);
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
    out
}

/// A zip archive.
fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in files {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A page with a link and a form, and no script.
fn pdf(domain: &str) -> Vec<u8> {
    format!(
        "%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 2 0 R/OpenAction[3 0 R/Fit]/AcroForm<</Fields[]>>>>endobj\n\
         2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]\
         /Annots[<</Type/Annot/Subtype/Link/Rect[0 0 9 9]/A<</S/URI/URI(https://www.{domain}/pay)>>>>]>>endobj\n\
         xref\n0 1\n0000000000 65535 f\ntrailer<</Root 1 0 R>>\nstartxref\n9\n%%EOF\n"
    )
    .into_bytes()
}
