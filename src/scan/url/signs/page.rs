//! Signs in the pages of a message: forms, hidden text, scripts.

use super::table::{
    FILE_BASE64, FORM_ELSEWHERE, FORM_PASSWORD, HIDDEN_FONT, HIDDEN_FOR_SEEN, HIDDEN_IN_WORDS, HIDDEN_TEXT,
    HTML_SMUGGLING, LINK_DATA, LINK_FILE, LINK_JAVASCRIPT, PAGE_BASE64, PREVIEW, SCRIPT_BUILDS_FILE,
    SCRIPT_WRITES_PAGE, SEEN_FOR_SMALL,
};
use super::tally::Tally;
use super::{Context, Protected, is_of_author, owner, services};
use crate::mail::links::{Links, Place, Seen, Source};

/// Looks at all pages.
pub(super) fn look(links: &Links, context: &Context<'_>, protected: [&Protected; 2], tally: &mut Tally) {
    for page in &links.seen {
        let place = Place::Part(page.part);
        forms(page, links, context, protected, tally);
        hidden(page, tally);
        scripts(page, tally);
        for (count, sign) in [
            (page.data_links, &LINK_DATA),
            (page.javascript_links, &LINK_JAVASCRIPT),
            (page.file_links, &LINK_FILE),
        ] {
            if count > 0 {
                tally.add(sign, place, "");
            }
        }
    }
}

fn forms(page: &Seen, links: &Links, context: &Context<'_>, protected: [&Protected; 2], tally: &mut Tally) {
    let place = Place::Part(page.part);
    if page.password_inputs > 0 {
        tally.add(&FORM_PASSWORD, place, "");
    }
    // An input of text says by its name alone what it is for: it counts where a form sends it elsewhere.
    let by_name = page.password_texts > 0 && page.forms > 0;
    if page.password_inputs == 0 && !by_name && (page.login_inputs == 0 || page.forms == 0) {
        return;
    }
    let mut is_told = page.password_inputs > 0;
    let is_action = |source| matches!(source, Source::Form | Source::Formaction);
    for found in links.list.iter().filter(|found| found.place == place && is_action(found.source)) {
        let host = found.link.host_text();
        let target = owner(host);
        let is_own = is_of_author(context, host) || protected.iter().any(|set| set.has(target));
        // Newsletters ask for an address to subscribe.
        let is_subscription = page.password_inputs == 0 && services::is_tracker(target);
        if !is_own && !is_subscription {
            if by_name && !is_told {
                tally.add(&FORM_PASSWORD, place, "");
                is_told = true;
            }
            tally.add(&FORM_ELSEWHERE, place, target);
        }
    }
}

fn hidden(page: &Seen, tally: &mut Tally) {
    let place = Place::Part(page.part);
    if page.split_words > 0 {
        tally.add(&HIDDEN_IN_WORDS, place, &format!("{} times", page.split_words));
    }
    let hidden = page.hidden;
    let small = hidden.zero_font;
    if small >= PREVIEW && small.saturating_mul(SEEN_FOR_SMALL) >= page.visible {
        tally.add(&HIDDEN_FONT, place, &format!("{small} characters beside {} that are seen", page.visible));
    }
    let other = hidden.total().saturating_sub(small);
    if other >= PREVIEW && other / HIDDEN_FOR_SEEN >= page.visible {
        tally.add(&HIDDEN_TEXT, place, &format!("{other} characters beside {} that are seen", page.visible));
    }
}

fn scripts(page: &Seen, tally: &mut Tally) {
    let place = Place::Part(page.part);
    let marks = page.smuggling;
    let saves = marks.download || marks.save_blob || marks.object_url;
    let makes = (marks.blob || marks.save_blob) && saves;
    let decodes = marks.atob || marks.unescape || marks.from_char_code;
    let carries = marks.longest_base64 >= FILE_BASE64;
    if carries && (makes || marks.download && page.data_links > 0) {
        let what = format!("{} characters of base64", marks.longest_base64);
        tally.add(&HTML_SMUGGLING, place, &what);
    } else if makes && decodes {
        tally.add(&SCRIPT_BUILDS_FILE, place, "");
    }
    if marks.write && decodes && !makes && marks.longest_base64 >= PAGE_BASE64 {
        tally.add(&SCRIPT_WRITES_PAGE, place, "");
    }
}
