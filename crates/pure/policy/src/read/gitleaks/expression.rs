//! Expressions as Go's `regexp` takes them, written for the crate `regex`: the same texts match in the same places.
//!
//! Both are of one family and need time that is linear in the text. They differ in what `\d`, `\w`, `\s` and `\b` mean (there
//! ASCII alone), in brackets within brackets, in `{` where it repeats nothing, in `\Q…\E` and in octal numbers.

use std::fmt::Write;
use std::iter::Peekable;
use std::str::CharIndices;

/// Most that one sign is repeated, there.
const MOST_REPEATED: u32 = 1000;

/// The same expression, or why it is none in one line.
pub(super) fn rewritten(text: &str) -> Result<String, String> {
    let mut writer = Writer { text, rest: text.char_indices().peekable(), out: String::with_capacity(text.len() + 32) };
    writer.all()?;
    Ok(writer.out)
}

struct Writer<'a> {
    text: &'a str,
    rest: Peekable<CharIndices<'a>>,
    out: String,
}

/// What `\d`, `\s` and `\w` mean, within brackets.
const fn perl(letter: char) -> Option<&'static str> {
    match letter {
        'd' | 'D' => Some("0-9"),
        // No vertical tab, unlike elsewhere.
        's' | 'S' => Some(r"\t\n\x0C\r\x20"),
        'w' | 'W' => Some("0-9A-Za-z_"),
        _ => None,
    }
}

