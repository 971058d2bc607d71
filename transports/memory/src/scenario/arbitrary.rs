//! Scenarios from the bytes of a fuzzer.

use std::time::Duration;

use arbitrary::{Result, Unstructured};

use super::Scenario;
use super::swarm::{Choices, draw};

struct Bytes<'a, 'b>(&'a mut Unstructured<'b>);

impl Choices for Bytes<'_, '_> {
    /// Zero once the bytes are used up, so that short inputs give short scenarios.
    fn below(&mut self, limit: u64) -> u64 {
        if limit == 0 { 0 } else { self.0.int_in_range(0..=limit - 1).unwrap_or(0) }
    }
}

impl Scenario {
    /// A scenario for these hosts as the bytes decide, of at most `most` lines.
    ///
    /// # Errors
    /// None at present; the type is what `arbitrary` has.
    pub fn from_bytes(bytes: &mut Unstructured<'_>, span: Duration, hosts: &[&str], most: usize) -> Result<Self> {
        let mut choices = Bytes(bytes);
        let seed = choices.below(u64::MAX);
        let lines = draw(&mut choices, span, hosts, most);
        Ok(Self { span, lines, ..Self::new(seed) })
    }
}
