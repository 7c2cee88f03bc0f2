//! What programs send: reports of delivery, monitoring, scanners, recorders, and reports as pages.

use data_encoding::BASE64;

use super::super::mail::{Dice, fields, file, html, message, multi, part, text};
use super::{pdf, picture};

/// A report of delivery (RFC 3464), with what it is about.
pub fn bounce(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let head = fields(
        dice,
        &format!("Mail Delivery System <MAILER-DAEMON@{domain}>"),
        "Undelivered Mail Returned to Sender",
    );
    let status = format!(
        "Reporting-MTA: dns; mx.{domain}\r\n\r\nFinal-Recipient: rfc822; bob@{domain}\r\nAction: failed\r\nStatus: 5.1.1\r\n\
         Diagnostic-Code: smtp; 550 5.1.1 User unknown\r\n"
    );
    let own = fields(dice, "Alice Smith <alice@recipient.example>", "Hello Bob");
    let whole = message(&own, &text("Hello Bob, are you there?\n", dice));
    let returned = match dice.below(2) {
        0 => part("message/rfc822", "", &whole),
        _ => part("text/rfc822-headers", "", own.replace('\n', "\r\n").as_bytes()),
    };
    let parts = [
        text("I'm sorry to have to inform you that your message could not be delivered.\n", dice),
        part("message/delivery-status", "", status.as_bytes()),
        returned,
    ];
    let body = multi("report; report-type=delivery-status", &parts, dice);
    message(&format!("{head}Auto-Submitted: auto-replied\n"), &body)
}

/// A receipt (RFC 8098).
pub fn read_receipt(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let head = fields(dice, &format!("Bob <bob@{domain}>"), "Read: Hello Bob");
    let status = format!(
        "Reporting-UA: {domain}\r\nFinal-Recipient: rfc822;bob@{domain}\r\nDisposition: manual-action/MDN-sent-manually; displayed\r\n"
    );
    let parts = [
        text("Your message was read.\n", dice),
        part("message/disposition-notification", "", status.as_bytes()),
    ];
    let body = multi("report; report-type=disposition-notification", &parts, dice);
    message(&head, &body)
}

/// A complaint about spam, with the spam (RFC 5965).
pub fn complaint(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let head = fields(dice, &format!("<feedback@{domain}>"), "FW: Weekend offers");
    let other = fields(dice, "Shop <news@recipient.example>", "Weekend offers");
    let parts = [
        text("This is an email abuse report.\n", dice),
        part(
            "message/feedback-report",
            "",
            b"Feedback-Type: abuse\r\nUser-Agent: Loop/1.0\r\nVersion: 1\r\n",
        ),
        part("message/rfc822", "", &message(&other, &text("Offers.\n", dice))),
    ];
    let body = multi("report; report-type=feedback-report", &parts, dice);
    message(&head, &body)
}

/// A DMARC report.
pub fn aggregate(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let head = fields(
        dice,
        &format!("noreply-dmarc@{domain}"),
        &format!("Report domain: recipient.example Submitter: {domain}"),
    );
    let xml = "<?xml version=\"1.0\"?><feedback><report_metadata><org_name>x</org_name></report_metadata></feedback>";
    let packed = super::zipped(&[("recipient.example!1763337600!1763424000.xml", xml.as_bytes())]);
    message(
        &head,
        &file(&format!("{domain}!recipient.example!1763337600!1763424000.zip"), "application/zip", &packed),
    )
}

pub fn cron(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let head =
        fields(dice, &format!("root@{domain} (Cron Daemon)"), "Cron <root@web1> /usr/local/bin/backup.sh");
    let said = "tar: Removing leading `/' from member names\nuploaded backup.sh.gz, run.bat, setup.exe to http://192.168.1.20:8080/backup\n\
                powershell.exe -File C:\\scripts\\rotate.ps1: exit 0\n";
    message(&format!("{head}Auto-Submitted: auto-generated\n"), &text(said, dice))
}

pub fn monitoring(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let head = fields(dice, &format!("Monitor <alerts@{domain}>"), "** PROBLEM: web1 is DOWN **");
    let page = "<p>Host <a href=\"http://10.1.2.3/monitor/host?name=web1\">10.1.2.3</a> is DOWN. \
                <a href=\"http://127.0.0.1:3000/d/abc\">Dashboard</a></p>\n";
    message(&head, &html(page, dice))
}

