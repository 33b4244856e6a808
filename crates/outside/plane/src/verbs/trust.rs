//! `trust`: the present content of a file that an agent could change counts from now on.

use std::path::Path;

use wire::command::{Problem, Reply};

use crate::named_file;
use crate::problem::{NO, quoted};
use crate::store::{Store, Trust};

/// Longest file that can be trusted, in bytes: who trusts it is to have read it.
const MOST: usize = 1 << 20;

/// Trusts a file, and says what exactly is trusted now.
pub(super) fn trust(store: &Store, file: &Path) -> Result<Reply, Problem> {
    let file = named_file::read(file, MOST).map_err(|problem| Problem { exit: NO, ..problem })?;
    let (hash, before) = Trust::add(store, &file.path, &file.content)?;
    let lines = file.content.iter().filter(|&&byte| byte == b'\n').count();
    let mut text = format!(
        "trusted: {}\nsha256:  {hash}\nsize:    {} bytes, {lines} lines\n",
        quoted(&file.path.to_string_lossy()),
        file.content.len()
    );
    match before {
        Some(before) if before == hash => text += "it was trusted before, with this content\n",
        Some(before) => text += &format!("before:  {before}, which is trusted no more\n"),
        None => {}
    }
    text += "any change to it ends the trust\n";
    Ok(Reply::Text { text })
}
