//! What the host would later run or trust: flagged, so that the operator sees it before it is merged.

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Why a change deserves a second look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Flag {
    /// A hook that git or a hook manager runs.
    Hook,
    /// A shell or tool start-up file.
    RcFile,
    /// Run by direnv on entering the directory.
    Envrc,
    /// Tasks or settings that an editor runs.
    EditorTask,
    /// Run by continuous integration, with its secrets.
    Ci,
    /// Scripts that a package manager runs.
    PackageScript,
    /// Run by a build.
    Build,
    /// Run by a test runner.
    TestSetup,
    /// Run by a container build.
    Container,
    /// Names where dependencies come from.
    Lockfile,
    /// Instructions or settings of an AI agent.
    AgentConfig,
    /// Executable bit set.
    Executable,
    /// Part of the git directory, which merges only as one unit.
    Git,
    /// Named by the policy's `guard`.
    Guarded,
}

const NAMES: &[(Flag, &[&str])] = &[
    (Flag::Hook, &[".pre-commit-config.yaml", "lefthook.yml", ".gitattributes", ".gitmodules"]),
    (
        Flag::RcFile,
        &[
            ".bashrc",
            ".zshrc",
            ".profile",
            ".bash_profile",
            ".zshenv",
            ".zprofile",
            ".npmrc",
            ".yarnrc",
            ".yarnrc.yml",
            ".vimrc",
            ".exrc",
            ".nvim.lua",
            ".gdbinit",
            ".gitconfig",
            ".inputrc",
            ".netrc",
            ".curlrc",
            "pip.conf",
        ],
    ),
    (Flag::Envrc, &[".envrc", "mise.toml", ".mise.toml", ".tool-versions"]),
    (Flag::Ci, &[".gitlab-ci.yml", "jenkinsfile", ".travis.yml", "azure-pipelines.yml", ".drone.yml"]),
    (
        Flag::PackageScript,
        &["package.json", "composer.json", "setup.py", "setup.cfg", "pyproject.toml", "gemfile", "rakefile"],
    ),
    (
        Flag::Build,
        &[
            "makefile",
            "gnumakefile",
            "build.rs",
            "cmakelists.txt",
            "justfile",
            "build.gradle",
            "build.gradle.kts",
            "pom.xml",
            "configure",
            "meson.build",
            "build.zig",
            "rust-toolchain.toml",
            "rust-toolchain",
            "cargo.toml",
            "taskfile.yml",
        ],
    ),
    (
        Flag::TestSetup,
        &[
            "conftest.py",
            "pytest.ini",
            "tox.ini",
            "noxfile.py",
            "sitecustomize.py",
            "jest.config.js",
            "vitest.config.ts",
        ],
    ),
    (
        Flag::Container,
        &["dockerfile", "containerfile", "docker-compose.yml", "docker-compose.yaml", "compose.yaml", "compose.yml"],
    ),
    (
        Flag::Lockfile,
        &[
            "package-lock.json",
            "yarn.lock",
            "pnpm-lock.yaml",
            "cargo.lock",
            "poetry.lock",
            "uv.lock",
            "go.sum",
            "gemfile.lock",
            "composer.lock",
            "requirements.txt",
            "bun.lock",
        ],
    ),
    (Flag::AgentConfig, &["claude.md", "agents.md", "gemini.md", ".mcp.json", ".cursorrules"]),
];

const DIRECTORIES: &[(Flag, &[&str])] = &[
    (Flag::Hook, &[".husky", ".githooks", "hooks"]),
    (Flag::EditorTask, &[".vscode", ".idea", ".zed", ".fleet", ".devcontainer"]),
    (Flag::Ci, &[".github", ".circleci", ".ci", ".buildkite", ".woodpecker"]),
    (Flag::Build, &[".cargo", ".mvn"]),
    (Flag::AgentConfig, &[".claude", ".codex", ".cursor", ".gemini"]),
    (Flag::Git, &[".git"]),
];

/// The flags of a path, by its names alone (without case, as some file systems see them) and the policy's guards.
pub fn flags(path: &Path, mode: Option<u32>, guards: &[PathBuf]) -> Vec<Flag> {
    let parts: Vec<String> = path.iter().map(|part| part.to_string_lossy().to_lowercase()).collect();
    let mut found = Vec::new();
    if let Some(name) = parts.last() {
        found.extend(NAMES.iter().filter(|(_, names)| names.contains(&name.as_str())).map(|(flag, _)| *flag));
        if name.starts_with("dockerfile.") {
            found.push(Flag::Container);
        }
        if name.ends_with(".mk") {
            found.push(Flag::Build);
        }
    }
    let within = |names: &[&str]| parts.iter().any(|part| names.contains(&part.as_str()));
    found.extend(DIRECTORIES.iter().filter(|(_, names)| within(names)).map(|(flag, _)| *flag));
    if mode.is_some_and(|mode| mode & 0o111 != 0) {
        found.push(Flag::Executable);
    }
    if guards.iter().any(|guard| path.starts_with(guard) || guard.starts_with(path)) {
        found.push(Flag::Guarded);
    }
    found.sort();
    found.dedup();
    found
}
