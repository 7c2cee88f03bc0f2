//! Signs in addresses.

use super::{MAIL, Mail, told};

#[test]
fn addresses_that_hide_where_they_lead_are_told() {
    for (page, expected) in [
        ("<a href='http://8.8.8.8/x'>x</a>", "LINK_IP: 8.8.8.8"),
        ("<a href='http://[2a00:1450::1]/x'>x</a>", "LINK_IP: 2a00:1450::1"),
        ("<form action='http://8.8.8.8:8080/x'>", "LINK_IP: 8.8.8.8"),
        ("see http://8.8.8.8/x there", "LINK_IP: 8.8.8.8"),
        ("<a href='http://134744072/x'>x</a>", "LINK_IP_DISGUISED: 8.8.8.8"),
        ("<a href='http://0x8.0x8.0x8.0x8/x'>x</a>", "LINK_IP_DISGUISED: 8.8.8.8"),
        ("<a href='http://010.8.8.8/x'>x</a>", "LINK_IP_DISGUISED: 8.8.8.8"),
        ("<a href='http://user@8.2056/x'>x</a>", "LINK_IP_DISGUISED: 8.0.8.8"),
        ("<a href='http://%38.8.8.8/x'>x</a>", "LINK_IP_DISGUISED: 8.8.8.8"),
        ("<a href='http://www.bank.com@evil.net/x'>x</a>", "LINK_USERINFO: bank.com leads to evil.net"),
        ("<a href='https://bank.com:443@evil.net/x'>x</a>", "LINK_USERINFO: bank.com leads to evil.net"),
        ("<a href='https://bank.com%2flogin@evil.net/x'>x</a>", "LINK_USERINFO: bank.com leads to evil.net"),
        (
            "<a href='http://gооgle-maps.com/'>x</a>",
            "LINK_IDN_MIXED: gооgle-maps.com (xn--ggle-maps-02ha.com)",
        ),
        ("<a href='http://сарсоре.com/'>x</a>", "LINK_IDN_DISGUISED: xn--80ak0ahbcc.com reads as capcope"),
        ("<a href='https://bit.ly/x'>x</a>", "LINK_SHORTENER: bit.ly"),
        ("<a href='https://any-name.web.app/x'>x</a>", "LINK_FREE_HOST: any-name.web.app"),
        ("<a href='https://any-name.weebly.com/x'>x</a>", "LINK_FREE_HOST: any-name.weebly.com"),
        ("<a href='https://sites.google.com/view/x'>x</a>", "LINK_FREE_HOST: sites.google.com"),
    ] {
        assert_eq!(told(page), [expected], "{page}");
    }
}

#[test]
fn ordinary_addresses_are_spared() {
    for page in [
        // Devices in the house.
        "<a href='http://192.168.1.1/status'>x</a>",
        "<a href='http://192.168.001.010/status'>x</a>",
        "<a href='http://[fe80::1]/'>x</a>",
        "<a href='http://127.0.0.1:8080/'>x</a>",
        "<img src='http://8.8.8.8/x.png'>",
        // Versions.
        "Release 8.8.8.8 is out",
        "<a href='https://user@example.com/x'>x</a>",
        "<a href='https://bank.com@www.bank.com/x'>x</a>",
        "<a href='https://medium.com/@example.com'>x</a>",
        "<a href='https://example.com/?a=b@example.org'>x</a>",
        "<a href='https://first.last@example.com/'>x</a>",
        // Names as people in other countries write them.
        "<a href='https://müller.de/'>x</a>",
        "<a href='https://bücher.example.com/'>x</a>",
        "<a href='https://例え.jp/'>x</a>",
        "<a href='https://ソニーstore.jp/'>x</a>",
        "<a href='https://пример.рф/'>x</a>",
        "<a href='https://сарсоре.рф/'>x</a>",
        "<a href='https://сарсоре.ru/'>x</a>",
        "<a href='https://παράδειγμα.gr/'>x</a>",
        "<a href='https://læge.dk/'>x</a>",
        "<a href='https://i❤.ws/'>x</a>",
        "<a href='https://www.facebook.com/x'>x</a>",
        "<a href='https://docs.google.com/x'>x</a>",
        "<a href='https://lnkd.in/x'>x</a>",
    ] {
        assert_eq!(told(page), Vec::<String>::new(), "{page}");
    }
    let own = Mail { author: "mail.our-page.github.io", ..MAIL };
    assert_eq!(own.told("<a href='https://our-page.github.io/x'>x</a>"), Vec::<String>::new());
}
