//! Logins of agents, as their own programs keep them: where the refresh token stands in the file, and whom it is for. The
//! login itself is done by the agent's own program, outside of any cell.

use clap::ValueEnum;
use wire::command::{Derives, Grant, SecretText};
use zeroize::Zeroize;

use crate::errors::Error;

/// Whose login a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Login {
    /// `~/.claude/.credentials.json`, of claude
    Claude,
    /// `~/.codex/auth.json`, of codex with ChatGPT
    Codex,
}

impl Login {
    /// The one host that its tokens are for.
    pub(crate) const fn to(self) -> &'static str {
        match self {
            Login::Claude => "api.anthropic.com:443",
            Login::Codex => "chatgpt.com:443",
        }
    }

    /// Where they come from, as the agent's own program asks for them.
    pub(crate) fn derives(self) -> Derives {
        let (url, client) = match self {
            Login::Claude => ("https://platform.claude.com/v1/oauth/token", "9d1c250a-e61b-44d9-88ed-5944d1962f5e"),
            Login::Codex => ("https://auth.openai.com/oauth/token", "app_EMoamEEZ73f0CkXaXp7hrann"),
        };
        Derives { url: url.into(), grant: Grant::Refresh, client: client.into(), scope: None, json: true }
    }

    /// Where the refresh token stands.
    const fn place(self) -> &'static str {
        match self {
            Login::Claude => "/claudeAiOauth/refreshToken",
            Login::Codex => "/tokens/refresh_token",
        }
    }

    /// The refresh token out of the file; what else the file says is wiped.
    ///
    /// # Errors
    /// Where it holds none.
    pub(crate) fn token(self, file: &SecretText) -> Result<SecretText, Error> {
        let mut read: serde_json::Value =
            serde_json::from_str(file.expose()).map_err(|_| Error::Value { cause: "it is not the JSON of a login" })?;
        let token = match read.pointer_mut(self.place()) {
            Some(serde_json::Value::String(token)) => Some(SecretText::from(std::mem::take(token))),
            _ => None,
        };
        wipe(&mut read);
        token.ok_or(Error::Value { cause: "it holds no refresh token: log the agent in by its own program first" })
    }
}

fn wipe(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::String(text) => text.zeroize(),
        serde_json::Value::Array(all) => all.iter_mut().for_each(wipe),
        serde_json::Value::Object(all) => all.values_mut().for_each(wipe),
        _ => {}
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_refresh_token_is_taken_out_of_the_file_of_each() {
        let claude =
            r#"{"claudeAiOauth": {"accessToken": "a", "refreshToken": "r-1", "expiresAt": 1, "scopes": ["x"]}}"#;
        let codex =
            r#"{"OPENAI_API_KEY": null, "tokens": {"id_token": "i", "access_token": "a", "refresh_token": "r-2"}}"#;
        let token = |login: Login, text: &str| {
            login.token(&SecretText::from(text.to_owned())).map(|token| token.expose().to_owned())
        };
        assert_eq!(token(Login::Claude, claude).unwrap(), "r-1");
        assert_eq!(token(Login::Codex, codex).unwrap(), "r-2");
        for (login, text) in
            [(Login::Claude, codex), (Login::Codex, claude), (Login::Codex, "sk-1"), (Login::Claude, "[]")]
        {
            let error = token(login, text).unwrap_err().to_string();
            assert!(!error.contains("r-1") && !error.contains("r-2") && !error.contains("sk-1"), "{error}");
        }
    }
}
