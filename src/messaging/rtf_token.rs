//! RTF cut into its tokens: groups, control words and symbols, text ([MSFT-RTF]).

/// Letters of a control word ([MSFT-RTF]: 32).
const MAX_WORD: usize = 32;

/// The parts that RTF is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// `{`.
    Open,
    /// `}`.
    Close,
    /// A control word and its number.
    Word(&'a [u8], Option<i32>),
    /// A control symbol.
    Symbol(u8),
    /// `\'xx`.
    Hex(u8),
    /// Bytes without any meaning of their own.
    Text(&'a [u8]),
    /// The data of `\bin`, which are no text.
    Binary,
}

/// Cuts RTF into tokens; each byte is looked at once.
pub(super) struct Tokens<'a> {
    rest: &'a [u8],
}

impl<'a> Tokens<'a> {
    pub(super) fn new(rtf: &'a [u8]) -> Self {
        Tokens { rest: rtf }
    }

    /// Takes `count` bytes off the front.
    fn advance(&mut self, count: usize) -> &'a [u8] {
        match self.rest.split_at_checked(count) {
            Some((taken, rest)) => {
                self.rest = rest;
                taken
            }
            None => std::mem::take(&mut self.rest),
        }
    }

    /// Takes the bytes off the front that `belongs` accepts, `most` at most.
    fn advance_while(&mut self, most: usize, belongs: impl Fn(u8) -> bool) -> &'a [u8] {
        let count = self.rest.iter().take(most).take_while(|&&byte| belongs(byte)).count();
        self.advance(count)
    }

    /// The control behind a backslash.
    fn control(&mut self) -> Option<Token<'a>> {
        let word = self.advance_while(MAX_WORD, |byte| byte.is_ascii_alphabetic());
        if word.is_empty() {
            let &symbol = self.advance(1).first()?;
            if symbol != b'\'' {
                return Some(Token::Symbol(symbol));
            }
            let digit = |byte: Option<&u8>| char::from(*byte?).to_digit(16).and_then(|value| u8::try_from(value).ok());
            let (Some(high), Some(low)) = (digit(self.rest.first()), digit(self.rest.get(1))) else {
                return Some(Token::Symbol(symbol));
            };
            self.advance(2);
            return Some(Token::Hex((high << 4) | low));
        }
        let number = self.number();
        if self.rest.first() == Some(&b' ') {
            self.advance(1);
        }
        if word == b"bin" {
            self.advance(usize::try_from(number.unwrap_or(0)).unwrap_or(0));
            return Some(Token::Binary);
        }
        Some(Token::Word(word, number))
    }

    /// The number of a control word.
    fn number(&mut self) -> Option<i32> {
        let negative = self.rest.first() == Some(&b'-');
        if !self.rest.get(usize::from(negative))?.is_ascii_digit() {
            return None;
        }
        self.advance(usize::from(negative));
        let digits = self.advance_while(usize::MAX, |byte| byte.is_ascii_digit());
        let value = digits.iter().fold(0_i32, |value, digit| value.saturating_mul(10).saturating_add(i32::from(digit & 0x0F)));
        Some(if negative { value.saturating_neg() } else { value })
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            return match *self.rest.first()? {
                b'{' => {
                    self.advance(1);
                    Some(Token::Open)
                }
                b'}' => {
                    self.advance(1);
                    Some(Token::Close)
                }
                b'\\' => {
                    self.advance(1);
                    self.control()
                }
                // Line ends and NULs are no text.
                b'\r' | b'\n' | 0 => {
                    self.advance(1);
                    continue;
                }
                _ => Some(Token::Text(self.advance_while(usize::MAX, |byte| !matches!(byte, b'{' | b'}' | b'\\' | b'\r' | b'\n' | 0)))),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Token::*;
    use super::*;

    #[test]
    fn tokens() {
        let got: Vec<_> = Tokens::new(b"{\\rtf1\r\n\\b0 text\\\\\\'e4\\u-12?\\bin3 {}{\\*\\x}").collect();
        assert_eq!(
            got,
            [
                Open,
                Word(b"rtf", Some(1)),
                Word(b"b", Some(0)),
                Text(b"text"),
                Symbol(b'\\'),
                Hex(0xE4),
                Word(b"u", Some(-12)),
                Text(b"?"),
                Binary,
                Symbol(b'*'),
                Word(b"x", None),
                Close
            ]
        );
        let ends: Vec<_> = Tokens::new(b"\\a- \\b99999999999\\").collect();
        assert_eq!(ends, [Word(b"a", None), Text(b"- "), Word(b"b", Some(i32::MAX))]);
    }
}