impl Writer<'_> {
    fn next(&mut self) -> Option<char> {
        self.rest.next().map(|(_, letter)| letter)
    }

    fn peek(&mut self) -> Option<char> {
        self.rest.peek().map(|(_, letter)| *letter)
    }

    /// What is not read yet.
    fn ahead(&mut self) -> &str {
        self.rest.peek().map_or("", |(at, _)| &self.text[*at..])
    }

    fn skip(&mut self, letters: usize) {
        self.rest.by_ref().take(letters).for_each(drop);
    }

    fn all(&mut self) -> Result<(), String> {
        // What stands before was repeated already.
        let mut repeated = false;
        while let Some(letter) = self.next() {
            let repeats = match letter {
                '*' | '+' | '?' => Some(letter.to_string()),
                '{' => self.times()?,
                _ => None,
            };
            if let Some(how) = repeats {
                if repeated {
                    return Err(format!("`{how}` repeats what is repeated already"));
                }
                self.out += &how;
                if self.peek() == Some('?') {
                    self.skip(1);
                    self.out.push('?');
                }
                repeated = true;
                continue;
            }
            repeated = false;
            match letter {
                '\\' => self.escape()?,
                '[' => self.class()?,
                '(' => self.group()?,
                '.' | '|' | ')' | '^' | '$' => self.out.push(letter),
                other => self.literal(other),
            }
        }
        Ok(())
    }

    /// One letter that means itself, outside of brackets and within.
    fn literal(&mut self, letter: char) {
        if letter.is_alphanumeric()
            || matches!(letter, ' ' | '"' | '\'' | '_' | '<' | '>' | '=' | ':' | ',' | '/' | '@')
        {
            self.out.push(letter);
        } else {
            let _ = write!(self.out, r"\x{{{:X}}}", u32::from(letter));
        }
    }

    /// `{n}`, `{n,}` or `{n,m}`; where it is none of these the brace means itself.
    fn times(&mut self) -> Result<Option<String>, String> {
        let ahead = self.ahead();
        let Some(end) = ahead.find('}') else { return Ok(None) };
        let inner = &ahead[..end];
        let (least, most) = inner.split_once(',').map_or((inner, None), |(least, most)| (least, Some(most)));
        let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // A leading nought makes it none.
        let plain = |text: &str| number(text) && (text == "0" || !text.starts_with('0'));
        if !plain(least) || !most.is_none_or(|most| most.is_empty() || plain(most)) {
            return Ok(None);
        }
        let counts: Vec<Option<u32>> = [Some(least), most.filter(|most| !most.is_empty())]
            .into_iter()
            .flatten()
            .map(|text| text.parse().ok())
            .collect();
        let fits = counts.iter().all(|count| count.is_some_and(|count| count <= MOST_REPEATED));
        if !fits || counts.len() == 2 && counts[0] > counts[1] {
            return Err(format!("`{{{inner}}}` is no number of times, of at most {MOST_REPEATED}"));
        }
        let (said, letters) = (format!("{{{inner}}}"), inner.chars().count() + 1);
        self.skip(letters);
        Ok(Some(said))
    }

    fn group(&mut self) -> Result<(), String> {
        self.out.push('(');
        if self.peek() != Some('?') {
            return Ok(());
        }
        let ahead = self.ahead();
        let named = ahead.starts_with("?P<")
            || ahead.starts_with("?<") && !ahead.starts_with("?<=") && !ahead.starts_with("?<!");
        let end = ahead.find(if named { &['>'][..] } else { &[':', ')'][..] }).ok_or("a group does not end")?;
        let said = ahead[..=end].to_owned();
        let flags = &said[1..said.len() - 1];
        let known = |flags: &str| flags.chars().all(|flag| matches!(flag, 'i' | 'm' | 's' | 'U'));
        let fine = match flags.split_once('-') {
            _ if named => true,
            Some((on, off)) => known(on) && known(off) && !off.is_empty(),
            None => known(flags),
        };
        if !fine {
            return Err(format!(
                "`({}` is no group that takes time linear in the text",
                said.chars().take(4).collect::<String>()
            ));
        }
        self.skip(said.chars().count());
        self.out += &said;
        Ok(())
    }

    fn escape(&mut self) -> Result<(), String> {
        let letter = self.next().ok_or(r"a `\` ends it")?;
        match letter {
            'A' | 'z' => {
                let _ = write!(self.out, "\\{letter}");
            }
            'b' | 'B' => {
                let _ = write!(self.out, "(?-u:\\{letter})");
            }
            'Q' => {
                let ahead = self.ahead();
                let end = ahead.find(r"\E");
                let said = ahead[..end.unwrap_or(ahead.len())].to_owned();
                self.skip(said.chars().count() + if end.is_some() { 2 } else { 0 });
                said.chars().for_each(|letter| self.literal(letter));
            }
            'p' | 'P' => self.property(letter)?,
            _ => match perl(letter) {
                Some(class) => {
                    let not = if letter.is_ascii_uppercase() { "^" } else { "" };
                    let _ = write!(self.out, "[{not}{class}]");
                }
                None => {
                    let meant = self.meant(letter)?;
                    self.literal(meant);
                }
            },
        }
        Ok(())
    }

    /// `\pL`, `\p{Greek}`, `\p{^Greek}`.
    fn property(&mut self, letter: char) -> Result<(), String> {
        let name = match self.next() {
            Some('{') => {
                let end = self.ahead().find('}').ok_or(r"a `\p{` does not end")?;
                let name = self.ahead()[..end].to_owned();
                self.skip(name.chars().count() + 1);
                name
            }
            Some(one) => one.to_string(),
            None => return Err(r"a `\p` names nothing".into()),
        };
        let (name, turned) = name.strip_prefix('^').map_or((name.as_str(), false), |name| (name, true));
        let letter = if (letter == 'P') == turned { 'p' } else { 'P' };
        let _ = write!(self.out, "\\{letter}{{{name}}}");
        Ok(())
    }

    /// The letter that an escape means.
    fn meant(&mut self, letter: char) -> Result<char, String> {
        let octal = |letter: Option<char>| letter.and_then(|letter| letter.to_digit(8));
        Ok(match letter {
            'a' => '\x07',
            'f' => '\x0C',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\x0B',
            'x' => self.hexadecimal()?,
            '0'..='7' => {
                let mut value = octal(Some(letter)).unwrap_or(0);
                if letter != '0' && octal(self.peek()).is_none() {
                    return Err(format!("`\\{letter}` looks back at a group, which takes more than linear time"));
                }
                for _ in 0..2 {
                    let Some(digit) = octal(self.peek()) else { break };
                    self.skip(1);
                    value = value * 8 + digit;
                }
                char::from_u32(value).ok_or("an octal number is no character")?
            }
            other if other.is_ascii_punctuation() || other == ' ' => other,
            other => return Err(format!("`\\{}` means nothing", other.escape_debug())),
        })
    }

    fn hexadecimal(&mut self) -> Result<char, String> {
        let none = || r"a `\x` is no character".to_owned();
        let digits = match self.peek() {
            Some('{') => {
                self.skip(1);
                let end = self.ahead().find('}').ok_or_else(none)?;
                let digits = self.ahead()[..end].to_owned();
                self.skip(digits.chars().count() + 1);
                digits
            }
            _ => [self.next(), self.next()].into_iter().flatten().collect(),
        };
        let fits = digits.bytes().all(|byte| byte.is_ascii_hexdigit()) && (1..=8).contains(&digits.len());
        let value = fits.then(|| u32::from_str_radix(&digits, 16).ok()).flatten();
        value.and_then(char::from_u32).ok_or_else(none)
    }

    /// What stands in brackets: brackets within mean themselves, and so do `&&`, `--` and `~~`.
    fn class(&mut self) -> Result<(), String> {
        self.out.push('[');
        if self.peek() == Some('^') {
            self.skip(1);
            self.out.push('^');
        }
        let mut first = true;
        loop {
            let letter = self.next().ok_or("a `[` does not end")?;
            match letter {
                ']' if !first => break,
                '[' if self.posix() => {}
                '\\' if self.peek().is_some_and(|next| perl(next).is_some()) => {
                    let next = self.next().unwrap_or_default();
                    let class = perl(next).unwrap_or_default();
                    let _ = match next.is_ascii_uppercase() {
                        true => write!(self.out, "[^{class}]"),
                        false => write!(self.out, "{class}"),
                    };
                }
                '\\' if matches!(self.peek(), Some('p' | 'P')) => {
                    let next = self.next().unwrap_or_default();
                    self.property(next)?;
                }
                letter => self.range(letter)?,
            }
            first = false;
        }
        self.out.push(']');
        Ok(())
    }

    /// `[:alpha:]` and the like, where they are some.
    fn posix(&mut self) -> bool {
        const NAMES: [&str; 14] = [
            "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper",
            "word", "xdigit",
        ];
        let ahead = self.ahead();
        let Some(end) = ahead.strip_prefix(':').and_then(|rest| rest.find(":]")) else { return false };
        let said = ahead[..end + 3].to_owned();
        let name = &said[1..=end];
        let known = NAMES.contains(&name.strip_prefix('^').unwrap_or(name));
        if known {
            self.skip(said.chars().count());
            let _ = write!(self.out, "[{said}");
        }
        known
    }

    fn range(&mut self, letter: char) -> Result<(), String> {
        let from = self.single(letter)?;
        let ahead = self.ahead();
        if !ahead.starts_with('-') || ahead.starts_with("-]") || ahead.len() < 2 {
            self.within(from);
            return Ok(());
        }
        self.skip(1);
        let letter = self.next().ok_or("a `[` does not end")?;
        let to = self.single(letter)?;
        if to < from {
            return Err(format!("`{}-{}` goes backwards", from.escape_debug(), to.escape_debug()));
        }
        self.within(from);
        self.out.push('-');
        self.within(to);
        Ok(())
    }

    fn single(&mut self, letter: char) -> Result<char, String> {
        if letter != '\\' {
            return Ok(letter);
        }
        let letter = self.next().ok_or(r"a `\` ends it")?;
        self.meant(letter)
    }

    fn within(&mut self, letter: char) {
        if letter.is_alphanumeric() {
            self.out.push(letter);
        } else {
            let _ = write!(self.out, r"\x{{{:X}}}", u32::from(letter));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use regex_automata::meta::Regex;

    /// An expression, a text, and what it finds there first, as Go's `regexp` has it.
    #[test]
    fn what_differs_is_written_so_that_it_means_the_same() {
        let table: &[(&str, &str, Option<&str>)] = &[
            (r"\d+", "٣٤ 12", Some("12")),
            (r"\w+", "é_a", Some("_a")),
            (r"[^\w]", "é", Some("é")),
            (r"[\W_]+", "a-_b", Some("-_")),
            (r"\bkey\b", "ékeyé", Some("key")),
            (r"a\sb", "a\u{b}b", None),
            (r"a\sb", "a\u{a0}b", None),
            (r"^\$(?:\d+|{\d+})$", "${12}", Some("${12}")),
            (r"^\${(?:[A-Z_]+|[a-z_]+)}$", "${HOME}", Some("${HOME}")),
            (r"a{,3}", "aa{,3}", Some("a{,3}")),
            (r"a{2,3}?", "aaa", Some("aa")),
            (r"a{02}", "a{02}", Some("a{02}")),
            (r"[[a]", "[", Some("[")),
            (r"[a&&b]+", "&a", Some("&a")),
            (r"[%--]+", "&%+,-.", Some("&%+,-")),
            (r"[]a]+", "]a", Some("]a")),
            (r"[^]a]+", "]ab", Some("b")),
            (r"[a-]+", "-a", Some("-a")),
            (r"[\w.-/]+", "a./-", Some("a./")),
            (r"[[:alpha:][:^digit:]]+", "1a-", Some("a-")),
            (r"\Qa.b*\E+", "a.b**", Some("a.b**")),
            (r"\x60\x{1F600}\101\0", "`😀A\0", Some("`😀A\0")),
            (r"(?i)[a-z]+(?-i:k)", "ABk", Some("ABk")),
            (r"(?P<name>a)|(?<other>b)", "b", Some("b")),
            (r"(?s).(?U)a+", "\naa", Some("\na")),
            (r"a$", "a\n", None),
            (r"(?m)a$", "a\nb", Some("a")),
            (r"<a\-\_\<>", "<a-_<>", Some("<a-_<>")),
            (r"k", "K", None),
            (r"(?i)k", "\u{212a}", Some("\u{212a}")),
        ];
        for (expression, text, finds) in table {
            let written = rewritten(expression).unwrap();
            let regex = Regex::new(&written).unwrap_or_else(|error| panic!("{expression} as {written}: {error:?}"));
            let found = regex.find(*text).map(|found| &text[found.range()]);
            assert_eq!(found, *finds, "{expression} as {written} in {text:?}");
        }
    }

    #[test]
    fn what_go_does_not_take_is_refused() {
        for expression in [
            r"(a)\1", r"a\", r"[a", r"a**", r"a{2}{3}", r"a{1001}", r"a{3,2}", r"(?=a)", r"(?!a)", r"(?<=a)b",
            r"(?<!a)b", r"(?x)a", r"(?>a)", r"(?P=a)", r"\C", r"\Z", r"\y", r"[b-a]", r"\xg", r"[\b]", r"(?", r"\p",
            r"a*+",
        ] {
            assert!(rewritten(expression).is_err(), "{expression}");
        }
    }

    proptest::proptest! {
        /// Letters that mean themselves go through whole, in brackets and out of them.
        #[test]
        fn a_literal_finds_itself(text in "\\PC{1,12}") {
            let escaped: String = text
                .chars()
                .flat_map(|letter| letter.is_ascii_punctuation().then_some('\\').into_iter().chain([letter]))
                .collect();
            for expression in [format!("^{escaped}$"), format!("^[{escaped}]+$"), format!("^\\Q{}\\E$", text.replace('\\', "/"))] {
                let regex = Regex::new(&rewritten(&expression).unwrap()).unwrap();
                proptest::prop_assert!(regex.is_match(&text) || regex.is_match(&text.replace('\\', "/")), "{}", expression);
            }
        }

        #[test]
        fn any_text_is_written_or_refused(text in "[\\[\\]{}()\\\\^$.|?*+a-c0-9&~:<>=!-]{0,24}") {
            let _ = rewritten(&text);
        }
    }
}
