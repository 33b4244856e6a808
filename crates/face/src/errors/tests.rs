use super::*;

fn every() -> Vec<Error> {
    let cause = || std::io::Error::from_raw_os_error(13);
    vec![
        Error::NoPlane { cause: "not found".into() },
        Error::UnknownTopic { topic: "'x' ".repeat(60) },
        Error::PlaneLost { how: "signal 9".into(), started: false },
        Error::Language,
        Error::Unsayable,
        Error::NotText { path: "'\\xff'".into(), above: "'/a'".into() },
        Error::Usage { cause: "no such verb".into(), hint: "`bastide --help` lists the verbs".into(), run: false },
        Error::Value { cause: "it is not UTF-8" },
        Error::Interrupted { signal: 2 },
        Error::Answer { cause: cause() },
        Error::TwoMeanings { word: "'2026'".into() },
        Error::Secret { name: "API_KEY".into(), enters: false },
        Error::Secret { name: "API_KEY".into(), enters: true },
        Error::Secrets { count: 2 },
        Error::Workspace { path: "'/'".into(), what: "it is the root of everything" },
        Error::Outcome { path: "'/x'".into(), cause: cause() },
        Error::File { option: "--key", path: "'/x'".into(), done: "read", cause: cause() },
        Error::NoTerminal,
        Error::Busy,
        Error::Host { what: "read the current directory", cause: cause() },
    ]
}

#[test]
fn every_code_is_explained_and_fits() {
    for error in every() {
        assert!(explain(error.code()).is_some_and(|text| text.lines().all(|line| line.chars().count() <= WIDTH)));
        assert!(error.render(false).lines().all(|line| line.chars().count() <= WIDTH));
        assert!(error.render(false).contains("\nhint: "));
        assert!(!error.render(false).contains('\x1b') && error.render(true).contains('\x1b'));
    }
}

#[test]
fn every_explanation_is_of_a_code_that_occurs() {
    let codes: Vec<String> = every().iter().map(|error| error.code().to_owned()).collect();
    for (code, text) in codes::CODES {
        assert!(codes.iter().any(|known| known == code) && text.starts_with(code), "{code}");
    }
}

#[test]
fn the_planes_words_obey_nothing() {
    let problem = Problem { code: "E-X".into(), cause: "a\x1b[2Jb".into(), hint: Some("c\x07d\ne".into()), exit: 1 };
    let shown = Error::Plane(Box::new(problem)).render(false);
    assert_eq!(shown, "error[E-X]: a\\u{1b}[2Jb\nhint: c\\u{7}d\ne\n");
}
