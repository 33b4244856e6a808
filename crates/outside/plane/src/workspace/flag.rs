//! What the host would later run or trust: flagged, so that the operator sees it before it is merged.

use super::{Node, refuse::git_alias};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Why a change deserves a second look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flag {
    /// A hook that git or a hook manager runs, or a filter that git applies.
    Hook,
    /// A shell or tool start-up file.
    RcFile,
    /// Run or obeyed on entering the directory.
    Envrc,
    /// Tasks or settings that an editor runs.
    EditorTask,
    /// Run by continuous integration, with its secrets.
    Ci,
    /// Scripts that a package manager runs.
    PackageScript,
    /// Run by a build.
    Build,
    /// Run by a test runner or by a language's start.
    TestSetup,
    /// Run by a container build or a deployment.
    Container,
    /// Names where dependencies come from.
    Lockfile,
    /// Instructions or settings of an AI agent.
    AgentConfig,
    /// Loaded by a program that did not ask for it.
    Library,
    /// Executable bit set.
    Executable,
    /// Commits of which more changed than is looked at, or that cannot be read.
    Unread,
    /// A tag, branch or remote's branch whose short name means another ref, too.
    Ambiguous,
    /// Part of a git directory, which merges only as one unit.
    Git,
    /// Named by the policy's `guard`.
    Guarded,
    /// Removed, and nothing that the operator said asks for that.
    UnaskedRemoval,
    /// It can be run now, likewise.
    UnaskedExecutable,
    /// The host would run it by itself, likewise.
    UnaskedHostRun,
}

impl Flag {
    /// Why what it stands at is merged only where it is named itself.
    pub const fn holds(self) -> Option<&'static str> {
        Some(match self {
            Flag::Guarded => "guarded: merged only when it is named itself",
            Flag::UnaskedRemoval => {
                "nothing that the operator said asks to delete it: merged only when it is named itself"
            }
            Flag::UnaskedExecutable => {
                "nothing that the operator said asks for what can be run: merged only when it is named itself"
            }
            Flag::UnaskedHostRun => {
                "the host would run it, and nothing that the operator said names it: merged only when it is named itself"
            }
            _ => return None,
        })
    }

    /// Words that ask for what the host runs or obeys by itself; none where a build, a test or a person runs it.
    pub const fn asked_by(self) -> Option<&'static [&'static str]> {
        Some(match self {
            Flag::Hook => &["hook", "lefthook", "husky", "gitattributes", "submodule"],
            Flag::RcFile => &["profile", "dotfile", "config", "configure", "npmrc", "bashrc", "zshrc", "setting"],
            Flag::Envrc => &["env", "envrc", "direnv", "environment", "mise", "nix", "version"],
            Flag::EditorTask => &["vscode", "editor", "ide", "devcontainer", "tsconfig", "idea", "zed"],
            Flag::Ci => {
                &["ci", "workflow", "pipeline", "action", "github", "gitlab", "jenkins", "renovate", "dependabot"]
            }
            Flag::AgentConfig => &["agent", "claude", "codex", "mcp", "cursor", "gemini", "copilot", "instruction"],
            _ => return None,
        })
    }
}

