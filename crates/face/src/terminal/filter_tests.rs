use super::*;
use proptest::prelude::*;

fn run(chunks: &[&[u8]]) -> Vec<u8> {
    let (mut filter, mut out) = (Filter::new(), Vec::new());
    for chunk in chunks {
        filter.push(chunk, &mut out);
        assert!(filter.held() <= LIMIT + 4);
    }
    filter.finish(&mut out);
    out
}

/// Cuts at every position, and once into single bytes; surrounded by text that must survive.
fn at_every_split(sequence: &[u8], expected: &[u8]) {
    let input = [b"a\xc3\xa9", sequence, "é\nz".as_bytes()].concat();
    let expected = [b"a\xc3\xa9", expected, "é\nz".as_bytes()].concat();
    for first in 0..=input.len() {
        for second in first..=input.len() {
            let found = run(&[&input[..first], &input[first..second], &input[second..]]);
            assert_eq!(found, expected, "{:?} cut at {first} and {second}", sequence.escape_ascii().to_string());
        }
    }
    assert_eq!(run(&input.chunks(1).collect::<Vec<_>>()), expected);
}

const DROPPED: &[&[u8]] = &[
    b"\x1b]52;c;aGVsbG8=\x07",
    b"\x1b]52;c;?\x1b\\",
    b"\x1b]052;;x\x07",
    b"\x9d52;c;x\x07",
    b"\xc2\x9d52;c;x\xc2\x9c",
    b"\x1b]52;c;x\x9c",
    b"\x1b]5522;type=read\x1b\\",
    b"\x1b]1337;Copy=:x\x07",
    b"\x1b]1337;ReportCellSize\x07",
    b"\x1b[c",
    b"\x1b[0c",
    b"\x1b[>c",
    b"\x1b[>0c",
    b"\x1b[=c",
    b"\x1bZ",
    b"\x9a",
    b"\xc2\x9a",
    b"\x9bc",
    b"\xc2\x9bc",
    b"\x1b[5n",
    b"\x1b[6n",
    b"\x1b[?6n",
    b"\x1b[?996n",
    b"\xc2\x9b6n",
    b"\x1b[\x056n",
    b"\x1bP$qm\x1b\\",
    b"\x1bP+q544e\x1b\\",
    b"\x1bP@kitty-cmd{}\x1b\\",
    b"\x90$qm\x9c",
    b"\x1b[?2026$p",
    b"\x1b[4$p",
    b"\x1b[>q",
    b"\x1b[>0q",
    b"\x05",
    b"\x1b]4;1;?\x07",
    b"\x1b]10;?\x07",
    b"\x1b]11;?\x1b\\",
    b"\x1b]12;?\x07",
    b"\x1b]010;?\x07",
    b"\x1b]10;red;?\x07",
    b"\x1b]21;foreground=?\x1b\\",
    b"\x1b]11;red\xc2\x9c",
    b"\x1b[11t",
    b"\x1b[14t",
    b"\x1b[18t",
    b"\x1b[19t",
    b"\x1b[20t",
    b"\x1b[21t",
    b"\x1b[22;21t",
    b"\x1b[021t",
    b"\x1b_Gi=31,a=q;AAAA\x1b\\",
    b"\x1b^secret\x1b\\",
    b"\x1bXstring\x1b\\",
    b"\xc2\x9fG\xc2\x9c",
    b"\x9ep\x9c",
    b"\x98s\x9c",
    b"\x1b[?u",
    b"\x1b[1;1;1;1;5;5*y",
    b"\x1b[x",
    b"\x1b[1$w",
    b"\x1b[?1;1S",
    b"\x1b[?4m",
    b"\x1b[#|",
    b"\x1b%@",
    b"\x1b[?2l",
    b"\x1b[6?n",
    b"\x1b[1\x7f8t",
    b"\x1b[i",
    b"\x1b[5i",
    b"\x1b[?5i",
    b"\x1b[?2048h",
    b"\x1bG",
    b"\x1b[>10;20t",
    b"\x1b[2h",
    b"\x1b[4;2h",
    b"\x1b[12l",
    b"\x1b[?38h",
    b"\x1b[?9001h",
    b"\x1b[12;1]",
    b"\x1b[?25;2031h",
    b"\x1b[?5522;1h",
    b"\x1b[?02048h",
    b"\x1b[?4294969344h",
    b"\x1b[?67584h",
    b"\x1b[?2048r",
    b"\x1b[?65538l",
    b"\x1b]R",
    b"\x1b]P1ff00ff",
    b"\x1b]3;WM_CLASS=x\x07",
    b"\x1b]5;0;red\x07",
    b"\x1b]6;file:///etc\x07",
    b"\x1b]7;file:///etc\x1b\\",
    b"\x1b]9;hello\x07",
    b"\x1b]9;44\x07",
    b"\x1b]9;6;calc\x07",
    b"\x1b]46;/root/log\x07",
    b"\x1b]50;fixed\x07",
    b"\x1b]66;s=2;x\x07",
    b"\x1b]99;;hello\x1b\\",
    b"\x1b]104;?\x07",
    b"\x1b]133;A;click_events=1\x07",
    b"\x1b]633;E;rm\x07",
    b"\x1b]777;notify;a;b\x07",
    b"\x1b]1337;SetMark\x07",
    b"\x1b]l\x1b\\",
    b"\xc2\x9d0;t\xc2\x9c",
];

