//! Which letter or digit of ASCII a character looks like, so that one put in its place hides nothing.
//!
//! Accents are left out for the same reason. It knows what a keyboard and the usual generators of odd letters give; of the
//! 6,000 characters that Unicode lists as confusable, most are not here.

/// The small letter or digit that the character looks like.
pub(crate) fn lookalike(letter: char) -> Option<u8> {
    let code = u32::from(letter);
    let (from, table) = match code {
        0x00c0..=0x024f => (0xc0, LATIN),
        0x0370..=0x052f => (0x370, GREEK),
        0x1e00..=0x1eff => (0x1e00, MORE),
        0x2100..=0x213f => (0x2100, SIGNS),
        _ => return drawn(code),
    };
    table.get((code - from) as usize).copied().filter(|plain| *plain != b'.')
}

/// Letters and digits that were drawn anew: wide, bold, in circles and boxes, above and below the line.
fn drawn(code: u32) -> Option<u8> {
    let letter = |from: u32| Some(b'a' + ((code - from) % 26) as u8);
    let digit = |from: u32| Some(b'0' + ((code - from) % 10) as u8);
    match code {
        0x00b2 | 0x00b3 => digit(0xb0),
        0x00b9 => Some(b'1'),
        0x0251 => Some(b'a'),
        0x0261 => Some(b'g'),
        0x0269 | 0x026a => Some(b'i'),
        0x2070 | 0x2074..=0x2079 => digit(0x2070),
        0x2080..=0x2089 => digit(0x2080),
        0x2460..=0x2468 => digit(0x245f),
        0x249c..=0x24e9 => letter(0x249c),
        0xff10..=0xff19 => digit(0xff10),
        0xff21..=0xff3a => letter(0xff21),
        0xff41..=0xff5a => letter(0xff41),
        0x1d400..=0x1d6a3 => letter(0x1d400),
        0x1d7ce..=0x1d7ff => digit(0x1d7ce),
        0x1f110..=0x1f129 => letter(0x1f110),
        0x1f130..=0x1f149 => letter(0x1f130),
        0x1f150..=0x1f169 => letter(0x1f150),
        0x1f170..=0x1f189 => letter(0x1f170),
        0x1f1e6..=0x1f1ff => letter(0x1f1e6),
        _ => None,
    }
}

/// From U+00C0: letters with accents, and what was made from a letter.
const LATIN: &[u8] = b"\
    aaaaaa.ceeeeiiii.nooooo.ouuuuy..aaaaaa.ceeeeiiii.nooooo.ouuuuy.y\
    aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiiiiijjkk.lllllll\
    lllnnnnnn.nnoooooo..rrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs\
    bbbbbb.cc.ddd...effg...ikkl..nn.oo..pp.....ttttuu.vyyzz.........\
    ....dddlllnnnaaiioouuuuuuuuuu.aaaa..ggggkkoooo..jdddgg..nnaa..oo\
    aaaaeeeeiiiioooorrrruuuusstt..hhn...zzaaeeooooooooyy.......ccl..\
    ...b..eejjqqrryy";
/// From U+0370: Greek and Cyrillic letters that look like one, small or large; both cases of a letter are one.
const GREEK: &[u8] = b"\
    ...............j......a.ehi.o.y.iab..ezh.ik.mn.o.p..ty.x..iyaehi\
    yab..ezh.ik.mn.o.p..ty.x..iyoy..b.yyy...........................\
    kpcj.e...c......ee...siij...k.y.a.b..e....k.mho.pcty.x..........\
    a.b..e....k.mho.pcty.x..........ee...siij...k.y.................\
    ....vvvv......................................................yy\
    ..........hh....l..............laaaa..ee..............oo......yy\
    yyyy............dd........................qqww..................";
/// From U+1E00: Latin letters with more accents.
const MORE: &[u8] = b"\
    aabbbbbbccddddddddddeeeeeeeeeeffgghhhhhhhhhhiiiikkkkkkllllllllmm\
    mmmmnnnnnnnnoooooooopppprrrrrrrrssssssssssttttttttuuuuuuuuuuvvvv\
    wwwwwwwwwwxxxxyyzzzzzzhtwyas....aaaaaaaaaaaaaaaaaaaaaaaaeeeeeeee\
    eeeeeeeeiiiioooooooooooooooooooooooouuuuuuuuuuuuuuyyyyyyyy......";
/// From U+2100: letters that became signs, which the bold ones leave out.
const SIGNS: &[u8] = b"\
    ..c....e..ghhhhhiill.n...pqrrr......z...z.kabc.eef.mo....i......";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_letter_is_one() {
        for (text, plain) in [
            ("\u{430}\u{441}\u{435}\u{41d}", "aceh"),
            ("\u{391}\u{3bf}\u{3c1}\u{39d}", "aopn"),
            ("\u{e9}\u{c5}\u{17e}\u{142}\u{1ea1}", "eazla"),
            ("\u{ff21}\u{ff5a}\u{ff17}", "az7"),
            ("\u{1d400}\u{1d4b9}\u{210e}\u{212a}\u{1d7d8}\u{1d7ff}", "adhk09"),
            ("\u{24b6}\u{24e9}\u{2461}\u{1f1fa}\u{1f130}", "az2ua"),
            ("\u{b2}\u{2074}\u{2081}", "241"),
        ] {
            let read: String = text.chars().map(|letter| lookalike(letter).map_or('.', char::from)).collect();
            assert_eq!(read, plain, "{text}");
        }
    }

    #[test]
    fn others_are_themselves() {
        for letter in "\u{434}\u{3c9}\u{df}\u{52f}\u{1eff}\u{79d8}\u{ac00}\u{200b}".chars() {
            assert_eq!(lookalike(letter), None, "{letter}");
        }
    }
}