/// Patterns of names, lower case: `name`, `name*`, `*name`, `a*b`, `*name*`, and `name/` for everything in such a directory.
#[rustfmt::skip]
const PATTERNS: &[(Flag, &[&str])] = &[
    (Flag::Hook, &[
        ".husky/", ".githooks/", "hooks/", ".lefthook/", ".overcommit/", "lefthook.*", ".lefthook.*", ".overcommit.yml",
        ".pre-commit-config.yaml", ".pre-commit-config.yml", ".pre-commit-hooks.yaml", "prek.toml", ".gitattributes",
        ".gitmodules", ".gitconfig", ".hgrc", ".lintstagedrc*", "lint-staged.config.*", ".huskyrc*", ".simple-git-hooks*",
    ]),
    (Flag::RcFile, &[
        ".bashrc", ".bash_*", ".zshrc", ".zshenv", ".zprofile", ".zlogin", ".profile", ".login", ".cshrc", ".tcshrc",
        ".kshrc", ".inputrc", "config.fish", ".npmrc", ".yarnrc*", ".pnpmfile.*", "bunfig.toml", ".bunfig.toml", ".vimrc",
        ".gvimrc", ".exrc", ".nvimrc", ".nvim.lua", ".dir-locals*.el", ".emacs*", "_vimrc", ".gdbinit", ".lldbinit",
        ".netrc", ".curlrc", ".wgetrc", ".screenrc", ".tmux.conf", ".psqlrc", ".sqliterc", ".irbrc", ".pryrc", ".pythonrc*",
        ".pypirc", "pip.conf", "pip.ini", ".condarc", ".gemrc", ".sbtopts", ".jvmopts", ".ssh/", ".gnupg/", ".aws/",
        ".kube/", ".docker/", ".config/", ".local/", "*.desktop", ".rsyncd*", ".editrc", ".mailrc", ".xinitrc", ".xprofile",
    ]),
    (Flag::Envrc, &[
        ".envrc", ".env", ".env.*", "mise.toml", ".mise.toml", "mise.*.toml", ".mise*", ".tool-versions", ".asdfrc", ".python-version",
        ".ruby-version", ".node-version", ".nvmrc", ".java-version", ".sdkmanrc", ".terraform-version", "devenv.nix",
        "flake.nix", "shell.nix", "default.nix", "devbox.json", ".autoenv*", ".autoenv.zsh", ".direnv/", ".in", ".out",
    ]),
    (Flag::EditorTask, &[
        ".vscode/", ".idea/", ".zed/", ".fleet/", ".devcontainer/", ".devcontainer.json", "*.code-workspace", "*.sublime-project",
        ".nova/", ".vs/", ".settings/", ".project", ".helix/", ".nvim/", ".vim/", "*.iml", "tsconfig*.json", "jsconfig*.json",
        ".editorconfig", ".clangd", "compile_commands.json", ".gitpod.yml", ".theia/", ".eclipse/",
    ]),
    (Flag::Ci, &[
        ".github/", ".gitlab/", ".gitea/", ".forgejo/", ".circleci/", ".ci/", ".buildkite/", ".woodpecker/", ".teamcity/", ".tekton/",
        ".gitlab-ci*", "jenkinsfile*", ".travis.yml", "azure-pipelines*", ".drone.*", ".appveyor.yml", "appveyor.yml",
        "bitbucket-pipelines.yml", "cloudbuild.*", ".woodpecker*", "codemagic.yaml", "renovate*", ".renovaterc*", ".cirrus.*",
        ".semaphore/", "netlify.toml", "vercel.json", "wercker.yml", "codefresh.yml", "buildspec*.yml", "earthfile", "codeowners",
    ]),
    (Flag::PackageScript, &[
        "package.json", "composer.json", "setup.py", "setup.cfg", "pyproject.toml", "gemfile", "rakefile", "*.gemspec", "*.rake",
        "guardfile", "podfile", "mix.exs", "deno.json*", "pubspec.yaml", "package.swift", "pdm.toml", "hatch.toml",
        "pnpm-workspace.yaml", "lerna.json", "nx.json", "turbo.json", ".pnp.*", ".yarn/", "project.clj", "dub.json", "*.cabal",
        "stack.yaml", "*.nuspec", "nuget.config", "*.podspec", "rebar.config", "conanfile.*", "vcpkg.json", "*.opam",
    ]),
    (Flag::Build, &[
        "makefile*", "gnumakefile", "*.mk", "*.mak", "build.rs", "cmakelists.txt", "*.cmake", "cmakepresets.json",
        "cmakeuserpresets.json", "justfile", ".justfile", "*.just", "*.gradle", "*.gradle.kts", "gradlew*", "gradle.properties",
        "gradle/", "pom.xml", "mvnw*", ".mvn/", "build.xml", "configure", "configure.*", "autogen.sh", "meson.build", "build.zig*",
        "rust-toolchain*", "cargo.toml", ".cargo/", "clippy.toml", "taskfile*", "build", "build.bazel", "workspace", "workspace.bazel",
        "module.bazel", "*.bzl", ".bazelrc", ".bazelversion", "buck", ".buckconfig", "sconstruct", "sconscript", "wscript",
        "*.csproj", "*.vcxproj", "*.props", "*.targets", "*.sln", "global.json", "dune-project", "dune", "*.nimble", "xmake.lua", "premake*.lua",
        "gulpfile*", "gruntfile*", "webpack.*", "vite.config.*", "rollup.config.*", "esbuild.*", "next.config.*", "nuxt.config.*",
        "svelte.config.*", "astro.config.*", "babel.config.*", ".babelrc*", "postcss.config.*", "tailwind.config.*", "metro.config.*",
        ".eslintrc*", "eslint.config.*", ".prettierrc*", "prettier.config.*", ".stylelintrc*", "stylelint.config.*", "biome.json*",
        "tasks.py", "dodo.py", "fabfile.py", "*.pri", "*.pro", "procfile", "tiltfile", "skaffold.yaml", "vagrantfile", "magefile.go", "build.sh",
    ]),
    (Flag::TestSetup, &[
        "conftest.py", "pytest.ini", ".pytest.ini", "tox.ini", "noxfile.py", "sitecustomize.py", "usercustomize.py", "*.pth", "pyvenv.cfg",
        "jest.config.*", "jest.setup.*", "vitest.*", "karma.conf.*", "playwright.config.*", "cypress.config.*", ".mocharc*", ".nycrc*",
        "ava.config.*", "phpunit.xml*", ".rspec", "spec_helper.rb", "test_helper.rb", "nextest.toml", ".coveragerc", "mypy.ini", ".mypy.ini",
        ".pylintrc", "pylintrc", ".flake8", "ruff.toml", ".ruff.toml", "manage.py", ".venv/", "venv/", "site-packages/", "node_modules/",
    ]),
    (Flag::Container, &[
        "dockerfile*", "*.dockerfile", "containerfile*", "docker-compose*", "compose.yaml", "compose.yml", "compose.*.yml", "compose.*.yaml",
        "docker-bake.*", ".dockerignore", "*.service", "*.timer", "*.socket", "*.tf", "*.tfvars", "terragrunt.hcl", "ansible.cfg",
        "kustomization.y*", "chart.yaml", "helmfile.y*", "serverless.y*", "crontab", "fly.toml", "app.yaml", "pulumi.y*", "*.nomad",
    ]),
    (Flag::Lockfile, &[
        "package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock*", "deno.lock", "cargo.lock", "poetry.lock",
        "uv.lock", "pdm.lock", "pipfile*", "go.mod", "go.sum", "go.work*", "gemfile.lock", "composer.lock", "requirements*.txt",
        "constraints*.txt", "requirements*.in", "flake.lock", "mix.lock", "pubspec.lock", "podfile.lock", "package.resolved",
        "packages.lock.json", "gradle.lockfile", "conan.lock", "environment.y*", "conda-lock.yml", "pixi.*", "vendor/modules.txt",
    ]),
    (Flag::AgentConfig, &[
        "claude*.md", "agents*.md", "agent.md", "gemini*.md", "conventions.md", "skill.md", "copilot-instructions.md", ".mcp.json", "mcp.json",
        ".cursorrules", ".cursorignore", ".windsurfrules", ".clinerules*", ".roorules*", ".aider*", ".goosehints", ".rules", "opencode.json*",
        ".claude/", ".codex/", ".cursor/", ".gemini/", ".agents/", ".windsurf/", ".clinerules/", ".roo/", ".kiro/", ".continue/",
        ".amazonq/", ".opencode/", ".pi/", ".openclaw/", ".junie/", ".augment/", ".trae/", ".crush.json", "crush.json", ".bastide*",
    ]),
    (Flag::Library, &["*.so", "*.so.*", "*.dylib", "*.dll", "*.pyd", "*.node", "ld.so.preload", "*.jar", "*.pyc", "*.class", "*.wasm"]),
];

