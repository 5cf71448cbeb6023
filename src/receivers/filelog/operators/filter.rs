//! The `filter` operator: drops the entries for which an expression is true.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;

use crate::config::Issues;
use crate::expr::Program;

use super::super::entry::Entry;
use super::expression::condition;
use super::{Decoded, Emitter, Operator, OperatorType, Problem, Section, Verdict, operator_config};

pub static TYPE: OperatorType = OperatorType { name: "filter", decode };

operator_config! {
    /// Keys of the `filter` operator.
    pub struct Config {
        expr: String = String::new(),
        /// The part of the matching entries that is dropped, in steps of a thousandth.
        drop_ratio: f64 = 1.0,
    }
}

struct Filter {
    program: Arc<Program>,
    /// Of a thousand.
    ratio: u64,
    random: u64,
    /// Whether an expression that fails was told of already.
    failed: bool,
}

impl Filter {
    /// xorshift64*: good enough to draw lots.
    fn draw(&mut self) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) % 1000
    }
}

impl Operator for Filter {
    fn process(&mut self, entry: &mut Entry, _: &mut Emitter<'_>) -> Result<Verdict, Problem> {
        match self.program.test(entry) {
            Ok(true) if self.ratio >= 1000 || self.draw() < self.ratio => Ok(Verdict::Drop),
            Ok(_) => Ok(Verdict::Pass),
            // As upstream has it: what cannot be judged is dropped. It is counted with the others.
            Err(error) => {
                if !std::mem::replace(&mut self.failed, true) {
                    log::error!(
                        "filter \"{}\" drops entries that it fails for (they are counted, not logged): {error}",
                        self.program.source()
                    );
                }
                Ok(Verdict::Drop)
            }
        }
    }
}

fn decode(section: &Section<'_>, issues: &mut Issues<'_>) -> Option<Decoded> {
    let config: Config = section.node.decode(section.path, issues)?;
    if config.expr.is_empty() {
        issues.error(section.path, "missing required parameter \"expr\": say what to drop");
        return None;
    }
    let program = condition(&config.expr, &format!("{}::expr", section.path), issues)?;
    if !(0.0..=1.0).contains(&config.drop_ratio) {
        issues.error(&format!("{}::drop_ratio", section.path), "drop_ratio must be from 0 to 1");
        return None;
    }
    let ratio = (config.drop_ratio * 1000.0).round() as u64;
    Some(Decoded::new(move || {
        let random = RandomState::new().hash_one(0) | 1;
        Box::new(Filter { program: Arc::clone(&program), ratio, random, failed: false })
    }))
}