const PASSED: &[&[u8]] = &[
    b"\x1b[0m",
    b"\x1b[38;5;12m",
    b"\x1b[38:2::1:2:3m",
    b"\x1b[2J",
    b"\x1b[?1049h",
    b"\x1b[4h",
    b"\x1b[20l",
    b"\x1b[>2t",
    b"\x1b[?25l",
    b"\x1b[3 q",
    b"\x1b[22;0t",
    b"\x1b[23;2t",
    b"\x1b[>1u",
    b"\x1b[<u",
    b"\x1b[>4;2m",
    b"\x1b[!p",
    b"\x1b7",
    b"\x1b(B",
    b"\x1b#8",
    b"\x1bc",
    b"\x1b]0;what? \xe2\x9c\x9c\x07",
    b"\x1b]2;t\x1b\\",
    b"\x1b]8;;http://h/?q=1\x1b\\",
    b"\x1b]11;#000000\x07",
    b"\x1b]104\x07",
    b"\x1b]133;A\x07",
    b"\xc2\x9b1m",
    b"\x9b1m",
    b"\xc2\x9d0;t\x07",
    b"\xc2\x85",
    b"\x1b]4;1;rgb:ff/00/00\x07",
    b"\x1b]9;4;1;50\x07",
    b"\x1b]9;4\x1b\\",
    b"\x1b]104;1;2\x07",
    b"\x1b]110\x07",
    b"\x1b]133;D;0\x07",
    b"\x1b[?2048;2031;5522l",
    b"\x1b[?1000;1006h",
    b"\x1b%G",
    b"\r\n\t\x08\x07\x0e\x0f\x7f",
    "日本 🦀 \u{202e} ✜ 䛛c".as_bytes(),
    b"\xff\xfe",
    b"\x1b[?2004h",
];

#[test]
fn what_makes_a_terminal_answer_or_act_is_dropped_at_every_split() {
    DROPPED.iter().for_each(|sequence| at_every_split(sequence, b""));
}

#[test]
fn the_rest_passes_byte_exact_at_every_split() {
    PASSED.iter().for_each(|sequence| at_every_split(sequence, sequence));
}

#[test]
fn an_aborted_sequence_leaves_nothing_behind() {
    at_every_split(b"\x1b[6\x18n", b"\x18n");
    at_every_split(b"\x1b]52;c\x1b[6n", b"");
    at_every_split(b"\x1b]52;c\x1b[1m", b"\x1b[1m");
    at_every_split(b"\x1b\x1b[6n", b"");
    // Nothing of a pass-through is left but a string end without a string.
    at_every_split(b"\x1bPtmux;\x1b\x1b[c\x1b\\", b"\x1b\\");
    at_every_split(b"\x1b[1\nm", b"\n\x1b[1m");
}

#[test]
fn broken_characters_do_not_hide_controls() {
    at_every_split(b"\xe4\x9bc", b"\xe4");
    at_every_split(b"\xe0\x82\x9bc", b"\xe0");
    at_every_split(b"\xe4\xc2\x9b6n", b"\xe4");
    // What is dropped in between must not let a lone control complete the character.
    at_every_split(b"\xe4\x1b\x9c", b"\xe4");
    at_every_split(b"\xe4\x1b[c\x9c", b"\xe4");
}

#[test]
fn long_sequences_are_dropped_in_bounded_memory() {
    let long = vec![b'1'; 10 * LIMIT];
    for (start, end) in [(&b"\x1b]0;"[..], &b"\x07"[..]), (b"\x1b[", b"m"), (b"\x1b(", b"B"), (b"\x1bP", b"\x1b\\")] {
        let found = run(&[start, &long, end, b"after"]);
        assert!(found.ends_with(b"after") && found.len() < 11 * LIMIT);
    }
}

#[test]
fn nothing_unfinished_is_emitted_at_the_end() {
    assert_eq!(run(&[b"x\x1b[6"]), b"x");
    assert_eq!(run(&[b"x\x1b]52;c;"]), b"x");
    assert_eq!(run(&[b"x\xe2\x82"]), b"x\xe2");
}

fn chunked(bytes: &[u8], cuts: &[usize]) -> Vec<u8> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    run(&cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect::<Vec<_>>())
}

proptest! {
    #[test]
    fn text_without_escapes_passes_at_any_chunking(text in "([^\\p{Cc}]|[\n\r\t])*", cuts in prop::collection::vec(any::<usize>(), 0..8)) {
        prop_assert_eq!(chunked(text.as_bytes(), &cuts), text.as_bytes());
    }

    #[test]
    fn any_bytes_give_the_same_at_any_chunking(bytes in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"\x1b[]P\\;?52cn\x07\xc2\x9b\x9c\x9d".to_vec())], 0..200), cuts in prop::collection::vec(any::<usize>(), 0..8)) {
        prop_assert_eq!(chunked(&bytes, &cuts), run(&[&bytes]));
    }

    #[test]
    fn filtering_twice_changes_nothing(bytes in prop::collection::vec(prop::sample::select(b"\x1b[]P\\;?52cn1m\x07\x18\xc2\xe4\x9b\x9c\x9d".to_vec()), 0..80)) {
        let once = run(&[&bytes]);
        prop_assert_eq!(run(&[&once]), once);
    }
}
