//! Other languages, in the character sets that are still in use.

use data_encoding::{BASE64, BASE64_MIME};

use super::super::mail::{Dice, encoded, fields, html, message, part, text};

/// A character set, and a sentence in it.
const SETS: &[(&str, &str)] = &[
    (
        "iso-2022-jp",
        "GyRCTWg9NSROMnE1RCROO3FOQSRyJCpBdyRqJDckXiQ5ISMkaCRtJDckLyQqNGokJCQkJD8kNyReJDkhIxsoQg0K",
    ),
    ("shift_jis", "grKSjZW2gqCC6IKqgsaCpIKygrSCooLcgreBQo+klWmCzZa+k/qUrZGXgqKCvYK1gtyCt4FCDQo="),
    ("euc-kr", "vsiz58fPvLy/5C4gtNnAvSDB1iDIuMDHIMDat+G4piC6uLO7teW4s7TPtNkuILCou+fH1bTPtNkuDQo="),
    ("gb18030", "xPq6w6OsuL28/srHz8LW3Lvh0um1xNfKwc+jrMfrsunK1aGj0LvQu6OhDQo="),
    ("big5", "sXqmbqFBqv6l86xPpFW2Z7d8xLOqurjqrsahQb3QrGSmrKFDwcLBwqFJDQo="),
    ("koi8-r", "+sTSwdfT1NfVytTFISD32dPZzMHAIM3B1MXSycHM2SDLINfT1NLF3sUgzsEg08zFxNXA3cXKIM7FxMXMxS4NCg=="),
    ("windows-1251", "xO7h8OjpIOTl7fwhIM3g5PHo6+D+IPDg9fPt7uog5+Ag6+jx8u7v4OQuDQo="),
    ("iso-8859-7", "yuHr5+zd8eEg8+HyLCDz4fIg8/Td6+35IPTvIPTp7O/r/OPp7yD07/Ugze/l7OLx3+/1Lg0K"),
    ("windows-1256", "49HNyMehIMPR0+Eg4d/jIN3HyubRySDU5dEg5Obd48jRLiDU39HHIMzS7eHHLg0K"),
    ("windows-1255", "+ezl7Swg7vbl+PT6IOTn+eHl8On6IOzn5eP5IPDl4e7h+C4g+uXj5CD44eQuDQo="),
    ("tis-620", "ysfRyrTVpMPRuiCizcrop+DNocrSw6HSw7vD0KrYwcrRu7TSy+zLuenSIKLNuqTYs6TD0boNCg=="),
    (
        "iso-8859-9",
        "TWVyaGFiYSwgZ2VsZWNlayBoYWZ0YWtpIHRvcGxhbnT9bv1uIGJlbGdlbGVyaW5pIGf2bmRlcml5b3J1bS4NCg==",
    ),
    ("iso-8859-2", "RG9icv0gZGVuLCB6YXPtbOFtIHBvZGtsYWR5IGsgcPjtuXTtIHNjaPl6Y2UuIETsa3VqaS4NCg=="),
    ("iso-8859-15", "RGVyIEJldHJhZyB2b24gMS4yMDAgpCB3aXJkIPxiZXJ3aWVzZW4uIFNjaPZuZSBHcvzfZSENCg=="),
    (
        "utf-16",
        "//5HAHIA/ADfAGUAIABpAG4AIABVAFQARgAtADEANgAsACAAdwBpAGUAIABzAGkAZQAgAG0AYQBuAGMAaABlACAAUAByAG8AZwByAGEAbQBtAGUAIABzAGUAbgBkAGUAbgAuAA0ACgA=",
    ),
    ("utf-7", "R3IrQVB3QTN3LWUgYXVzIGFsdGVuIFByb2dyYW1tZW4sIG1pdCBVbWxhdXRlbi4NCg=="),
];

/// The text in an old character set, the subject too.
pub fn character_sets(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let (set, said) = SETS[dice.below(SETS.len())];
    let said = BASE64.decode(said.as_bytes()).unwrap();
    let subject = format!("=?{set}?B?{}?=", BASE64.encode(said.get(..30).unwrap_or(&said)));
    let head = fields(dice, &format!("=?UTF-8?B?5bGx55SwIOWkqumDjg==?= <post@{domain}>"), &subject);
    let plain = dice.below(2) == 0 && !set.starts_with("utf-16");
    let body = match plain {
        true => part(&format!("text/plain; charset={set}"), "Content-Transfer-Encoding: 8bit\r\n", &said),
        false => part(
            &format!("text/plain; charset=\"{set}\""),
            "Content-Transfer-Encoding: base64\r\n",
            BASE64_MIME.encode(&said).as_bytes(),
        ),
    };
    message(&head, &body)
}

const SENTENCES: &[&str] = &[
    "नमस्ते, अगले सप्ताह की बैठक के कागज़ भेज रहा हूँ। धन्यवाद।",
    "مرحباً، أرسل لكم محضر الاجتماع. مع الشكر.",
    "שלום רב, מצורף סיכום הפגישה. תודה.",
    "Xin chào, tôi gửi tài liệu cho cuộc họp tuần tới.",
    "გამარჯობა, გიგზავნით მასალებს.",
    "Բարեւ Ձեզ, ուղարկում եմ նյութերը։",
    "您好，请查收附件。👍",
    "Καλημέρα, στέλνω τα έγγραφα.",
    "Доброго дня, надсилаю матеріали.",
];

pub fn scripts(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let said = dice.of(SENTENCES);
    let head = fields(dice, &format!("{} <post@{domain}>", encoded("مريم Мария")), &encoded(said));
    let page = format!(
        "<html dir=\"rtl\"><body><p>{said}</p><p>\u{202b}{said}\u{202c} https://{domain}/\u{200f}</p></body></html>\n"
    );
    message(&head, &html(&page, dice))
}

/// Links to hosts in other scripts.
pub fn hosts(dice: &mut Dice, domain: &str) -> Vec<u8> {
    let host = dice.of(&[
        "münchen.example",
        "日本語.example",
        "пример.example",
        "παράδειγμα.example",
        "مثال.example",
        "xn--bcher-kva.example",
    ]);
    let head = fields(dice, &format!("Stadt <info@{domain}>"), &encoded("Öffnungszeiten"));
    message(&head, &text(&format!("Siehe https://www.{host}/seite?a=1 und http://{host}\n"), dice))
}
