//! What `[notify.NAME]` says.

use super::Checks;
use crate::config::Config;

impl Checks<'_, '_> {
    pub(super) fn notify(&mut self, config: &Config) {
        for (key, _) in
            self.table.get("notify").and_then(|notify| notify.get_ref().as_table()).into_iter().flatten()
        {
            let name = key.get_ref();
            let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
            if name.is_empty() || name.len() > 40 || !name.bytes().all(good) {
                self.problems
                    .error(Some(key.span()), format!("a section of [notify] cannot be called {name:?}"))
                    .help("rules and commands name it: a-z, 0-9, - and _, at most 40 of them");
            }
        }
        for (name, section) in config.notify.iter().filter(|(_, section)| section.enabled) {
            for remark in section.remarks() {
                let path = format!("notify.{name}.{}", remark.key);
                if self.is_lost(&path) {
                    continue;
                }
                let place = self.place(&path).or_else(|| self.key(&format!("notify.{name}")));
                let message = format!("`{}` in [notify.{name}] {}", remark.key, remark.what);
                let problem = match remark.is_error {
                    true => self.problems.error(place, message),
                    false => self.problems.warning(place, message),
                };
                problem.help(remark.help);
            }
        }
    }
}
