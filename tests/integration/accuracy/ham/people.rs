//! What people write to one another.

use super::super::mail::{
    Dice, alternative, encoded, fields, file, html, inline, message, multi, part, text,
};
use super::picture;

const NAMES: &[&str] = &["Anna Berg", "J. Okafor", "\"Lindqvist, Per\"", "Maria", "\"O'Brien, K. (Sales)\""];

pub fn short_reply(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let name = dice.of(NAMES);
    let head = fields(dice, &format!("{name} <a.berg@{domain}>"), "Re: lunch?");
    let words = dice.of(&["Yes.", "ok thx", "On my way", "+1", "See you there, 12:30?"]);
    let all = format!("{words}\n\nSent from my phone\n\n> On Tue, Alice wrote:\n> lunch?\n");
    message(&format!("{head}In-Reply-To: <77@recipient.example>\n"), &text(&all, dice))
}

/// As Outlook writes pages: conditional comments, text for other programs hidden.
pub fn word_page(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let head = fields(dice, &format!("Per Lindqvist <per@{domain}>"), "RE: Quarterly numbers");
    let said = dice.sentences(6);
    let page = format!(
        "<html xmlns:o=\"urn:schemas-microsoft-com:office:office\"><head><!--[if gte mso 9]><xml><o:OfficeDocumentSettings>\
         <o:AllowPNG/></o:OfficeDocumentSettings></xml><![endif]--><style><!--p.MsoNormal {{margin:0cm;font-size:11.0pt}}\n\
         span.EmailStyle17 {{mso-style-type:personal-reply;color:windowtext}}--></style></head><body lang=EN-GB link=\"#0563C1\">\
         <div class=WordSection1><p class=MsoNormal><span style='mso-fareast-language:EN-US'>{said}<o:p></o:p></span></p>\
         <p class=MsoNormal style='display:none;mso-hide:all'>&nbsp;</p><div style='border:none;border-top:solid #E1E1E1 1.0pt'>\
         <p class=MsoNormal><b>From:</b> Alice Smith &lt;<a href=\"mailto:alice@recipient.example\">alice@recipient.example</a>&gt;\
         <br><b>Sent:</b> Monday</p></div><p class=MsoNormal><a href=\"http://www.{domain}/\">www.{domain}</a></p></div></body></html>\n"
    );
    let body = alternative(&said, &page, dice);
    message(&head, &body)
}

pub fn signature_with_logo(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let head = fields(dice, &format!("Maria <maria@{domain}>"), "Drawings for the second floor");
    let page = format!(
        "<div dir=ltr>{}<br><br><img src=\"cid:logo\" width=120><br>Maria Rossi<br>T +39 02 5550 100<br>\
         <a href=\"https://{domain}\">{domain}</a> | <a href=\"https://www.linkedin.com/company/x\">LinkedIn</a><br>\
         <span style=\"font-size:8pt;color:#999\">This e-mail is confidential. If you are not the intended recipient, \
         delete it.</span></div>\n",
        dice.sentences(4)
    );
    let parts = [html(&page, dice), inline("logo", "image/png", &picture(dice))];
    let body = multi("related", &parts, dice);
    message(&head, &body)
}

pub fn photos(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let head = fields(dice, &format!("Grandma <rose@{domain}>"), "pictures!!!");
    let mut parts = vec![text("Look how big he is.\n", dice)];
    for n in 0..=dice.below(3) {
        parts.push(file(&format!("IMG_{}.PNG", 2041 + n), "image/png", &picture(dice)));
    }
    let body = multi("mixed", &parts, dice);
    message(&head, &body)
}

pub fn forwarded_inline(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let head = fields(dice, &format!("K. Brown <k.brown@{domain}>"), "Fwd: Is this real?");
    let said = format!(
        "Hi Alice, is this one genuine?\n\n---------- Forwarded message ---------\nFrom: Shop <news@shop.example>\n\
         Date: Mon, 16 Nov 2026\nSubject: Your order\nTo: <k.brown@{domain}>\n\n{}\nhttps://shop.example/order/{}\n",
        dice.sentences(3),
        dice.token(4)
    );
    message(&head, &text(&said, dice))
}

pub fn forwarded_whole(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let head = fields(dice, &format!("K. Brown <k.brown@{domain}>"), "FW: contract");
    let other = fields(dice, "Legal <legal@partner.example>", "contract");
    let inner = message(
        &other,
        &alternative("See below.\n", "<p>See <a href=\"https://partner.example/c\">below</a>.</p>\n", dice),
    );
    let parts = [
        text("As discussed.\n", dice),
        part("message/rfc822", "Content-Disposition: attachment\r\n", &inner),
    ];
    let body = multi("mixed", &parts, dice);
    message(&head, &body)
}

pub fn out_of_office(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let head = fields(dice, &format!("Anna Berg <a.berg@{domain}>"), "Automatic reply: Drawings");
    let said = "I am out of the office until Monday. In urgent cases: support@partner.example.\n";
    message(
        &format!("{head}Auto-Submitted: auto-replied\nX-Auto-Response-Suppress: All\n"),
        &text(said, dice),
    )
}