/// A copier in the office.
pub fn copier(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let head =
        fields(dice, &format!("\"MFP-3rd-floor\" <scanner@{domain}>"), "Scanned image from MFP-3rd-floor");
    let parts = [
        text("Reply to this address is not read. Device: MFP 3050\n", dice),
        file("SKM_C25026111709120.pdf", "application/pdf", &pdf("scan")),
    ];
    let body = multi("mixed", &parts, dice);
    message(&head, &body)
}

pub fn voicemail(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let head = fields(dice, &format!("Phone <voicemail@{domain}>"), "New voice message from +39 02 5550 100");
    let mut wave =
        b"RIFF\x24\x10\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0data\0\x10\0\0"
            .to_vec();
    wave.extend(dice.bytes(4096));
    let parts = [
        text("You have a new voice message of 14 seconds.\n", dice),
        file("msg0042.wav", "audio/x-wav", &wave),
    ];
    let body = multi("mixed", &parts, dice);
    message(&head, &body)
}

/// What Exchange sends to who does not expect it: the text once more, and a file ([MS-OXTNEF]).
pub fn winmail(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let head = fields(dice, &format!("Per Lindqvist <per@{domain}>"), "Agenda");
    let plan = dice.bytes(2000);
    let said = dice.sentences(2);
    let number = |n: usize| u32::try_from(n).unwrap().to_le_bytes();
    let attribute = |level: u8, id: u32, data: &[u8]| {
        let sum = data.iter().fold(0_u16, |sum, c| sum.wrapping_add(u16::from(*c)));
        [&[level][..], &id.to_le_bytes(), &number(data.len()), data, &sum.to_le_bytes()].concat()
    };
    // Rich text that is not packed ([MS-OXRTFCP]), as a property of the message.
    let rich = format!("{{\\rtf1\\ansi {said}}}");
    let rich = [&number(rich.len() + 12)[..], &number(rich.len()), b"MELA\0\0\0\0", rich.as_bytes()].concat();
    let padding = vec![0_u8; rich.len().next_multiple_of(4) - rich.len()];
    let properties =
        [&number(1)[..], b"\x02\x01\x09\x10", &number(1), &number(rich.len()), &rich, &padding].concat();
    let tnef = [
        b"\x78\x9f\x3e\x22\x01\0".to_vec(),
        attribute(1, 0x0008_9006, &[0, 0, 1, 0]),
        attribute(1, 0x0006_9007, &[0xe4, 4, 0, 0, 0, 0, 0, 0]),
        attribute(1, 0x0007_8008, b"IPM.Microsoft Mail.Note\0"),
        attribute(1, 0x0006_9003, &properties),
        attribute(2, 0x0006_9002, &[1, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]),
        attribute(2, 0x0001_8010, b"Agenda.docx\0"),
        attribute(2, 0x0006_800f, &plan),
    ]
    .concat();
    let parts = [text(&said, dice), file("winmail.dat", "application/ms-tnef", &tnef)];
    let body = multi("mixed", &parts, dice);
    message(&head, &body)
}

/// A page that saves its own table, as reports of tests and figures do.
pub fn page_that_saves_a_table(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let head = fields(dice, &format!("Reports <reports@{domain}>"), "Weekly report");
    let page = "<!doctype html><html><head><title>Report</title><script>function save() { const csv = rows.map(r => r.join(',')).join('\\n');\
                const link = document.createElement('a'); link.href = URL.createObjectURL(new Blob([csv], { type: 'text/csv' }));\
                link.download = 'report.csv'; link.click(); } const rows = [['a', 1], ['b', 2]];</script></head>\
                <body><button onclick=\"save()\">Save as CSV</button></body></html>";
    let parts = [text("The report is attached.\n", dice), file("report.html", "text/html", page.as_bytes())];
    let body = multi("mixed", &parts, dice);
    message(&head, &body)
}

/// A page with its pictures and its program inside, as notebooks are saved.
pub fn page_with_pictures(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let head = fields(dice, &format!("Reports <reports@{domain}>"), "Notebook of Tuesday");
    let shown = BASE64.encode(&picture(dice));
    let page = format!(
        "<!doctype html><html><head><script>document.addEventListener('click', e => e.target.classList.toggle('open'));</script></head>\
         <body><img src=\"data:image/png;base64,{shown}\"><pre>{}</pre><script type=\"application/json\">{{\"cells\": []}}</script></body></html>",
        dice.sentences(10)
    );
    let parts = [text("As a page.\n", dice), file("notebook.html", "text/html", page.as_bytes())];
    let body = multi("mixed", &parts, dice);
    message(&head, &body)
}
