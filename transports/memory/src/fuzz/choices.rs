//! Decisions from bytes.

/// A source of decisions: a fuzzer's bytes, one after the other. When they are used up, every decision is the first one there is.
#[derive(Clone, Debug)]
pub struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    /// Decides by these bytes.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// True once all bytes are used up.
    #[must_use]
    pub const fn are_over(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte, or 0.
    pub fn byte(&mut self) -> u8 {
        self.0.split_off_first().copied().unwrap_or(0)
    }

    /// One of the numbers below `count`, or 0 if there is none. It takes one byte up to 256, and two for more, of which a choice among more than
    /// 65,536 never reaches the rest.
    pub fn below(&mut self, count: usize) -> usize {
        let number = if count > 256 { u16::from_le_bytes([self.byte(), self.byte()]) } else { self.byte().into() };
        usize::from(number).checked_rem(count).unwrap_or(0)
    }

    /// One of these.
    pub fn of<'b, T>(&mut self, choices: &'b [T]) -> Option<&'b T> {
        if choices.is_empty() { None } else { choices.get(self.below(choices.len())) }
    }

    /// The next bytes, at most `count`.
    pub fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_decide_until_they_are_used_up() {
        let mut choices = Choices::new(&[7, 3, 1, 9, 8, 7]);
        assert_eq!((choices.byte(), choices.below(2)), (7, 1));
        // 1 + 9 * 256
        assert_eq!(choices.below(1_000), 305);
        assert_eq!((choices.take(1), choices.of(&["a", "b"])), (&[8][..], Some(&"b")));
        assert!(choices.are_over());
        assert_eq!((choices.byte(), choices.below(5), choices.below(0), choices.of::<u8>(&[])), (0, 0, 0, None));
        assert_eq!(choices.take(3), [0; 0]);
    }
}
