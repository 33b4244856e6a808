//! Policy text: what is refused has a known code, a place and visible words; what is read prints back to the same
//! policy; a layer that is not the operator's widens nothing; a host has one spelling.
#![no_main]

use libfuzzer_sys::fuzz_target;
use policy::read::{Diagnostic, Source, blueprint, explain_code, read};
use policy::{CanonicalPath, Host, Place, Policy, Target, diff, run_tests};

fn check(error: &Diagnostic) {
    assert!(explain_code(&error.code).is_some(), "{error:?}");
    let hint = error.hint.as_deref().expect("a hint");
    assert!(error.message.len() < 2000 && hint.len() < 2000, "{error:?}");
    let shown = |text: &str| text.chars().all(|character| !character.is_control() && character != '\u{202e}');
    assert!(shown(&error.message) && shown(hint), "{error:?}");
}

fn hosts(text: &str) {
    if let Ok(host) = Host::parse(text) {
        assert_eq!(Host::parse(&host.to_string()), Ok(host));
    }
    if let Ok(target) = Target::parse(text) {
        assert_eq!(Target::parse(&target.to_string()), Ok(target.clone()));
        assert!(target.covers(&target));
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut source = match Source::from_bytes("test", bytes, true) {
        Ok(source) => source,
        Err(error) => return check(&error),
    };
    hosts(source.text.lines().next().unwrap_or(""));
    let itself = source.clone();
    let mut resolve = |name: &str| if name == "test" { Some(itself.clone()) } else { blueprint(name) };
    match read(&source, Some("/home/u"), &mut resolve) {
        Err(error) => check(&error),
        Ok(policy) => {
            let text = policy.to_yaml();
            let printed = Source { name: "printed".into(), text: text.clone(), widens: true };
            let back = read(&printed, None, &mut |_| None).unwrap_or_else(|error| panic!("{error}\n{text}"));
            assert_eq!(back, policy, "{text}");
            let path = |text: &str| CanonicalPath::parse(text).expect("a path");
            let (workspace, home) = (path("/w"), path("/home/u"));
            let place = Place { workspace: &workspace, home: &home, mode: policy.files.workspace };
            assert_eq!(run_tests(&policy, &place).len(), policy.tests.len());
        }
    }
    source.widens = false;
    if !source.text.contains("extends")
        && let Ok(policy) = read(&source, Some("/home/u"), &mut resolve)
    {
        assert!(diff(&Policy::default(), &policy).iter().all(|change| !change.widens), "{policy:?}");
    }
});
