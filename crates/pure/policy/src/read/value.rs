//! Single values: each is taken in one form, or refused with its place and what to write instead.

use serde_saphyr::{Location as Mark, Spanned};

use super::raw::{RawExample, Text};
use super::{Diagnostic, code, fail};
use crate::print::visible;
use crate::{
    AskedError, CanonicalPath, Cidr, Example, ExamplePath, Host, HostError, HostPattern, Limit, MOST_TIME, Method,
    Money, Outcome, PathPattern, ProgramPattern, Rate, Reading, Request, RequestError, Target, ValuePattern, Writing,
};

/// What values of one file are read against.
pub(super) struct Scope<'a> {
    pub(super) file: &'a str,
    pub(super) home: Option<&'a str>,
}

const DECISIONS: &[(&str, Outcome)] = &[("allow", Outcome::Allow), ("ask", Outcome::Ask), ("deny", Outcome::Deny)];
const OUTCOMES: &[(&str, Outcome)] =
    &[("allow", Outcome::Allow), ("read", Outcome::Read), ("ask", Outcome::Ask), ("deny", Outcome::Deny)];
const READINGS: &[(&str, Reading)] =
    &[("readable", Reading::Readable), ("absent", Reading::Absent), ("hidden", Reading::Hidden)];
const WRITINGS: &[(&str, Writing)] =
    &[("writable", Writing::Writable), ("guarded", Writing::Guarded), ("refused", Writing::Refused)];