/// The flags of a path, by its names alone (without case, as some file systems see them) and the policy's guards.
/// `thing` is what stands there, or stood there before it was removed, with its mode.
pub fn flags(path: &Path, thing: (Node, u32), guards: &[PathBuf]) -> Vec<Flag> {
    let lower = |path: &Path| path.iter().map(|part| part.to_string_lossy().to_lowercase()).collect::<Vec<_>>();
    let parts = lower(path);
    let mut found: Vec<Flag> = PATTERNS
        .iter()
        .filter(|(_, patterns)| patterns.iter().any(|p| matches(p, &parts)))
        .map(|(flag, _)| *flag)
        .collect();
    if path.ancestors().any(git_alias) {
        found.push(Flag::Git);
    }
    if thing.0 == Node::File && thing.1 & 0o111 != 0 {
        found.push(Flag::Executable);
    }
    if guards.iter().any(|guard| guarded(&lower(guard), &parts, thing.0 == Node::Directory)) {
        found.push(Flag::Guarded);
    }
    found.sort();
    found
}

fn matches(pattern: &str, parts: &[String]) -> bool {
    if let Some((directory, name)) = pattern.split_once('/') {
        let at = parts.iter().position(|part| part == directory);
        return at.is_some_and(|at| name.is_empty() || parts.get(at + 1).is_some_and(|part| part == name));
    }
    let Some(name) = parts.last() else { return false };
    if let Some(middle) = pattern.strip_prefix('*').and_then(|rest| rest.strip_suffix('*')) {
        return name.contains(middle);
    }
    match pattern.split_once('*') {
        None => name == pattern,
        Some((head, tail)) => name.len() >= head.len() + tail.len() && name.starts_with(head) && name.ends_with(tail),
    }
}

