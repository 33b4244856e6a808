use super::*;

fn allows(patterns: &[&str], path: &str) -> bool {
    taken(patterns, path, true)
}

fn taken(patterns: &[&str], path: &str, every: bool) -> bool {
    let patterns: Vec<_> = patterns.iter().map(|text| PathPattern::parse(text).expect(text)).collect();
    Request::new("GET", path).expect(path).is_taken(&about(patterns), every)
}

fn about(paths: Vec<PathPattern>) -> Rule {
    Rule { paths, ..Rule::to(crate::Target::parse("a.example").expect("a target")) }
}

/// A rule about one field of a query, or one header.
fn about_field(name: &str, value: &str, header: bool) -> Rule {
    let named = [(name.to_owned(), ValuePattern::parse(value).expect(value))].into();
    let rule = about(Vec::new());
    if header { Rule { headers: named, ..rule } } else { Rule { query: named, ..rule } }
}

/// Whether an allow rule and a deny rule about a field take a query.
fn asked(query: &str, value: &str) -> (bool, bool) {
    let (request, rule) = (Request::new("GET", &format!("/?{query}")).expect(query), about_field("a", value, false));
    (request.is_taken(&rule, true), request.is_taken(&rule, false))
}

#[test]
fn a_field_of_a_query_stands_once_or_is_denied_wherever_it_stands() {
    for (query, value, allowed, denied) in [
        ("a=1", "1", true, true),
        ("b=2&a=1", "1", true, true),
        ("%61=%31", "1", true, true),
        ("a=x%20y", "x%20y", true, true),
        // A plus sign is a space to some, and to others itself.
        ("a=x+y", "x%20y", false, true),
        ("a=x+y", "x+y", false, true),
        ("a=x+y", "x*y", true, true),
        ("a=1x", "1*", true, true),
        ("a", "", true, true),
        ("a=2", "1", false, false),
        ("b=1", "1", false, false),
        ("", "*", false, false),
        // Names that some servers take for this one: PHP's leave spaces and brackets out, others compare in any case.
        ("a=1&%20a=2", "1", false, true),
        ("a=1&+a=2", "2", false, true),
        ("a=1&a[]=2", "2", false, true),
        ("a=1&a%00b=2", "2", false, true),
        ("a=1&A=2", "2", false, true),
        ("%20a=1", "1", false, true),
        ("a=1&ab=2", "1", true, true),
        // Which one counts is the server's to say.
        ("a=1&a=2", "1", false, true),
        ("a=2&a=1", "1", false, true),
        ("b=2;a=1", "1", false, true),
        // What cannot be read is denied by every rule about the query, and allowed by none.
        ("b=%zz", "1", false, true),
    ] {
        assert_eq!(asked(query, value), (allowed, denied), "{query} {value}");
    }
}

#[test]
fn a_header_stands_once_or_is_denied_wherever_it_stands() {
    let asked = |values: &[&str]| {
        let headers = values.iter().map(|value| ("X-Kind", value.as_bytes()));
        let request = Request::new("GET", "/").expect("a request").with_headers(headers);
        let rule = about_field("x-kind", "v1*", true);
        (request.is_taken(&rule, true), request.is_taken(&rule, false))
    };
    assert_eq!((asked(&["v1.2"]), asked(&["v2"]), asked(&[])), ((true, true), (false, false), (false, false)));
    assert_eq!((asked(&["v1", "v2"]), asked(&["v2", "v1"])), ((false, true), (false, true)));
    assert_eq!(asked(&["v2, v1"]), (false, true));
    let request = Request::new("GET", "/").expect("a request").with_headers([("X_Kind", &b"v1"[..])].into_iter());
    assert!(request.is_taken(&about_field("x-kind", "v1", true), false), "some servers read `_` as `-`");
    assert_eq!(header("X-Kind").as_deref(), Ok("x-kind"));
    assert!(
        ["", "Host", "a b", "content_length", "Proxy-Connection"]
            .iter()
            .all(|name| header(name) == Err(RequestError::Name))
    );
}

#[test]
fn patterns_mean_segments() {
    for (pattern, path, expected) in [
        ("/", "/", true),
        ("/", "/a", false),
        ("/a", "/a", true),
        ("/a", "/a/", false),
        ("/a/", "/a/", true),
        ("/a/*", "/a/b", true),
        ("/a/*", "/a/", true),
        ("/a/*", "/a", false),
        ("/a/*", "/a/b/c", false),
        ("/a/b*d", "/a/bcd", true),
        ("/a/b*d", "/a/bd", true),
        ("/a/b*d", "/a/bc", false),
        ("/*.js", "/x.js", true),
        ("/*.js", "/x.jsx", false),
        ("/a/**", "/a", true),
        ("/a/**", "/a/", true),
        ("/a/**", "/a/b/c", true),
        ("/a/**", "/ab", false),
        ("/**/c", "/c", true),
        ("/**/c", "/a/b/c", true),
        ("/**/c", "/a/c/b", false),
        ("/a/**/b/**/c", "/a/b/b/x/c", true),
        ("/a/**/b/**/c", "/a/x/c", false),
        ("/**", "/", true),
        ("/a b", "/a%20b", false),
        ("/a%20b", "/a%20b", true),
        ("/%61", "/a", true),
        ("/a", "/%61", true),
        ("/%2A", "/*", true),
        ("/%2A", "/b", false),
        ("/A", "/a", false),
        ("/caf%C3%A9", "/caf%c3%a9", true),
    ] {
        if pattern.contains(' ') {
            assert_eq!(PathPattern::parse(pattern), Err(RequestError::Character));
            continue;
        }
        assert_eq!(allows(&[pattern], path), expected, "{pattern} {path}");
    }
}

