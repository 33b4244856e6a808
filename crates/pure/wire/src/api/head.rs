//! The head of a request: read strictly, so that what stands before us and we cannot read two requests out of one.

use super::{Asked, Form, MAX_BODY, MAX_HEAD, Unread, VERSION, read};

/// Headers of one head.
const MOST: usize = 100;
/// What a connection is upgraded to: the frames of [`crate::command`].
pub const PROTOCOL: &str = "bastide";
const END: &[u8] = b"\r\n\r\n";

/// What a head says, as far as it counts here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Bytes of the body.
    pub length: usize,
    /// Who asks sends the body when he is told to go on.
    pub waits: bool,
    /// It asks for our frames on this connection.
    pub upgrades: bool,
    /// It wants server-sent events.
    pub events: bool,
}

impl Head {
    /// Where the first head ends; none while it does not.
    #[must_use]
    pub fn end(bytes: &[u8]) -> Option<usize> {
        bytes.windows(END.len()).position(|window| window == END).map(|at| at + END.len())
    }

    /// Reads a whole one, with its end.
    ///
    /// # Errors
    /// Why it is none that is understood.
    pub fn read(bytes: &[u8]) -> Result<Head, Unread> {
        let malformed = |what: &str| Unread::Head(what.to_owned());
        let text = bytes.strip_suffix(END).ok_or_else(|| malformed("it does not end"))?;
        let text = std::str::from_utf8(text).ok().filter(|text| text.is_ascii() && bytes.len() <= MAX_HEAD);
        let mut lines = text.ok_or_else(|| malformed("it is long or no ASCII"))?.split("\r\n");
        let words: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
        let [method, target, version] = words[..] else { return Err(malformed("its first line is no request")) };
        let visible = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_graphic());
        if !(is_token(method) && visible(target)) {
            return Err(malformed("its first line is no request"));
        }
        if version != "HTTP/1.1" {
            return Err(Unread::Version);
        }
        let headers = Headers::read(lines)?;
        if headers.all("host").count() != 1 {
            return Err(malformed("it names no host, or several"));
        }
        Ok(Head {
            method: method.to_owned(),
            target: target.to_owned(),
            length: headers.length()?,
            waits: headers.expects()?,
            upgrades: headers.lists("connection", "upgrade") && headers.lists("upgrade", PROTOCOL),
            events: headers.lists("accept", "text/event-stream"),
        })
    }

    /// What it asks, with its body.
    ///
    /// # Errors
    /// Why it asks nothing that there is.
    pub fn asks(&self, body: &[u8]) -> Result<Asked, Unread> {
        let mut asked = read(&self.method, &self.target, body)?;
        if let Asked::Request(_, form) = &mut asked {
            match form {
                Form::Frames if !self.upgrades => return Err(Unread::Upgrade),
                Form::Lines | Form::Bytes if self.events => *form = Form::Events,
                _ => {}
            }
        }
        Ok(asked)
    }
}

struct Headers<'h>(Vec<(String, &'h str)>);

impl<'h> Headers<'h> {
    fn read(lines: impl Iterator<Item = &'h str>) -> Result<Headers<'h>, Unread> {
        let mut headers = Vec::new();
        for line in lines {
            let (name, value) = line.split_once(':').filter(|(name, _)| is_token(name)).unwrap_or_default();
            let value = value.trim_matches([' ', '\t']);
            let visible = value.bytes().all(|byte| byte.is_ascii_graphic() || matches!(byte, b' ' | b'\t'));
            if name.is_empty() || !visible || headers.len() == MOST {
                return Err(Unread::Head("a header is malformed, or there are too many".into()));
            }
            headers.push((name.to_ascii_lowercase(), value));
        }
        Ok(Headers(headers))
    }

    fn all(&self, name: &'static str) -> impl Iterator<Item = &'h str> + '_ {
        self.0.iter().filter(move |(own, _)| own == name).map(|(_, value)| *value)
    }

    /// Whether a header that is a list holds this word, whatever is said of it behind a semicolon.
    fn lists(&self, name: &'static str, word: &str) -> bool {
        let first = |item: &'h str| item.split(';').next().unwrap_or_default();
        self.all(name).flat_map(|value| value.split(',')).any(|item| first(item).trim().eq_ignore_ascii_case(word))
    }

    /// Of the body: said once, in digits, or there is none.
    fn length(&self) -> Result<usize, Unread> {
        if self.all("transfer-encoding").next().is_some() {
            return Err(Unread::Length);
        }
        let mut lengths = self.all("content-length");
        let Some(digits) = lengths.next() else { return Ok(0) };
        if lengths.next().is_some() || digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Unread::Head("the length of its body is not said once".into()));
        }
        digits.parse().ok().filter(|length| *length <= MAX_BODY).ok_or(Unread::TooLong)
    }

    fn expects(&self) -> Result<bool, Unread> {
        let mut expected = self.all("expect");
        match (expected.next(), expected.next()) {
            (None, _) => Ok(false),
            (Some(what), None) if what.eq_ignore_ascii_case("100-continue") => Ok(true),
            _ => Err(Unread::Head("it expects what there is not".into())),
        }
    }
}

