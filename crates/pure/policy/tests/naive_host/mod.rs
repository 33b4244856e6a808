//! A second reading of hosts, by characters and without the standard library's address parsers.

/// A host as the naive matcher sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    /// A lower-case name without trailing dot.
    Name(String),
    /// An address as a text of 32 or 128 `0` and `1`; a v4 address mapped into v6 has 32.
    Bits(String),
}

/// What a text means; none when it is no host.
pub(crate) fn see(text: &str) -> Option<Seen> {
    if text.starts_with('[') {
        return v6(text.strip_prefix('[')?.strip_suffix(']')?).map(unmap);
    }
    if text.contains(':') {
        return v6(text).map(unmap);
    }
    if let Some(bits) = v4(text) {
        return Some(Seen::Bits(bits));
    }
    let name = text.strip_suffix('.').unwrap_or(text).to_lowercase();
    let label = |label: &str| {
        let all = label.chars().all(|letter| "abcdefghijklmnopqrstuvwxyz0123456789-_".contains(letter));
        all && (1..64).contains(&label.len()) && label.trim_matches('-') == label
    };
    let last = name.rsplit('.').next()?;
    let digits = |text: &str, of: &str| text.chars().all(|letter| of.contains(letter));
    let number =
        digits(last, "0123456789") || last.strip_prefix("0x").is_some_and(|rest| digits(rest, "0123456789abcdef"));
    (name.len() < 254 && text.is_ascii() && name.split('.').all(label) && !number).then_some(Seen::Name(name))
}

fn v4(text: &str) -> Option<String> {
    let parts: Vec<&str> = text.split('.').collect();
    if parts.len() != 4 {
        return None;
    }
    let mut bits = String::new();
    for part in parts {
        let plain = part == "0" || (!part.starts_with('0') && (1..4).contains(&part.len()));
        let value: u32 =
            if plain && part.chars().all(|digit| digit.is_ascii_digit()) { part.parse().ok()? } else { return None };
        if value > 255 {
            return None;
        }
        bits += &format!("{value:08b}");
    }
    Some(bits)
}

fn v6(text: &str) -> Option<String> {
    let sides: Vec<&str> = text.split("::").collect();
    let groups = |side: &str, last: bool| -> Option<String> {
        if side.is_empty() {
            return Some(String::new());
        }
        let parts: Vec<&str> = side.split(':').collect();
        let mut bits = String::new();
        for (position, part) in parts.iter().enumerate() {
            if last && position + 1 == parts.len() && part.contains('.') {
                bits += &v4(part)?;
                continue;
            }
            if !(1..5).contains(&part.len()) || !part.chars().all(|digit| digit.is_ascii_hexdigit()) {
                return None;
            }
            bits += &format!("{:016b}", u32::from_str_radix(part, 16).ok()?);
        }
        Some(bits)
    };
    match sides.as_slice() {
        [whole] => groups(whole, true).filter(|bits| bits.len() == 128),
        [left, right] => {
            let (left, right) = (groups(left, false)?, groups(right, true)?);
            let gap = 128usize.checked_sub(left.len() + right.len()).filter(|&gap| gap >= 16)?;
            Some(left + &"0".repeat(gap) + &right)
        }
        _ => None,
    }
}

fn unmap(bits: String) -> Seen {
    let mapped = "0".repeat(80) + &"1".repeat(16);
    match bits.strip_prefix(&mapped) {
        Some(v4) => Seen::Bits(v4.into()),
        None => Seen::Bits(bits),
    }
}
