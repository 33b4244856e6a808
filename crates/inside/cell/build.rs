//! Turns `blueprints/seccomp/*.rules` into constant tables, so that the shipped filter is the reviewed text.
//!
//! Numbers are emitted as `libc::SYS_*`: a misspelt or missing system call does not compile.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

#[path = "../../../packaging/order/link.rs"]
mod order;

const PROFILES: [&str; 3] = ["agent", "pid1", "watcher"];

fn main() -> Result<(), String> {
    order::link("bastide-cell");
    let room = PathBuf::from(variable("CARGO_MANIFEST_DIR")?).join("../../../blueprints/seccomp");
    let machine = variable("CARGO_CFG_TARGET_ARCH")?;
    let mut source = String::new();
    for name in PROFILES {
        let path = room.join(format!("{name}.rules"));
        println!("cargo::rerun-if-changed={}", path.display());
        source.push_str(&profile(name, &path, &machine)?);
    }
    let out = PathBuf::from(variable("OUT_DIR")?).join("profiles.rs");
    fs::write(&out, source).map_err(|e| format!("{}: {e}", out.display()))
}

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|e| format!("{name}: {e}"))
}

/// One rule file as the source of one `Profile`.
fn profile(name: &str, path: &Path, machine: &str) -> Result<String, String> {
    let text = fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut fixed: [Option<String>; 3] = [None, None, None];
    let mut rules = String::new();
    for (index, line) in text.lines().enumerate() {
        let located = |e: String| format!("{}:{}: {e}", path.display(), index + 1);
        let Some((words, why)) = split(line) else { continue };
        if why.is_empty() {
            return Err(located("a rule without a reason (`# why`)".into()));
        }
        let action =
            words.get(1).ok_or_else(|| located("no action".into())).and_then(|w| action(w).map_err(located))?;
        match ["default", "foreign", "x32"].iter().position(|d| *d == words[0]) {
            Some(slot) if fixed[slot].is_none() && words.len() == 2 => fixed[slot] = Some(action),
            Some(_) => return Err(located(format!("`{}` twice, or with a condition", words[0]))),
            None => rules.push_str(&rule(&words, &action, machine).map_err(located)?),
        }
    }
    let [Some(default), Some(foreign), Some(x32)] = fixed else {
        return Err(format!("{}: `default`, `foreign` and `x32` are all needed", path.display()));
    };
    Ok(format!(
        "/// `{name}.rules`.\npub(crate) static {}: Profile = Profile {{ name: \"{name}\", default: {default}, foreign: {foreign}, x32: {x32}, rules: &[\n{rules}] }};\n",
        name.to_uppercase()
    ))
}

/// The words of a line and the reason behind its `#`; nothing for a blank line or a heading.
fn split(line: &str) -> Option<(Vec<&str>, &str)> {
    let (words, why) = line.split_once('#').unwrap_or((line, ""));
    let words: Vec<&str> = words.split_whitespace().collect();
    (!words.is_empty()).then_some((words, why.trim()))
}

/// `[MACHINE:]NAME ACTION [CONDITION…]` as one `Rule`; nothing where the machine is another one.
fn rule(words: &[&str], action: &str, machine: &str) -> Result<String, String> {
    let name = match words[0].split_once(':') {
        Some((only, _)) if only != machine => return Ok(String::new()),
        Some((_, name)) => name,
        None => words[0],
    };
    if !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') {
        return Err(format!("`{name}` is no system call's name"));
    }
    let mut when = String::new();
    for word in &words[2..] {
        when.push_str(&condition(word)?);
    }
    Ok(format!(
        "    Rule {{ name: \"{name}\", number: libc::SYS_{name} as u32, action: {action}, when: &[{when}] }},\n"
    ))
}

fn action(word: &str) -> Result<String, String> {
    match word {
        "ALLOW" => Ok("Action::Allow".into()),
        "NOTIFY" => Ok("Action::Notify".into()),
        "KILL" => Ok("Action::Kill".into()),
        // To the kernel an errno like any other.
        "DONE" => Ok("Action::Errno(0)".into()),
        errno if errno.starts_with('E') => Ok(format!("Action::Errno(libc::{errno} as u16)")),
        other => Err(format!("`{other}` is no action")),
    }
}

/// `int0&MASK=VALUE` (the low 32 bits) or `long0&MASK=VALUE` (all 64); the mask may be left out.
fn condition(word: &str) -> Result<String, String> {
    let bad = || format!("`{word}` is no condition: intN[&MASK]=VALUE or longN[&MASK]=VALUE");
    let (left, value) = word.split_once('=').ok_or_else(bad)?;
    let (argument, mask) = left.split_once('&').unwrap_or((left, ""));
    let (width, index) = match (argument.strip_prefix("int"), argument.strip_prefix("long")) {
        (Some(index), _) => ("Width::Int", index),
        (_, Some(index)) => ("Width::Long", index),
        _ => return Err(bad()),
    };
    if !matches!(index, "0" | "1" | "2" | "3" | "4" | "5") {
        return Err(bad());
    }
    let whole = if width == "Width::Int" { "0xffff_ffff" } else { "u64::MAX" };
    let mask = if mask.is_empty() { whole.into() } else { bits(mask)? };
    Ok(format!("Condition {{ argument: {index}, width: {width}, mask: {mask}, value: {} }}, ", bits(value)?))
}

/// Numbers and `libc` names joined by `|`. Names go through `u32`: the flags above 31 bits are negative `c_int`s.
fn bits(text: &str) -> Result<String, String> {
    let mut source = String::new();
    for part in text.split('|') {
        let known = part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let term = match part.bytes().next() {
            Some(b'0'..=b'9') if known => format!("{part}u64"),
            Some(b'A'..=b'Z') if known => format!("libc::{part} as u32 as u64"),
            _ => return Err(format!("`{part}` is neither a number nor a name")),
        };
        let joint = if source.is_empty() { "" } else { " | " };
        write!(source, "{joint}{term}").map_err(|e| e.to_string())?;
    }
    Ok(source)
}