fn is_token(word: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !word.is_empty() && word.bytes().all(token)
}

/// The head of a request of ours. It is to be answered in this form.
pub(super) fn write(method: &str, target: &str, length: usize, form: Form) -> String {
    let wants = match form {
        Form::Whole => "Connection: close\r\n".to_owned(),
        Form::Frames => format!("Connection: Upgrade\r\nUpgrade: {PROTOCOL}\r\n"),
        Form::Lines | Form::Bytes | Form::Events => "Accept: text/event-stream\r\nConnection: close\r\n".to_owned(),
    };
    let body = match length {
        0 if method == "GET" => String::new(),
        length => format!("Content-Type: application/json\r\nContent-Length: {length}\r\n"),
    };
    format!("{method} /{VERSION}{target} HTTP/1.1\r\nHost: bastide\r\n{wants}{body}\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Result<Head, Unread> {
        Head::read(text.replace('\n', "\r\n").as_bytes())
    }

    #[test]
    fn what_is_said_of_a_body_and_of_the_answer_is_read() {
        let head = head(
            "POST /v1/gc HTTP/1.1\nhost: x\nContent-Length: 12\nExpect: 100-Continue\nConnection: keep-alive, Upgrade\nupgrade: Bastide\nAccept: text/html, text/event-stream;q=1\n\n",
        );
        let said = Head {
            method: "POST".into(),
            target: "/v1/gc".into(),
            length: 12,
            waits: true,
            upgrades: true,
            events: true,
        };
        assert_eq!(head, Ok(said));
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_no_head() {
        let status = |text: &str| head(text).expect_err(text).status();
        for bad in [
            "\n",
            "GET /v1/sessions HTTP/1.1\n\n",
            "GET /v1/sessions HTTP/1.1\nHost: a\nHost: b\n\n",
            "GET  /v1/sessions HTTP/1.1\nHost: a\n\n",
            "GET /v1/sessions\nHost: a\n\n",
            "GET /v1/sessions HTTP/1.1\nHost: a\n folded\n\n",
            "GET /v1/sessions HTTP/1.1\nHost : a\n\n",
            "GET /v1/sessions HTTP/1.1\nHost: a\rb\n\n",
            "GET /v1/sessions HTTP/1.1\nHost: é\n\n",
            "POST /v1/gc HTTP/1.1\nHost: a\nContent-Length: 1\nContent-Length: 1\n\n",
            "POST /v1/gc HTTP/1.1\nHost: a\nContent-Length: +1\n\n",
            "POST /v1/gc HTTP/1.1\nHost: a\nContent-Length: 1, 1\n\n",
            "POST /v1/gc HTTP/1.1\nHost: a\nExpect: more\n\n",
        ] {
            assert_eq!(status(bad), 400, "{bad}");
        }
        assert!(Head::read(b"GET /v1/sessions HTTP/1.1\nHost: a\n\n").is_err(), "bare line ends");
        assert_eq!(status("GET /v1/sessions HTTP/1.0\nHost: a\n\n"), 505);
        assert_eq!(status("POST /v1/gc HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n"), 411);
        assert_eq!(status("POST /v1/gc HTTP/1.1\nHost: a\nContent-Length: 99999999999\n\n"), 413);
        let many = format!("GET /v1/sessions HTTP/1.1\nHost: a\n{}\n", "A: b\n".repeat(MOST));
        assert_eq!(status(&many), 400);
        let long = format!("GET /v1/{} HTTP/1.1\nHost: a\n\n", "x".repeat(MAX_HEAD));
        assert_eq!(status(&long), 400);
    }

    #[test]
    fn an_end_is_found_where_it_is() {
        assert_eq!(Head::end(b"a\r\n\r\nb\r\n\r\n"), Some(5));
        assert_eq!(Head::end(b"a\r\n\r"), None);
    }

    #[test]
    fn what_lasts_is_answered_to_who_upgrades() {
        let ask = |upgrade: &str| {
            head(&format!("POST /v1/standby HTTP/1.1\nHost: a\n{upgrade}\n")).expect("a head").asks(b"").map(drop)
        };
        assert_eq!(ask(""), Err(Unread::Upgrade));
        assert_eq!(ask("Upgrade: bastide\n"), Err(Unread::Upgrade));
        assert_eq!(ask("Connection: upgrade\nUpgrade: h2c\n"), Err(Unread::Upgrade));
        assert_eq!(ask("Connection: upgrade\nUpgrade: bastide\n"), Ok(()));
    }
}