#[test]
fn odd_paths_are_refused_by_name() {
    for (path, error) in [
        ("", RequestError::Path),
        ("a", RequestError::Path),
        ("*", RequestError::Path),
        ("/a/./b", RequestError::Dots),
        ("/a/../b", RequestError::Dots),
        ("/a/..", RequestError::Dots),
        ("/a/%2e%2E/b", RequestError::Dots),
        ("/a/..%2fb", RequestError::Dots),
        ("/a%5c..%5cb", RequestError::Dots),
        ("/a/..;x/b", RequestError::Dots),
        ("/a/.;/b", RequestError::Dots),
        ("//a", RequestError::Empty),
        ("/a//b", RequestError::Empty),
        ("/a%2f%2fb", RequestError::Empty),
        ("/a/;x/b", RequestError::Empty),
        ("/a%2fb%2f/c", RequestError::Empty),
        ("/a%", RequestError::Percent),
        ("/a%2", RequestError::Percent),
        ("/a%zz", RequestError::Percent),
        ("/a%252f", RequestError::Double),
        ("/a%25%32%66", RequestError::Double),
        ("/a%2%35", RequestError::Percent),
        ("/%c0%ae%c0%ae/a", RequestError::Overlong),
        ("/a/..%c0%afb", RequestError::Overlong),
        ("/a/%e0%80%ae%E0%80%AE/b", RequestError::Overlong),
        ("/%f0%80%80%ae./b", RequestError::Overlong),
        ("/a/%c1%a1dmin", RequestError::Overlong),
        ("/a%00", RequestError::Control),
        ("/a%0d%0a", RequestError::Control),
        ("/a\\b", RequestError::Character),
        ("/a b", RequestError::Character),
        ("/a\"b", RequestError::Character),
        ("/\u{e9}", RequestError::Character),
    ] {
        assert_eq!(Request::new("GET", path).expect_err(path), error, "{path}");
    }
    assert_eq!(Request::new("GET", &format!("/{}", "a".repeat(MAX_PATH))).expect_err("long"), RequestError::Path);
    assert!(Request::new("GET", "/100%25").is_ok());
    for method in ["", "get", "GET ", "1GET", "G\u{c9}T"] {
        assert_eq!(Request::new(method, "/").expect_err(method), RequestError::Method);
    }
    for (pattern, error) in [
        ("a", RequestError::Path),
        ("/a**", RequestError::Stars),
        ("/../a", RequestError::Dots),
        ("/%2e%2e/a", RequestError::Dots),
        ("//", RequestError::Empty),
        ("/a?b", RequestError::Character),
    ] {
        assert_eq!(PathPattern::parse(pattern).expect_err(pattern), error, "{pattern}");
    }
}

/// What servers read in two ways is allowed only where both are, and denied where either is.
#[test]
fn an_allow_takes_every_reading_and_a_deny_any() {
    assert!(!allows(&["/@types/**"], "/@types%2Fnode") && !allows(&["/*"], "/@types%2Fnode"));
    assert!(allows(&["/@types/**", "/@types%2F*"], "/@types%2Fnode") && allows(&["/**"], "/@types%2Fnode"));
    assert!(taken(&["/admin/**"], "/admin%2Fusers", false) && taken(&["/admin/**"], "/admin;a=b/users", false));
    assert!(
        taken(&["/admin"], "/admin/", false)
            && taken(&["/admin/"], "/admin", false)
            && taken(&["/admin/**"], "/ADMIN/x", false)
    );
    assert!(!allows(&["/admin"], "/admin/") && !allows(&["/admin/**"], "/ADMIN/x"));
    assert!(!allows(&["/admin"], "/admin;a=b") && allows(&["/admin", "/admin;*"], "/admin;a=b"));
}

#[test]
fn a_literal_pattern_means_its_request_alone() {
    for path in ["/", "/a/b/", "/a*b", "/@x%2Fy", "/a;b", "/%E2%82%AC", "/[a]|b", "/a%25"] {
        let request = Request::new("GET", path).expect(path);
        let patterns = request.patterns();
        let rule = about(patterns);
        assert!(request.is_taken(&rule, true), "{path}");
        for pattern in &rule.paths {
            assert_eq!(PathPattern::parse(pattern.as_str()).as_ref(), Ok(pattern), "{path}");
        }
        assert!(!Request::new("GET", "/other").expect("a path").is_taken(&rule, true));
    }
}

#[test]
fn a_wider_pattern_covers_a_narrower_one() {
    let covers = |wide: &str, narrow: &str| {
        PathPattern::parse(wide).expect(wide).covers(&PathPattern::parse(narrow).expect(narrow))
    };
    assert!(covers("/**", "/a/*") && covers("/a/*", "/a/b") && covers("/a/*", "/a/*"));
    assert!(!covers("/a/b", "/a/*") && !covers("/a/*", "/a/**"));
}
