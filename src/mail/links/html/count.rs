//! What start tags count for: forms, frames, the inputs of a login.

use super::attribute::Attribute;
use super::names::{EMBED, FORM, FRAME, IFRAME, INPUT, OBJECT};
use super::pass::Pass;
use super::{Page, reference};

/// Types of inputs that take no text; browsers take one that they do not know for text.
#[rustfmt::skip]
const NO_TEXT: &[&str] = &[
    "button", "checkbox", "color", "date", "datetime-local", "file", "hidden", "image", "month", "radio", "range",
    "reset", "submit", "time", "week",
];

/// What a password is called, within a name.
#[rustfmt::skip]
const PASSWORD: &[&str] = &[
    "passwor", "passwd", "kennwort", "contrase", "motdepasse", "wachtwoord", "lösenord", "losenord", "adgangskode",
    "salasana", "hasło", "jelszó", "пароль", "密码", "密碼", "パスワード", "비밀번호",
];

/// The same as a whole name: as parts of others they are common words.
#[rustfmt::skip]
const SHORT: &[&str] = &[
    "pass", "passw", "pwd", "psw", "pswd", "mdp", "pword", "haslo", "heslo", "jelszo", "senha", "parola",
    "userpass", "userpwd", "loginpass", "loginpwd", "mailpass", "mailpwd", "emailpass", "emailpwd", "mypass",
    "yourpass", "accountpass", "txtpass", "txtpwd", "inputpass",
];

impl Page<'_, '_> {
    /// What a start tag counts for.
    pub(super) fn count(&mut self, name: u64, pass: &Pass<'_>) {
        let add = |count: &mut u32| *count = count.saturating_add(1);
        match name {
            FORM => add(&mut self.seen.forms),
            IFRAME | FRAME | OBJECT | EMBED => add(&mut self.seen.frames),
            INPUT => self.input(pass),
            _ => {}
        }
        if pass.attributes.get(Attribute::Download).is_some() {
            self.seen.smuggling.download = true;
        }
    }

    /// What an `<input>` asks for.
    fn input(&mut self, pass: &Pass<'_>) {
        let get = |attribute| reference::resolved(pass.attributes.get(attribute).unwrap_or_default(), true);
        let kind = get(Attribute::Type).trim().to_ascii_lowercase();
        let count = match kind.as_str() {
            "password" => &mut self.seen.password_inputs,
            "email" => &mut self.seen.login_inputs,
            kind if NO_TEXT.contains(&kind) => return,
            _ => {
                let called = [get(Attribute::Name), get(Attribute::Id), get(Attribute::Placeholder)]
                    .map(|name| name.to_lowercase());
                if called.iter().any(|name| is_password(name)) {
                    &mut self.seen.password_texts
                } else if called.iter().any(|name| is_login(name)) {
                    &mut self.seen.login_inputs
                } else {
                    return;
                }
            }
        };
        *count = count.saturating_add(1);
    }
}

fn is_password(name: &str) -> bool {
    let letters: String = name.chars().take(256).filter(|c| c.is_alphabetic()).collect();
    SHORT.contains(&letters.as_str()) || PASSWORD.iter().any(|word| letters.contains(word))
}

fn is_login(name: &str) -> bool {
    let words = || name.split(|c: char| !c.is_alphanumeric());
    ["mail", "user", "login", "account"].iter().any(|word| name.contains(word))
        || words().any(|word| word == "pin")
}