/// A guard holds wherever its names stand in a row, so also in nested repositories. Whatever is no directory where a
/// guard's parent should be is guarded too: a link there would put something else in the guarded place.
fn guarded(guard: &[String], parts: &[String], directory: bool) -> bool {
    let beneath = parts.windows(guard.len().max(1)).any(|window| window == guard);
    let above = !directory && (1..guard.len()).any(|length| parts.ends_with(&guard[..length]));
    beneath || above
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str) -> Vec<Flag> {
        flags(Path::new(path), (Node::File, 0o644), &["a/guarded".into(), ".envrc".into()])
    }

    #[test]
    fn what_the_host_runs_is_flagged_wherever_it_lies_and_however_it_is_spelt() {
        for (path, flag) in [
            ("sub/MAKEFILE", Flag::Build),
            ("x/.GIT/config", Flag::Git),
            ("x/.git./config", Flag::Git),
            ("x/git~1/config", Flag::Git),
            ("x/.g\u{200c}it/config", Flag::Git),
            ("nested/.git/hooks/pre-push", Flag::Hook),
            ("lib/python3/site-packages/x.pth", Flag::TestSetup),
            ("package.json", Flag::PackageScript),
            ("Dockerfile.dev", Flag::Container),
            ("docs/AGENTS.md", Flag::AgentConfig),
            ("tsconfig.base.json", Flag::EditorTask),
            ("requirements-dev.txt", Flag::Lockfile),
            (".Envrc", Flag::Envrc),
            ("lib/libevil.so.1", Flag::Library),
            (".env.local", Flag::Envrc),
            ("deep/a/Guarded/x", Flag::Guarded),
            ("a", Flag::Guarded),
            ("deep/a", Flag::Guarded),
            ("deep/.envrc", Flag::Guarded),
        ] {
            assert!(of(path).contains(&flag), "{path}: {:?}", of(path));
        }
        for path in ["src/main.rs", "README.md", "a/other", "docs/guide.txt", "gitlab.md", "x/y.py"] {
            assert_eq!(of(path), [], "{path}");
        }
    }
}