/// The units of a limit and what they multiply by; the empty one last.
pub(super) fn units(limit: Limit) -> &'static [(&'static str, u64)] {
    match limit {
        Limit::Memory | Limit::Disk => &[("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("", 1)],
        Limit::Time => &[("s", 1), ("m", 60), ("h", 3600), ("", 1)],
        Limit::Cpu => &[("m", 1), ("", 1000)],
        Limit::Pids => &[("", 1)],
    }
}

impl Scope<'_> {
    pub(super) fn fail(&self, mark: Mark, code: &str, message: String, hint: &str) -> Diagnostic {
        fail(self.file, mark, code, message, hint)
    }

    pub(super) fn name(&self, text: &Text) -> Result<String, Diagnostic> {
        let name = &text.value;
        let length = name.chars().count();
        if name.trim().is_empty() || length > 64 || name.chars().any(char::is_control) {
            let message = format!("bad name `{}`", visible(name));
            return Err(self.fail(text.referenced, code::NAME, message, "write 1 to 64 plain characters"));
        }
        Ok(name.clone())
    }

    pub(super) fn path(&self, text: &Text) -> Result<CanonicalPath, Diagnostic> {
        let full = match (text.value.strip_prefix('~'), self.home) {
            (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => {
                format!("{}{rest}", home.trim_end_matches('/'))
            }
            _ => text.value.clone(),
        };
        CanonicalPath::parse(&full).map_err(|error| {
            let message = format!("bad path `{}`: {error}", visible(&text.value));
            self.fail(text.referenced, code::PATH, message, "write an absolute path, or one under `~/`")
        })
    }

    pub(super) fn program(&self, text: &Text) -> Result<ProgramPattern, Diagnostic> {
        let path = self.path(text)?;
        ProgramPattern::parse(path.as_str()).map_err(|error| {
            let message = format!("bad path `{}`: {error}", visible(&text.value));
            self.fail(text.referenced, code::PATH, message, "write an executable, such as `/usr/bin/python3*`")
        })
    }

    /// A network, or one address.
    pub(super) fn network(&self, text: &Text) -> Result<Cidr, Diagnostic> {
        match HostPattern::parse(&text.value) {
            Ok(HostPattern::Network(network)) => Ok(network),
            Ok(HostPattern::Address(address)) => Cidr::new(address, if address.is_ipv4() { 32 } else { 128 })
                .map_err(|error| self.host_error(text, error)),
            Ok(_) => Err(self.host_error(text, HostError::Cidr)),
            Err(error) => Err(self.host_error(text, error)),
        }
    }

    pub(super) fn method(&self, text: &Text) -> Result<Method, Diagnostic> {
        Method::parse(&text.value).map_err(|error| self.request_error(text, error))
    }

    pub(super) fn pattern(&self, text: &Text) -> Result<PathPattern, Diagnostic> {
        PathPattern::parse(&text.value).map_err(|error| self.request_error(text, error))
    }

    pub(super) fn value(&self, text: &Text) -> Result<ValuePattern, Diagnostic> {
        ValuePattern::parse(&text.value).map_err(|error| self.request_error(text, error))
    }

    pub(super) fn field(&self, name: &str, text: &Text) -> Result<String, Diagnostic> {
        crate::field(name).map_err(|error| {
            let message = format!("bad field `{}`: {error}", visible(name));
            self.fail(text.referenced, code::REQUEST, message, "write the name as it is when it is decoded")
        })
    }

    pub(super) fn header(&self, name: &str, text: &Text) -> Result<String, Diagnostic> {
        crate::header(name).map_err(|error| {
            let message = format!("bad header `{}`: {error}", visible(name));
            self.fail(text.referenced, code::REQUEST, message, "write a header's name, such as `X-Api-Version`")
        })
    }

    /// `NUMBER/s`, `/m` or `/h`.
    pub(super) fn rate(&self, text: &Text) -> Result<Rate, Diagnostic> {
        let units = [("/s", 1), ("/m", 60), ("/h", 3600)];
        let read = units.iter().find_map(|(unit, seconds)| {
            let digits = text.value.strip_suffix(unit)?;
            let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            let count = digits.parse().ok().filter(|count| plain && *count > 0)?;
            Some(Rate { count, seconds: *seconds })
        });
        read.ok_or_else(|| {
            let message = format!("bad rate `{}`", visible(&text.value));
            self.fail(
                text.referenced,
                code::QUANTITY,
                message,
                "write a whole number of requests, such as 10/s, 60/m or 500/h",
            )
        })
    }

    fn request_error(&self, text: &Text, error: RequestError) -> Diagnostic {
        let message = format!("bad request `{}`: {error}", visible(&text.value));
        let hint = "write methods such as `GET`, and paths such as `/repos/acme/**`";
        self.fail(text.referenced, code::REQUEST, message, hint)
    }

    /// `METHOD HOST:PORT/PATH`.
    fn request(&self, text: &Text) -> Result<(Host, u16, Request), Diagnostic> {
        let (host, port, request) = Request::parse_at(&text.value).map_err(|error| match error {
            AskedError::Host(error) => self.host_error(text, error),
            AskedError::Request(error) => self.request_error(text, error),
        })?;
        Ok((host, port.ok_or_else(|| self.host_error(text, HostError::NoPort))?, request))
    }

    pub(super) fn target(&self, text: &Text) -> Result<Target, Diagnostic> {
        Target::written(&text.value).map_err(|error| self.host_error(text, error))
    }

    pub(super) fn host_error(&self, text: &Text, error: HostError) -> Diagnostic {
        let message = format!("bad host `{}`: {error}", visible(&text.value));
        let hint = match error {
            HostError::Loopback | HostError::Localhost => "write `host.bastide:PORT`, with a port of the host's own",
            _ => "write `HOST[:PORT]`, such as `api.github.com:443`",
        };
        self.fail(text.referenced, code::HOST, message, hint)
    }

    pub(super) fn guard(&self, text: &Text) -> Result<String, Diagnostic> {
        match CanonicalPath::parse(&format!("/{}", text.value)) {
            Ok(path) if path.as_str() != "/" => Ok(path.as_str()[1..].into()),
            _ => {
                let message = format!("bad guarded name `{}`", visible(&text.value));
                Err(self.fail(text.referenced, code::GUARD, message, "write a relative path such as `.git/hooks`"))
            }
        }
    }

    pub(super) fn variable(&self, name: &str, value: &Text) -> Result<String, Diagnostic> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let first = name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
        let good = first && name.len() <= 256 && name.bytes().all(plain);
        if good && value.value.len() <= 32 * 1024 && !value.value.contains('\0') {
            return Ok(value.value.clone());
        }
        // The value may be a secret: only the name is told.
        let message = format!("bad variable `{}`", visible(name));
        Err(self.fail(value.referenced, code::VARIABLE, message, "write `NAME: value` with a NAME such as `CI`"))
    }

    pub(super) fn choice<T: Copy>(&self, text: Option<&Text>, words: &[(&str, T)]) -> Result<Option<T>, Diagnostic> {
        let Some(text) = text else { return Ok(None) };
        if let Some((_, value)) = words.iter().find(|pair| pair.0 == text.value) {
            return Ok(Some(*value));
        }
        let names: Vec<_> = words.iter().map(|pair| pair.0).collect();
        let message = format!("unknown value `{}`", visible(&text.value));
        Err(self.fail(text.referenced, code::CHOICE, message, &format!("one of: {}", names.join(", "))))
    }

    pub(super) fn quantity(&self, text: &Text, units: &[(&str, u64)]) -> Result<u64, Diagnostic> {
        // `parse` takes a sign too.
        let number =
            |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<u64>().ok());
        let parsed = units
            .iter()
            .find_map(|(unit, factor)| number(text.value.strip_suffix(unit)?).flatten()?.checked_mul(*factor));
        parsed.filter(|&value| value > 0).ok_or_else(|| {
            let message = format!("bad quantity `{}`", visible(&text.value));
            let hint = "write a whole number with its unit, such as 2GiB, 90m or 256";
            self.fail(text.referenced, code::QUANTITY, message, hint)
        })
    }

    /// What a limit says, in its smallest unit.
    pub(super) fn limit(&self, text: &Text, limit: Limit) -> Result<u64, Diagnostic> {
        let read = self.quantity(text, units(limit))?;
        if limit == Limit::Time && read > MOST_TIME {
            let message = format!("`{}` is more than a hundred years", visible(&text.value));
            return Err(self.fail(text.referenced, code::QUANTITY, message, "write less, or leave `time` out"));
        }
        Ok(read)
    }

    pub(super) fn money(&self, text: &Text) -> Result<Money, Diagnostic> {
        text.value.parse().map_err(|_| {
            let message = format!("bad amount `{}`", visible(&text.value));
            self.fail(text.referenced, code::MONEY, message, "write for example `5 USD` or `0.25 EUR`")
        })
    }

    pub(super) fn example(&self, raw: &Spanned<RawExample>) -> Result<Example, Diagnostic> {
        let test = &raw.value;
        let program = || test.program.as_ref().map(|text| self.path(text)).transpose();
        if let (Some(to), Some(tool)) = (&test.to, &test.tool)
            && [&test.connect, &test.request, &test.read, &test.write].into_iter().all(Option::is_none)
        {
            return self.call(test, (to, tool), program()?);
        }
        if let Some(text) = test.to.as_ref().or(test.tool.as_ref()).or(test.arguments.values().next()) {
            let message =
                "`to`, `tool` and `arguments` say together which tool is called, and nothing else does".into();
            let hint = "write for example `{to: \"mcp.example:443/mcp\", tool: search, expect: allow}`";
            return Err(self.fail(text.referenced, code::EXAMPLE, message, hint));
        }
        match (&test.connect, &test.request, &test.read, &test.write, &test.program) {
            (Some(to), None, None, None, _) => {
                let (host, port) = Host::parse_with_port(&to.value).map_err(|error| self.host_error(to, error))?;
                let port = port.ok_or_else(|| self.host_error(to, HostError::NoPort))?;
                let (program, expect) = (program()?, self.word(&test.expect, OUTCOMES)?);
                Ok(Example::Connect { host, port, program, expect })
            }
            (None, Some(text), None, None, _) => {
                let (host, port, request) = self.request(text)?;
                let (method, path) =
                    (request.method().clone(), text.value[text.value.find('/').unwrap_or(0)..].to_owned());
                let (program, expect) = (program()?, self.word(&test.expect, OUTCOMES)?);
                Ok(Example::Request { host, port, method, path, program, expect })
            }
            (None, None, Some(path), None, None) => {
                Ok(Example::Read { path: self.example_path(path)?, expect: self.word(&test.expect, READINGS)? })
            }
            (None, None, None, Some(path), None) => {
                Ok(Example::Write { path: self.example_path(path)?, expect: self.word(&test.expect, WRITINGS)? })
            }
            _ => {
                let message =
                    "a test has one of `connect`, `request`, `to`, `read`, `write`; the first three may have a `program`"
                        .into();
                let hint = "write for example `{connect: \"api.github.com:443\", expect: allow}`";
                Err(self.fail(raw.referenced, code::EXAMPLE, message, hint))
            }
        }
    }

    /// A call of a tool.
    fn call(
        &self,
        test: &RawExample,
        (to, tool): (&Text, &Text),
        program: Option<CanonicalPath>,
    ) -> Result<Example, Diagnostic> {
        let whole = Spanned { value: format!("POST {}", to.value), ..to.clone() };
        let (host, port, _) = self.request(&whole)?;
        let path = to.value[to.value.find('/').unwrap_or(0)..].to_owned();
        let arguments = test.arguments.iter().map(|(name, text)| (name.clone(), text.value.clone())).collect();
        let (tool, expect) = (tool.value.clone(), self.word(&test.expect, DECISIONS)?);
        Ok(Example::Call { host, port, path, tool, arguments, program, expect })
    }

    fn word<T: Copy>(&self, text: &Text, words: &[(&str, T)]) -> Result<T, Diagnostic> {
        match self.choice(Some(text), words)? {
            Some(word) => Ok(word),
            None => Err(self.fail(text.referenced, code::CHOICE, "no value".into(), "")),
        }
    }

    fn example_path(&self, text: &Text) -> Result<ExamplePath, Diagnostic> {
        if text.value.starts_with(['/', '~']) {
            return self.path(text).map(ExamplePath::Absolute);
        }
        match CanonicalPath::parse(&format!("/{}", text.value)) {
            Ok(path) if path.as_str() != "/" => Ok(ExamplePath::Workspace(path.as_str()[1..].into())),
            _ => {
                let message = format!("bad path `{}`", visible(&text.value));
                let hint = "write an absolute path, one under `~/`, or one of the workspace such as `src/lib.rs`";
                Err(self.fail(text.referenced, code::PATH, message, hint))
            }
        }
    }
}
