//! Evaluation of loops.

use super::Failure;
use super::eval::Run;
use super::node::{Each, EachKind, Node};
use super::value::{List, Value};

impl<'v> Run<'v, '_> {
    /// `exists`, `all` and `exists_one`. Of the first two a failure does not matter if another element decides.
    pub(super) fn each_truth(&mut self, each: &'v Each) -> Result<bool, Failure> {
        let list = self.list(&each.list)?;
        let decisive = match each.kind {
            EachKind::Exists => true,
            EachKind::All => false,
            _ => {
                let mut times = 0_usize;
                for element in list.iter() {
                    times += usize::from(self.body(element, &each.body)?);
                }
                return Ok(times == 1);
            }
        };
        let mut failed = None;
        for element in list.iter() {
            match self.body(element, &each.body) {
                Ok(truth) if truth == decisive => return Ok(decisive),
                Ok(_) => {}
                Err(Failure::OutOfFuel) => return Err(Failure::OutOfFuel),
                Err(failure) => failed = failed.or(Some(failure)),
            }
        }
        failed.map_or(Ok(!decisive), Err)
    }

    pub(super) fn body(&mut self, element: Value<'v>, body: &'v Node) -> Result<bool, Failure> {
        self.fuel.burn(1)?;
        self.with(element, |run| run.truth(body))
    }

    pub(super) fn each_list(&mut self, each: &'v Each) -> Result<Value<'v>, Failure> {
        let list = self.list(&each.list)?;
        let mut out = Vec::new();
        for element in list.iter() {
            self.fuel.burn(1)?;
            if each.kind == EachKind::Filter {
                if self.body(element.clone(), &each.body)? {
                    out.push(element);
                }
                continue;
            }
            let value = self.with(element, |run| match &each.only {
                Some(only) if !run.truth(only)? => Ok(None),
                _ => run.eval(&each.body).map(Some),
            })?;
            if let Some(value) = value {
                self.charge(&value)?;
                out.push(value);
            }
        }
        Ok(Value::List(List::Own(out)))
    }
}
