//! Policies of another language: what is refused has a known code and visible words; what is read denies by default,
//! prints to text that reads back to the same policy, and is told of in visible words.
#![no_main]

use libfuzzer_sys::fuzz_target;
use policy::Default;
use policy::import::{import, is_foreign, lines};
use policy::read::{Source, explain_code, read};

fn shown(text: &str) {
    let plain = |letter: char| !letter.is_control() && letter != '\u{202e}';
    assert!(text.len() < 4000 && text.chars().all(plain), "{text:?}");
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(source) = Source::from_bytes("dir/test.yaml", bytes, true) else { return };
    let _ = is_foreign(&source.text);
    let found = match import(&source, None) {
        Ok(found) => found,
        Err(error) => {
            assert!(explain_code(&error.code).is_some() && error.hint.is_some(), "{error:?}");
            return shown(&error.message);
        }
    };
    assert_eq!(found.policy.network.default, Default::Deny);
    let text = found.policy.to_yaml();
    let printed = Source { name: "printed".into(), text: text.clone(), widens: true };
    let back = read(&printed, None, &mut |_| None).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(back, found.policy, "{text}");
    lines(&found.notes).iter().for_each(|line| shown(line));
});
