//! `--limit` on the command line.

/// How many rows: 1 to `MOST`, which is what the daemon gives in one answer.
pub(super) fn up_to<const MOST: usize>(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(0) => Err("0 rows would show nothing; give at least 1".to_owned()),
        Ok(n) if n > MOST => {
            Err(format!("at most {MOST} rows are given at once; go on with --before and the last id"))
        }
        Ok(n) => Ok(n),
        Err(_) => Err(format!("{text:?} is no number of rows; give 1 to {MOST}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_neither_nothing_nor_everything() {
        assert_eq!((up_to::<1000>("1"), up_to::<1000>("1000")), (Ok(1), Ok(1000)));
        for bad in ["0", "1001", "-1", "many", "", "99999999999999999999"] {
            assert!(up_to::<1000>(bad).is_err(), "{bad}");
        }
    }
}