pub fn ticket(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let number = dice.below(90_000);
    let from = format!("\"Support (Harbour Hosting)\" <support+{number}@{domain}>");
    let head = fields(dice, &from, &format!("[#{number}] Cannot log in to the control panel"));
    let page = format!(
        "<div style=\"color:#b5b5b5\">##- Please type your reply above this line -##</div><p>{}</p><p>Your password was \
         not changed. Sign in: <a href=\"https://panel.{domain}/login\">https://panel.{domain}/login</a></p>\
         <span style=\"color:#fff;font-size:1px\" aria-hidden=\"true\">[{}]</span>\n",
        dice.sentences(4),
        dice.token(8)
    );
    let body = alternative("##- Please type your reply above this line -##\n", &page, dice);
    message(&head, &body)
}

/// What real address books hold.
pub fn odd_names(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let name = match dice.below(6) {
        0 => "\"a.berg@DOMAIN\" <a.berg@DOMAIN>",
        1 => "Berg & Sons, Inc. <a.berg@DOMAIN>",
        2 => "=?UTF-8?Q?Bj=C3=B6rn_=C3=85str=C3=B6m?= <bjorn@DOMAIN>",
        3 => "<a.berg@DOMAIN>",
        4 => "a.berg@DOMAIN (Anna Berg)",
        _ => "\"Anna \\\"AB\\\" Berg\" <a.berg@DOMAIN>",
    };
    let head = fields(dice, &name.replace("DOMAIN", domain), "");
    message(&head, &text("No subject today.\n", dice))
}

/// Addresses beyond ASCII (RFC 6532).
pub fn internationalised(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let shown = format!("bücher.{domain}");
    let head = fields(dice, &format!("Jürgen Größe <jürgen@{shown}>"), "Grüße aus Köln");
    let head = head.replace(&format!("mail.{shown}"), "mail.provider.example");
    message(&head, &text("Schöne Grüße, und bis bald! https://münchen.example/stadtplan\n", dice))
}

pub fn only_a_page(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let head =
        fields(dice, &format!("Sam <sam@{domain}>"), &encoded("Einladung zum Sommerfest 🎉 am Samstag"));
    let page = format!("<html><body style=\"background:#fff\"><p>{}</p></body></html>\n", dice.sentences(3));
    message(&head, &html(&page, dice))
}

pub fn pgp_signed(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let head = fields(dice, &format!("Anna Berg <a.berg@{domain}>"), "signed");
    let signature = format!(
        "-----BEGIN PGP SIGNATURE-----\r\n\r\n{}\r\n-----END PGP SIGNATURE-----\r\n",
        blob(dice, 280)
    );
    let name = "Content-Disposition: attachment; filename=\"signature.asc\"\r\n";
    let said = dice.sentences(2);
    let parts = [text(&said, dice), part("application/pgp-signature", name, signature.as_bytes())];
    let kind = "signed; micalg=pgp-sha512; protocol=\"application/pgp-signature\"";
    let body = multi(kind, &parts, dice);
    message(&head, &body)
}

pub fn pgp_encrypted(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let head = fields(dice, &format!("Anna Berg <a.berg@{domain}>"), "...");
    let secret =
        format!("-----BEGIN PGP MESSAGE-----\r\n\r\n{}\r\n-----END PGP MESSAGE-----\r\n", blob(dice, 900));
    if dice.below(2) == 0 {
        return message(&head, &part("text/plain", "", secret.as_bytes()));
    }
    let parts = [
        part("application/pgp-encrypted", "", b"Version: 1\r\n"),
        part("application/octet-stream; name=\"encrypted.asc\"", "", secret.as_bytes()),
    ];
    let body = multi("encrypted; protocol=\"application/pgp-encrypted\"", &parts, dice);
    message(&head, &body)
}

pub fn smime(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let head = fields(dice, &format!("Anna Berg <a.berg@{domain}>"), "Angebot");
    let mut der =
        vec![0x30, 0x82, 0x0a, 0x10, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
    der.extend(dice.bytes(1200));
    if dice.below(3) == 0 {
        return message(&head, &file("smime.p7m", "application/pkcs7-mime; smime-type=enveloped-data", &der));
    }
    let said = dice.sentences(3);
    let parts = [text(&said, dice), file("smime.p7s", "application/pkcs7-signature", &der)];
    let kind = "signed; micalg=sha-256; protocol=\"application/pkcs7-signature\"";
    let body = multi(kind, &parts, dice);
    message(&head, &body)
}

fn blob(dice: &mut Dice, bytes: usize) -> String {
    data_encoding::BASE64_MIME.encode(&dice.bytes(bytes))
}

/// What somebody asks about a password, a bank and an attachment.
pub fn about_dangers(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let head =
        fields(dice, &format!("Security Team <security@{domain}>"), "Phishing awareness: how to read a link");
    let said = "Criminals write paypa1.com for paypal.com, or https://paypal.com.login.evil.example/. Never open invoice.pdf.exe, \
                do not run powershell -enc commands that a web page asks you to paste, and never tell anybody your password.\n\
                We see hxxps://evil[.]example/login in such mail. Report it with the button.\n";
    message(&head, &text(said, dice))
}
