//! Where a command is, and what of the host has to come in for it to start: itself, its interpreter, its package.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use wire::command::Problem;

use super::paths::Paths;
use crate::problem::{NOT_FOUND, NOT_RUN, problem};

/// The agents that are looked for when no command is given, first found first.
const AGENTS: &[&str] = &["claude", "codex", "opencode", "gemini", "pi", "openclaw"];
/// Links and interpreters that are followed.
const MAX_STEPS: usize = 16;
/// `#!` lines are read this far, as the kernel does.
const MAX_SHEBANG: usize = 256;
/// Where a program's headers and the name of its loader lie.
const MAX_HEAD: usize = 4096;

/// A command as it is found on the host.
#[derive(Debug, Default)]
pub(super) struct Located {
    /// The absolute path to execute.
    pub(super) program: PathBuf,
    /// Files and trees that it needs, each with the reason that the operator reads.
    pub(super) needs: Vec<Need>,
    /// The program and the interpreters behind it, by their real paths.
    pub(super) files: Vec<PathBuf>,
    /// Symbolic links on the way to it: where, and what they say.
    pub(super) links: Vec<(PathBuf, PathBuf)>,
    /// What a file of a workspace asks for: it comes in by a policy, or not at all. With the path of that file.
    pub(super) asked: Vec<(PathBuf, PathBuf)>,
}

/// Whose word it is that a program is needed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trust<'t> {
    /// Directories whose files anybody may have written, as the author of a repository: they bring nothing in.
    pub(super) trees: &'t [PathBuf],
    /// The operator's home: it is no program's own directory, whatever lies in it.
    pub(super) home: &'t Path,
}

impl Trust<'_> {
    fn has(&self, path: &Path) -> bool {
        !self.trees.iter().any(|tree| path.starts_with(tree))
    }
}

/// Something that comes in read-only by itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Need {
    pub(super) path: PathBuf,
    pub(super) reason: String,
}

/// The command to run when the operator gave none: the first installed agent, else a shell.
pub(super) fn default_command(search: &[PathBuf], shell: Option<&str>) -> Vec<Vec<u8>> {
    let agent = AGENTS.iter().find(|agent| on_path(agent, search).is_some());
    let shell = shell.filter(|shell| executable(Path::new(shell))).unwrap_or("/bin/sh");
    vec![agent.copied().unwrap_or(shell).as_bytes().to_vec()]
}

