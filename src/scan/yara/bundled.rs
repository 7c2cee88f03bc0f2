//! The rules that come with mailward, compiled into the binary.

use std::sync::Arc;

use super::source::Source;

/// Name and text of each file in `rules/`. A test holds this table to the folder.
const FILES: &[(&str, &str)] = &[
    ("archive_password.yar", include_str!("../../../rules/archive_password.yar")),
    ("commands.yar", include_str!("../../../rules/commands.yar")),
    ("files.yar", include_str!("../../../rules/files.yar")),
    ("html.yar", include_str!("../../../rules/html.yar")),
    ("office.yar", include_str!("../../../rules/office.yar")),
    ("scripts.yar", include_str!("../../../rules/scripts.yar")),
    ("test_strings.yar", include_str!("../../../rules/test_strings.yar")),
];

/// The bundled rule files, under the names `bundled/…`.
pub(super) fn sources() -> Vec<Arc<Source>> {
    FILES.iter().map(|(name, text)| Arc::new(Source::bundled(name, text))).collect()
}

/// The names of the bundled rules: the symbols of their findings.
pub fn bundled_names() -> impl Iterator<Item = &'static str> {
    let lines = FILES.iter().flat_map(|(_, text)| text.lines());
    lines.filter_map(|line| line.strip_prefix("rule ")?.split([' ', ':', '{']).next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_file_of_the_repository_is_in_the_binary() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/rules");
        let mut on_disk: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".yar"))
            .collect();
        on_disk.sort();
        let in_binary: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
        assert_eq!(on_disk, in_binary);
    }
}
