//! What a page shows beside its links.

use super::{links, told};
use crate::mail::links::found::Smuggling;
use crate::mail::links::{Hidden, Seen};

fn seen(html: &str) -> Seen {
    links("text/html", html.to_owned()).seen[0].clone()
}

#[test]
fn forms_and_what_they_ask_for_are_counted() {
    let page = "<form action=http://a.example/><input name=User><input TYPE=email><input type=password>\
                <input type=hidden name=user><input type=text name=town></form>";
    let seen = seen(page);
    assert_eq!((seen.forms, seen.login_inputs, seen.password_inputs), (1, 2, 1));
}

#[test]
fn hidden_text_is_counted_by_what_hides_it() {
    for (page, expected) in [
        (
            "<div style='display:none'>abc<div>d</div>e</div>f",
            Hidden { not_displayed: 5, ..Hidden::default() },
        ),
        ("<div hidden>abc</div>", Hidden { not_displayed: 3, ..Hidden::default() }),
        ("<p style='VISIBILITY : hidden !important'>abc</p>", Hidden { invisible: 3, ..Hidden::default() }),
        ("<p style='opacity:0.01'>abc</p>", Hidden { invisible: 3, ..Hidden::default() }),
        ("<span style='font-size:0px'>abc</span>", Hidden { zero_font: 3, ..Hidden::default() }),
        (
            "<span style='font-size:0'>abc<b style='font-size:12px'>d</b></span>",
            Hidden { zero_font: 3, ..Hidden::default() },
        ),
        ("<div style='max-height:0;overflow:hidden'>abc</div>", Hidden { clipped: 3, ..Hidden::default() }),
        ("<div style='max-height:0'>abc</div>", Hidden::default()),
        (
            "<div style='position:absolute;left:-9999px'>abc</div>",
            Hidden { off_page: 3, ..Hidden::default() },
        ),
        ("<p style='text-indent:-999em'>abc</p>", Hidden { off_page: 3, ..Hidden::default() }),
        (
            "<td bgcolor=#ffffff><font color=white>abc</font>d</td>",
            Hidden { same_colour: 3, ..Hidden::default() },
        ),
        (
            "<td bgcolor=#fff><font color=#FEFEFE>abc<b style='color:#000'>d</b></font></td>",
            Hidden { same_colour: 3, ..Hidden::default() },
        ),
        (
            "<td bgcolor=#fff><b style='color:rgb(255, 255, 255);background:black'>abc</b></td>",
            Hidden::default(),
        ),
        ("<b style='color:transparent'>abc</b>", Hidden { same_colour: 3, ..Hidden::default() }),
        // The padding behind a newsletter's preview is nothing that anybody would read.
        (
            "<div style='display:none'>ab&nbsp;&zwnj;&#847;\u{200b} &shy;</div>",
            Hidden { not_displayed: 2, ..Hidden::default() },
        ),
        ("<br style='display:none'>abc", Hidden::default()),
        ("<p style='display:none'>a<p>bc", Hidden { not_displayed: 1, ..Hidden::default() }),
    ] {
        assert_eq!(seen(page).hidden, expected, "{page}");
    }
    assert_eq!(seen("<p>a b\u{e9} <b style='display:none'>xy</b></p>").visible, 3);
}

#[test]
fn links_that_are_none_of_the_web_are_counted() {
    let page = "<a href='data:text/html,x'>a</a><img src='data:image/png;base64,xx'><a href=' JavaScript:x()'>b</a>\
                <a href='vbscript:x'>c</a><a href='file://host/share'>d</a><a href='\\\\host.example\\share'>e</a>\
                <a href='search-ms:query=x'>f</a><a href='mailto:a@b.example'>g</a>";
    let seen = seen(page);
    assert_eq!((seen.data_links, seen.javascript_links, seen.file_links, seen.other_links), (1, 2, 2, 1));
}

#[test]
fn a_file_put_together_by_a_script_leaves_its_marks() {
    let page = format!(
        "<a download=x href=#>y</a><script>var b = new Blob([atob('{}')]); \
         a.href = URL.createObjectURL(b); navigator.msSaveOrOpenBlob(b, 'x.zip'); eval(x); document.write(y); \
         location = unescape(z); String.fromCharCode(1)</script>",
        "QUJD".repeat(1_000)
    );
    let expected = Smuggling {
        atob: true,
        blob: true,
        save_blob: true,
        object_url: true,
        download: true,
        from_char_code: true,
        eval: true,
        write: true,
        unescape: true,
        location: true,
        longest_base64: 4_000,
    };
    assert_eq!(seen(&page).smuggling, expected);
    assert_eq!(seen("<p>atob new Blob eval(</p>").smuggling, Smuggling::default());
}

#[test]
fn each_page_has_its_own_counts() {
    let mut parts = super::message("text/html", "<form></form>");
    let mut other = parts.list[0].clone();
    other.index = 1;
    other.content = "<script></script>".into();
    parts.list.push(other);
    let seen = crate::mail::links::find(&parts, "", &crate::mail::links::Limits::default()).seen;
    assert_eq!(seen.iter().map(|s| (s.part, s.forms, s.scripts)).collect::<Vec<_>>(), [(0, 1, 0), (1, 0, 1)]);
}

#[test]
fn text_hidden_by_class_is_not_part_of_what_is_shown() {
    let page = "<style>.z{display:none}</style><p>www.pay<span class=z>xx</span>pal.com</p>\
                <a href='https://evil.example/'>www.pay<span class=z>xx</span>pal.com</a>";
    assert_eq!(
        told(&links("text/html", page)),
        [
            "text http://www.payxxpal.com/",
            "text http://www.paypal.com/",
            "html:href https://evil.example/ | www.paypal.com"
        ]
    );
}