/// Finds a command as a shell would, and all that it needs of the host, whether or not it comes in anyway.
///
/// # Errors
/// When no such program exists, it cannot be executed, or an interpreter that it asks for is not there.
pub(super) fn locate(
    name: &str,
    from: &Path,
    search: &[PathBuf],
    (paths, trust): (&Paths, Trust<'_>),
) -> Result<Located, Problem> {
    let found = if name.contains('/') { Some(from.join(name)) } else { on_path(name, search) };
    let missing = || {
        problem(
            "E-PLANE-030",
            format!("`{name}` was not found"),
            "give its path, or put its directory into PATH",
            NOT_FOUND,
        )
    };
    let program = plain(&found.ok_or_else(missing)?);
    let meta = fs::metadata(&program).map_err(|_| missing())?;
    if !meta.is_file() || meta.permissions().mode() & 0o111 == 0 {
        return Err(problem(
            "E-PLANE-031",
            format!("`{}` cannot be executed", program.display()),
            if meta.is_dir() {
                "it is a directory: name a program"
            } else {
                "`chmod +x` it, or run it by its interpreter"
            },
            126,
        ));
    }
    let mut located = Located { program: program.clone(), ..Located::default() };
    follow(&mut located, (&program, name), search, (paths, trust))?;
    Ok(located)
}

/// Follows the links to a program, and the interpreters behind it. From where a file of a tree says what is next, nothing comes in but
/// an interpreter with its own library: what else it names is its author's choice, and not the operator's.
fn follow(
    located: &mut Located,
    (program, name): (&Path, &str),
    search: &[PathBuf],
    (paths, trust): (&Paths, Trust<'_>),
) -> Result<(), Problem> {
    let mut next = Some((program.to_owned(), name.to_owned()));
    let mut said_by: Option<PathBuf> = None;
    for _ in 0..MAX_STEPS {
        let Some((path, of)) = next.take() else { return Ok(()) };
        let (begun, real) = (located.links.len(), links(located, &path, paths)?);
        located.files.push(real.clone());
        let way = std::iter::once(&path).chain(located.links[begun..].iter().map(|(at, _)| at));
        said_by = said_by.or_else(|| way.chain([&real]).find(|step| !trust.has(step)).cloned());
        let tree = match &said_by {
            None => Some(package(&real, trust.home)),
            Some(_) if !trust.has(&real) => None,
            Some(_) => toolchain(&real).filter(|prefix| !is_system_prefix(prefix, trust.home)),
        };
        if let Some(tree) = tree {
            let reason = if tree == real { format!("`{of}`") } else { format!("package of `{of}`") };
            let need = Need { path: tree, reason };
            if !located.needs.contains(&need) {
                located.needs.push(need);
            }
        } else if let (true, Some(by)) = (trust.has(&real), &said_by) {
            located.asked.push((real.clone(), by.clone()));
        }
        next = match interpreter(&real, search) {
            Some(Ok(path)) => Some((path, format!("interpreter of {of}"))),
            Some(Err(missing)) => return Err(no_interpreter(&real, &missing)),
            None => None,
        };
    }
    Err(too_many(program))
}

/// Records each link from `path` to the real file, and gives that.
fn links(located: &mut Located, path: &Path, paths: &Paths) -> Result<PathBuf, Problem> {
    let mut at = path.to_owned();
    for _ in 0..MAX_STEPS {
        let (Some(parent), Some(name)) = (at.parent(), at.file_name()) else { return Ok(at) };
        let real_parent = paths.real_or_same(parent);
        if real_parent != parent {
            located.links.push((parent.to_owned(), real_parent.clone()));
            at = real_parent.join(name);
        }
        let Ok(target) = fs::read_link(&at) else { return Ok(at) };
        located.links.push((at.clone(), target.clone()));
        at = plain(&at.parent().unwrap_or(Path::new("/")).join(target));
    }
    Err(too_many(path))
}

fn too_many(path: &Path) -> Problem {
    let cause = format!("`{}` goes through too many links or interpreters", path.display());
    problem("E-PLANE-032", cause, "give the path of the program itself", NOT_RUN)
}

/// The installation of an interpreter, known by its library: nothing else lies in there.
fn toolchain(real: &Path) -> Option<PathBuf> {
    let name = real.file_name()?.to_str()?;
    let prefix = real.parent().filter(|directory| directory.ends_with("bin"))?.parent()?;
    let language = name.trim_end_matches(|end: char| end.is_ascii_digit() || end == '.');
    let library = match language {
        "node" => prefix.join("lib/node_modules/npm/package.json"),
        "python" => {
            let versions = fs::read_dir(prefix.join("lib")).ok()?.flatten().map(|entry| entry.path());
            versions.map(|version| version.join("os.py")).find(|library| library.is_file())?
        }
        "ruby" => prefix.join("lib/ruby"),
        "perl" => prefix.join("lib/perl5"),
        _ => return None,
    };
    // An environment of a project has its library elsewhere.
    (library.exists() && !prefix.join("pyvenv.cfg").exists()).then(|| prefix.to_owned())
}

/// The smallest tree that a program works from: its package where one is recognised, else the file alone.
fn package(real: &Path, home: &Path) -> PathBuf {
    let outermost = |name: &str| {
        let parts: Vec<Component<'_>> = real.components().collect();
        let at = parts.iter().position(|part| part.as_os_str() == name)?;
        Some(parts[..=at].iter().collect::<PathBuf>())
    };
    // Node packages find their dependencies beside themselves.
    if let Some(modules) = outermost("node_modules") {
        return modules;
    }
    let Some(directory) = real.parent() else { return real.to_owned() };
    if directory.file_name().is_some_and(|name| name == "bin" || name == "sbin") {
        let prefix = directory.parent().unwrap_or(directory);
        // A virtual environment, or a toolchain's own prefix (nvm, pyenv, rustup): bin beside lib.
        if prefix.join("pyvenv.cfg").exists() || (prefix.join("lib").is_dir() && !is_system_prefix(prefix, home)) {
            return prefix.to_owned();
        }
    }
    real.to_owned()
}

/// Prefixes that hold everything: a program there brings in itself alone, the policy names the rest.
fn is_system_prefix(prefix: &Path, home: &Path) -> bool {
    home.starts_with(prefix)
        || ["/", "/usr", "/usr/local"].iter().any(|system| prefix == Path::new(system))
        || prefix.ends_with(".local")
}

fn no_interpreter(script: &Path, missing: &str) -> Problem {
    let cause = format!("`{}` asks for the interpreter `{missing}`, which was not found", script.display());
    problem("E-PLANE-033", cause, "install it, or correct the script's first line", NOT_FOUND)
}

/// The loader that an ELF program names (`PT_INTERP`); none in a static one, or in what is no 64-bit program.
fn loader(head: &[u8]) -> Option<&str> {
    const PROGRAM_INTERPRETER: u32 = 3;
    let number = |at: usize, size: usize| {
        let bytes = head.get(at..at + size)?;
        Some(bytes.iter().rev().fold(0_usize, |number, &byte| number << 8 | usize::from(byte)))
    };
    if !head.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let (table, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
    let entries = (0..count.min(64)).filter_map(|index| table.checked_add(index * size));
    let at = entries.into_iter().find(|&at| number(at, 4) == Some(PROGRAM_INTERPRETER as usize))?;
    let (offset, length) = (number(at + 8, 8)?, number(at + 32, 8)?);
    let name = head.get(offset..offset.checked_add(length)?)?;
    std::str::from_utf8(name).ok()?.strip_suffix('\0')
}

/// The interpreter that a script names, looked up where it is `env`, or the loader of a program; its name where there
/// is none.
fn interpreter(script: &Path, search: &[PathBuf]) -> Option<Result<PathBuf, String>> {
    let mut head = [0; MAX_HEAD];
    let read = File::open(script).ok()?.read(&mut head).ok()?;
    if let Some(loader) = loader(&head[..read]) {
        let path = PathBuf::from(loader);
        return Some(if executable(&path) { Ok(path) } else { Err(loader.to_owned()) });
    }
    let line = head[..read.min(MAX_SHEBANG)].strip_prefix(b"#!")?.split(|&byte| byte == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.split_whitespace();
    let program = words.next()?;
    if Path::new(program).file_name().is_some_and(|name| name == "env") {
        let name = words.find(|word| !word.starts_with('-') && !word.contains('='))?;
        let found = if name.contains('/') {
            Some(PathBuf::from(name)).filter(|path| executable(path))
        } else {
            on_path(name, search)
        };
        return Some(found.ok_or_else(|| name.to_owned()));
    }
    let path = PathBuf::from(program);
    Some(if executable(&path) { Ok(path) } else { Err(program.to_owned()) })
}

fn on_path(name: &str, search: &[PathBuf]) -> Option<PathBuf> {
    search.iter().map(|directory| directory.join(name)).find(|path| executable(path))
}

fn executable(path: &Path) -> bool {
    path.is_absolute() && fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// The path without `.` and `..`, by its words alone.
pub(super) fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// No file is of a workspace.
    fn anybody() -> (&'static Paths, Trust<'static>) {
        (Box::leak(Box::default()), Trust { trees: &[], home: Path::new("/nowhere") })
    }

    fn program(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(path, text).expect("written");
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("executable");
    }

    #[test]
    fn a_node_tool_brings_its_modules_and_its_node() {
        let home = tempfile::tempdir().expect("a directory");
        let at = |path: &str| home.path().join(path);
        program(&at("v24/bin/node"), "ELF");
        fs::create_dir_all(at("v24/lib/node_modules/tool/dist")).expect("made");
        program(&at("v24/lib/node_modules/tool/dist/cli.js"), "#!/usr/bin/env node\n");
        symlink("../lib/node_modules/tool/dist/cli.js", at("v24/bin/tool")).expect("linked");
        let found = locate("tool", home.path(), &[at("v24/bin")], anybody()).expect("found");
        assert_eq!(found.program, at("v24/bin/tool"));
        let needs: Vec<_> = found.needs.iter().map(|need| need.path.clone()).collect();
        assert_eq!(needs, [at("v24/lib/node_modules"), at("v24")]);
        assert_eq!(found.links, [(at("v24/bin/tool"), PathBuf::from("../lib/node_modules/tool/dist/cli.js"))]);
    }

    /// Its author is anybody: he says what is run, and not what comes in.
    #[test]
    fn a_file_of_a_workspace_brings_nothing_in_but_an_interpreter() {
        let home = tempfile::tempdir().expect("a directory");
        let at = |path: &str| home.path().join(path);
        for path in ["app/bin/rails", "venv/bin/python3", "v24/bin/node", "own/bin/node", "bin/tool"] {
            program(&at(path), "ELF");
        }
        for path in [
            "app/lib/x",
            "venv/pyvenv.cfg",
            "venv/lib/python3/os.py",
            "v24/lib/node_modules/npm/package.json",
            "own/lib/x",
            "lib/x",
        ] {
            fs::create_dir_all(at(path).parent().expect("a parent")).expect("made");
            fs::write(at(path), "").expect("written");
        }
        symlink(at("app/bin/rails"), at("work-link")).expect("linked");
        program(&at("work/node_modules/x"), "ELF");
        let search = [at("v24/bin"), at("app/bin")];
        let paths = Paths::default();
        let trees = [at("work")];
        let trust = Trust { trees: &trees, home: home.path() };
        let found = |text: &str| {
            program(&at("work/run"), text);
            let found = locate("./run", &at("work"), &search, (&paths, trust)).expect("found");
            let needs: Vec<_> = found.needs.into_iter().map(|need| need.path).collect();
            (needs, found.asked.into_iter().map(|(path, _)| path).collect::<Vec<_>>())
        };
        let rails = at("app/bin/rails");
        assert_eq!(found("#!/usr/bin/env node\n"), (vec![at("v24")], vec![]));
        assert_eq!(found(&format!("#!{}\n", at("v24/bin/node").display())), (vec![at("v24")], vec![]));
        for line in ["env rails", &format!("env -S -u {} bash", rails.display())] {
            assert_eq!(found(&format!("#!/usr/bin/{line}\n")), (vec![], vec![rails.clone()]), "{line}");
        }
        for path in ["app/bin/rails", "venv/bin/python3", "own/bin/node", "bin/tool"] {
            assert_eq!(found(&format!("#!{}\n", at(path).display())), (vec![], vec![at(path)]), "{path}");
        }
        // A link is a word of the workspace's, too, and so is where it lies.
        symlink(&rails, at("work/linked")).expect("linked");
        let linked = locate("./linked", &at("work"), &search, (&paths, trust)).expect("found");
        assert_eq!((linked.needs.len(), linked.asked), (0, vec![(rails.clone(), at("work/linked"))]));
        let inside = locate("node_modules/x", &at("work"), &search, (&paths, trust)).expect("found");
        assert_eq!((inside.needs.len(), inside.asked.len()), (0, 0));
        // The operator's own word brings a package in, but never his home.
        let own =
            |name: &str| locate(name, home.path(), &search, (&paths, trust)).expect("found").needs[0].path.clone();
        assert_eq!([own("rails"), own("bin/tool")], [at("app"), at("bin/tool")]);
    }

    #[test]
    fn a_lone_program_brings_itself_and_what_is_missing_is_127() {
        let home = tempfile::tempdir().expect("a directory");
        program(&home.path().join("bin/tool"), "ELF");
        let found = locate("./bin/tool", home.path(), &[], anybody()).expect("found");
        assert_eq!(found.needs[0].path, home.path().join("bin/tool"));
        assert_eq!(
            locate("nothing", home.path(), &[], anybody()).map_err(|problem| problem.exit).err(),
            Some(NOT_FOUND)
        );
        fs::write(home.path().join("text"), "x").expect("written");
        assert_eq!(locate("./text", home.path(), &[], anybody()).map_err(|problem| problem.exit).err(), Some(126));
    }

    #[test]
    fn an_interpreter_that_is_not_there_is_named_and_127() {
        let home = tempfile::tempdir().expect("a directory");
        for line in ["#!/nowhere/interpreter", "#!/usr/bin/env nothing"] {
            program(&home.path().join("script"), line);
            let refused = locate("./script", home.path(), &[], anybody()).expect_err("missing");
            assert_eq!((refused.code.as_str(), refused.exit), ("E-PLANE-033", NOT_FOUND), "{refused}");
        }
    }

    #[test]
    fn a_programs_loader_is_found_and_one_that_is_missing_is_127() {
        let real = fs::read("/bin/true").expect("a program");
        let name = loader(&real[..MAX_HEAD]).expect("dynamic").to_owned();
        assert!(name.contains("ld-") && Path::new(&name).exists(), "{name}");
        let home = tempfile::tempdir().expect("a directory");
        let mut broken = real;
        let at = broken.windows(name.len()).position(|window| window == name.as_bytes()).expect("the name");
        broken[at..at + 4].copy_from_slice(b"/no/");
        fs::write(home.path().join("tool"), broken).expect("written");
        fs::set_permissions(home.path().join("tool"), fs::Permissions::from_mode(0o755)).expect("executable");
        let refused = locate("./tool", home.path(), &[], anybody()).expect_err("missing");
        assert_eq!((refused.code.as_str(), refused.exit), ("E-PLANE-033", NOT_FOUND), "{refused}");
        for cut in [0, 5, 40, 64, 100, 300] {
            assert!(loader(&fs::read("/bin/true").expect("a program")[..cut]).is_none(), "{cut}");
        }
    }

    #[test]
    fn a_circle_of_interpreters_ends() {
        let home = tempfile::tempdir().expect("a directory");
        let path = home.path().join("me");
        program(&path, &format!("#!{}\n", path.display()));
        assert_eq!(
            locate("./me", home.path(), &[], anybody()).map_err(|problem| problem.code).err(),
            Some("E-PLANE-032".into())
        );
    }
}
