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

/// Patterns of names, lower case: `name`, `name*`, `*name`, `a*b`, `*name*`; `name/` for everything in such a directory, and
/// `name/name` for what lies in one itself.
#[rustfmt::skip]
const PATTERNS: &[(Flag, &[&str])] = &[
    (Flag::Hook, &[
        ".husky/", ".githooks/", "hooks/", ".lefthook/", ".overcommit/", "lefthook.*", ".lefthook.*", ".overcommit.yml",
        ".pre-commit-config.yaml", ".pre-commit-config.yml", ".pre-commit-hooks.yaml", "prek.toml", ".gitattributes",
        ".gitmodules", ".gitconfig", ".hgrc", ".lintstagedrc*", "lint-staged.config.*", ".huskyrc*", ".simple-git-hooks*",
        // Other version control: hooks and commands stand in what the directory itself holds.
        ".hg/", ".hgsub", ".hgsubstate", ".jj/", ".sl/", ".svn/", ".bzr/", "_darcs/", ".pijul/", ".fslckout", "_fossil_",
        ".fossil-settings/", ".repo/", ".west/", ".gclient*", ".mrconfig",
    ]),
    (Flag::RcFile, &[
        ".bashrc", ".bash_*", ".zshrc", ".zshenv", ".zprofile", ".zlogin", ".profile", ".login", ".cshrc", ".tcshrc",
        ".kshrc", ".inputrc", "config.fish", ".npmrc", ".yarnrc*", ".pnpmfile.*", "bunfig.toml", ".bunfig.toml", ".vimrc",
        ".gvimrc", ".exrc", ".nvimrc", ".nvim.lua", ".dir-locals*.el", ".emacs*", "_vimrc", ".gdbinit", ".lldbinit",
        ".netrc", ".curlrc", ".wgetrc", ".screenrc", ".tmux.conf", ".psqlrc", ".sqliterc", ".irbrc", ".pryrc", ".pythonrc*",
        ".pypirc", "pip.conf", "pip.ini", ".condarc", ".gemrc", ".sbtopts", ".jvmopts", ".ssh/", ".gnupg/", ".aws/",
        ".kube/", ".docker/", ".config/", ".local/", "*.desktop", ".rsyncd*", ".editrc", ".mailrc", ".xinitrc", ".xprofile",
        // Shells and logins.
        ".zlogout", ".logout", ".mkshrc", ".yashrc", ".xonshrc", ".xsession*", ".pam_environment", ".login_conf", ".rhosts",
        ".shosts", ".k5login", ".forward", ".procmailrc", "config.nu", "env.nu",
        // An interpreter, compiler or debugger runs or obeys it where it is started.
        ".rprofile", ".renviron", ".rdata", "startup.m", ".octaverc", "startup.jl", ".ghci", ".ghc.environment*", ".iex.exs",
        ".erlang*", ".ocamlinit", ".psysh.php", ".perldb", "perldb.ini", ".pdbrc*", ".byebugrc", ".rdbgrc", ".jdbrc",
        "jdb.ini", "jupyter_*", "ipython_*", "profile_default/", ".nrepl.edn", "maxima-init.*", ".gnuplot", ".latexmkrc",
        "latexmkrc", "texmf.cnf", ".arararc*", "araraconfig*", ".ctags*", ".ackrc", ".lazygit.yml", ".vimrc.*", ".lvimrc",
        ".lazy.lua", ".bundle/", ".bazeliskrc", ".sbtrc", ".mill-*",
        // A web server or a desktop obeys it where it lies.
        ".htaccess", ".user.ini", "php.ini", "web.config", ".directory", "desktop.ini", "autorun*", ".autorun", "*.lnk",
        "*.url", "*.scf", "*.library-ms", "*.inetloc", "*.fileloc", "*.terminal", "*.command",
    ]),
    (Flag::Envrc, &[
        ".envrc", ".env", ".env.*", "mise.toml", ".mise.toml", "mise.*.toml", ".mise*", ".tool-versions", ".asdfrc", ".python-version",
        ".ruby-version", ".node-version", ".nvmrc", ".java-version", ".sdkmanrc", ".terraform-version", "devenv.nix",
        "flake.nix", "shell.nix", "default.nix", "devbox.json", ".autoenv*", ".autoenv.zsh", ".direnv/", ".in", ".out",
        ".*-version", ".rvmrc", ".ruby-gemset", ".rbenv-*", ".prototools", ".rtx*", ".venv", ".shadowenv.d/", ".ondirrc",
        "devenv.*", "devshell.toml", "guix.scm", "manifest.scm", "channels.scm", ".guix*",
    ]),
    (Flag::EditorTask, &[
        ".vscode/", ".idea/", ".zed/", ".fleet/", ".devcontainer/", ".devcontainer.json", "*.code-workspace", "*.sublime-project",
        ".nova/", ".vs/", ".settings/", ".project", ".helix/", ".nvim/", ".vim/", "*.iml", "tsconfig*.json", "jsconfig*.json",
        ".editorconfig", ".clangd", "compile_commands.json", ".gitpod.yml", ".theia/", ".eclipse/",
        ".gitpod*", ".run/", "*.launch", ".classpath", ".factorypath", "nbproject/", "*.sublime-*", ".vimspector.json",
        ".kateproject*", ".kdev4/", "*.kdev4", "*.geany", "*.cbp", "*.pro.user*", "*.xcscheme", ".metals/", ".bloop/",
        // What a language's server runs on opening a file.
        ".ycm_extra_conf.py", ".ccls", "compile_flags.txt", "hie.yaml", ".merlin", ".luarc.json*", "rust-analyzer.toml",
        ".rust-analyzer.toml", "omnisharp.json", ".solargraph.yml", "analysis_options.yaml",
        // Workspaces of others.
        ".replit", "replit.nix", ".idx/", ".stackblitzrc", ".codesandbox/", "devfile.yaml", ".devfile.yaml", ".ona/",
    ]),
    (Flag::Ci, &[
        ".github/", ".gitlab/", ".gitea/", ".forgejo/", ".circleci/", ".ci/", ".buildkite/", ".woodpecker/", ".teamcity/", ".tekton/",
        ".gitlab-ci*", "jenkinsfile*", ".travis.yml", "azure-pipelines*", ".drone.*", ".appveyor.yml", "appveyor.yml",
        "bitbucket-pipelines.yml", "cloudbuild.*", ".woodpecker*", "codemagic.yaml", "renovate*", ".renovaterc*", ".cirrus.*",
        ".semaphore/", "netlify.toml", "vercel.json", "wercker.yml", "codefresh.yml", "buildspec*.yml", "earthfile", "codeowners",
        ".build.yml", ".builds/", ".azure-pipelines/", ".azuredevops/", ".pipelines/", ".harness/", ".buddy/", ".zuul.*",
        ".zuul.d/", "zuul.d/", "bitrise.yml", ".prow.yaml", ".mergify*", ".readthedocs.y*", ".releaserc*", "screwdriver.yaml",
        ".vela.yml", "dagger.json", "atlantis.yaml", ".goreleaser.*", "amplify.yml",
    ]),
    (Flag::PackageScript, &[
        "package.json", "composer.json", "setup.py", "setup.cfg", "pyproject.toml", "gemfile", "rakefile", "*.gemspec", "*.rake",
        "guardfile", "podfile", "mix.exs", "deno.json*", "pubspec.yaml", "package.swift", "pdm.toml", "hatch.toml",
        "pnpm-workspace.yaml", "lerna.json", "nx.json", "turbo.json", ".pnp.*", ".yarn/", "project.clj", "dub.json", "*.cabal",
        "stack.yaml", "*.nuspec", "nuget.config", "*.podspec", "rebar.config", "conanfile.*", "vcpkg.json", "*.opam",
        "build.pl", "makefile.pl", "cpanfile", "alienfile", "dist.ini", "minil.toml", "gems.rb", "*.thor", "thorfile", "brewfile",
        "berksfile", "cartfile", "mintfile", "setup.hs", "setup.lhs", "package.yaml", "cabal.project*", "rebar.config.*",
        "binding.gyp", "*.gyp", "*.gypi", ".bowerrc", "bower.json", "profiles.clj", "deps.edn", "bb.edn", "shadow-cljs.edn",
        "build.boot", "pubspec_overrides.yaml", "melos.yaml", "*.rockspec", "uv.toml", "renv/", "packrat/", "localpreferences.toml",
        "opam", "west.yml", "cargo-generate.toml", "platformio.ini", "cask", "eask",
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
        // The Java world's.
        "*.sbt", "project/*.scala", "project/*.java", "build.properties", "build.sc", "build.mill*", "mill", "project.scala", "*.kts",
        "local.properties", "ivy*.xml", ".scalafix.conf", "*.bazel", "*.bazelrc", "tools/bazel", ".buckconfig*", "pants*", ".plzconfig*",
        // Ruby's, Python's, PHP's.
        "fastfile", "fastlane/", "appfile", "matchfile", "dangerfile*", "capfile", "config.ru", "conf.py", "mkdocs.y*", "build.py",
        "toxfile.py", "pavement.py", "duties.py", "gunicorn.conf.py", "snakefile", "nextflow.config", "*.spec", "robofile.php",
        "castor.php", "deploy.php", "rector.php",
        // Of C, Swift, Haskell, OCaml, Elixir, Lua, R, Julia, Rust, Go.
        "*.ninja", "tupfile*", "tuprules.tup", "jamfile*", "jamroot*", "jamrules*", "kbuild", "kconfig*", "*.xcodeproj/", "*.xcworkspace/",
        "*.xcconfig", "tuist/", "project.yml", "shakefile.hs", "dune-workspace", "_tags", "myocamlbuild.ml", ".*.exs", "config.ld",
        "build.lua", "_targets.r", "*.rproj", "build.jl", "cross.toml", "bacon.toml", "trunk.toml", "dioxus.toml", "buf.gen.yaml",
        "*.fsproj", "*.vbproj", "*.proj", "*.slnx", "*.rsp", "*.cake", "build.yaml",
        // JavaScript's: what is named a configuration is a program. What watches files runs what it is told.
        "*.config.js", "*.config.mjs", "*.config.cjs", "*.config.ts", "*.config.mts", "*.config.cts", "*.conf.js", "*.conf.ts",
        "nodemon.json", ".nodemon*", ".swcrc", ".postcssrc*", ".parcelrc", ".umirc*", ".commitlintrc*", ".eleventy.js", "gatsby-*",
        "ember-cli-build.js", ".ember-cli*", "angular.json", "project.json", "jakefile*", "cakefile", "truffle-config.js",
        "tauri.*", "electron-builder.*", ".air.toml", "modd.conf", "procfile*", ".foreman", ".overmind*",
    ]),
    (Flag::TestSetup, &[
        "conftest.py", "pytest.ini", ".pytest.ini", "tox.ini", "noxfile.py", "sitecustomize.py", "usercustomize.py", "*.pth", "pyvenv.cfg",
        "jest.config.*", "jest.setup.*", "vitest.*", "karma.conf.*", "playwright.config.*", "cypress.config.*", ".mocharc*", ".nycrc*",
        "ava.config.*", "phpunit.xml*", ".rspec", "spec_helper.rb", "test_helper.rb", "nextest.toml", ".coveragerc", "mypy.ini", ".mypy.ini",
        ".pylintrc", "pylintrc", ".flake8", "ruff.toml", ".ruff.toml", "manage.py", ".venv/", "venv/", "site-packages/", "node_modules/",
        ".proverc", ".rubocop*", ".simplecov", ".busted", ".luacheckrc", ".lintr", ".golangci.*", ".swiftlint.yml", "phpstan*.neon*",
        "phpcs.xml*", ".phpcs.xml*", ".php-cs-fixer*", ".php_cs*", "psalm.xml*", "grumphp.yml", "pytest.toml", ".pytest.toml",
        "locustfile.py", ".taprc", ".c8rc*", ".testcaferc*", "cypress.json", "kitchen.yml", ".kitchen*",
    ]),
    (Flag::Container, &[
        "dockerfile*", "*.dockerfile", "containerfile*", "docker-compose*", "compose.yaml", "compose.yml", "compose.*.yml", "compose.*.yaml",
        "docker-bake.*", ".dockerignore", "*.service", "*.timer", "*.socket", "*.tf", "*.tfvars", "terragrunt.hcl", "ansible.cfg",
        "kustomization.y*", "chart.yaml", "helmfile.y*", "serverless.y*", "crontab", "fly.toml", "app.yaml", "pulumi.y*", "*.nomad",
        "serverless.*", "*.tofu", "*.tf.json", ".terraform/", ".terraformrc", "terragrunt*.hcl", "*.pkr.hcl", ".chef/", "knife.rb",
        "policyfile.rb", "puppetfile", "wrangler.*", "firebase.json", "cdk.json", "cdktf.json", "samconfig.toml", "app.json",
        "caddyfile", "supervisord.conf", "monitrc", ".monitrc", "devspace.yaml", "garden.y*", "okteto.y*", "werf.yaml",
    ]),
    (Flag::Lockfile, &[
        "package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock*", "deno.lock", "cargo.lock", "poetry.lock",
        "uv.lock", "pdm.lock", "pipfile*", "go.mod", "go.sum", "go.work*", "gemfile.lock", "composer.lock", "requirements*.txt",
        "constraints*.txt", "requirements*.in", "flake.lock", "mix.lock", "pubspec.lock", "podfile.lock", "package.resolved",
        "packages.lock.json", "gradle.lockfile", "conan.lock", "environment.y*", "conda-lock.yml", "pixi.*", "vendor/modules.txt",
        "gems.locked", "rebar.lock", "renv.lock", ".terraform.lock.hcl", "buf.lock", "cabal.project.freeze",
    ]),
    (Flag::AgentConfig, &[
        "claude*.md", "agents*.md", "agent.md", "gemini*.md", "conventions.md", "skill.md", "copilot-instructions.md", ".mcp.json", "mcp.json",
        ".cursorrules", ".cursorignore", ".windsurfrules", ".clinerules*", ".roorules*", ".aider*", ".goosehints", ".rules", "opencode.json*",
        ".claude/", ".codex/", ".cursor/", ".gemini/", ".agents/", ".windsurf/", ".clinerules/", ".roo/", ".kiro/", ".continue/",
        ".amazonq/", ".opencode/", ".pi/", ".openclaw/", ".junie/", ".augment/", ".trae/", ".crush.json", "crush.json", ".bastide*",
        ".agent/", ".cline/", ".kilocode*", ".roomodes", ".qwen/", "qwen.md", ".iflow/", ".factory/", ".goose/", ".crush/", "crush.md",
        ".warp/", "warp.md", ".copilot/", ".rovodev/", ".zencoder/", ".claude-plugin/", "hooks/hooks.json",
        // What OpenClaw reads of its workspace into each conversation, does again and again, or runs.
        "soul.md", "heartbeat.md", "bootstrap.md", "identity.md", "memory.md", "user.md", "tools.md", "hook.md",
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
    match pattern.split_once('/') {
        Some((directory, "")) => parts.iter().any(|part| named(directory, part)),
        Some((directory, name)) => parts.windows(2).any(|two| named(directory, &two[0]) && named(name, &two[1])),
        None => parts.last().is_some_and(|name| named(pattern, name)),
    }
}

fn named(pattern: &str, name: &str) -> bool {
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

    /// What `why --file` and the tests of a policy say of a path is what becomes of it.
    #[test]
    fn a_policy_says_of_a_path_that_it_is_guarded_where_a_merge_holds_it_back() {
        let path = |path: &str| policy::CanonicalPath::parse(path).expect("a path");
        let (workspace, home) = (path("/w"), path("/home/u"));
        let place = policy::Place { workspace: &workspace, home: &home, mode: policy::WorkspaceMode::Review };
        let guards = ["a/guarded", ".envrc"];
        let mut own = policy::Policy::default();
        own.files.guard = guards.iter().map(|guard| (*guard).to_owned()).collect();
        let guards: Vec<PathBuf> = guards.iter().map(PathBuf::from).collect();
        for (name, held) in [
            ("a/guarded", true),
            ("deep/a/Guarded/x", true),
            ("x/.ENVRC", true),
            (".envrc/x/y", true),
            ("a/x/guarded", false),
            ("guarded/b", false),
            ("x.envrc", false),
        ] {
            let said = policy::file(&own, &place, &path(&format!("/w/{name}"))).guarded.is_some();
            let found = flags(Path::new(name), (Node::File, 0o644), &guards).contains(&Flag::Guarded);
            assert_eq!((said, found), (held, held), "{name}");
        }
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
            ("HEARTBEAT.md", Flag::AgentConfig),
            ("hooks/on-start/HOOK.md", Flag::AgentConfig),
            ("plugin/.claude-plugin/plugin.json", Flag::AgentConfig),
            ("plugin/hooks/hooks.json", Flag::AgentConfig),
            ("tsconfig.base.json", Flag::EditorTask),
            ("requirements-dev.txt", Flag::Lockfile),
            (".Envrc", Flag::Envrc),
            ("lib/libevil.so.1", Flag::Library),
            (".env.local", Flag::Envrc),
            ("deep/a/Guarded/x", Flag::Guarded),
            ("a", Flag::Guarded),
            ("deep/a", Flag::Guarded),
            ("deep/.envrc", Flag::Guarded),
            (".hg/hgrc", Flag::Hook),
            ("sub/.jj/repo/config.toml", Flag::Hook),
            (".svn", Flag::Hook),
            (".Rprofile", Flag::RcFile),
            (".latexmkrc", Flag::RcFile),
            (".iex.exs", Flag::RcFile),
            (".ocamlinit", Flag::RcFile),
            (".go-version", Flag::Envrc),
            ("build.sbt", Flag::Build),
            ("project/plugins.sbt", Flag::Build),
            ("sub/project/Anything.scala", Flag::Build),
            ("project/build.properties", Flag::Build),
            ("App.xcodeproj/project.pbxproj", Flag::Build),
            ("nodemon.json", Flag::Build),
            ("drizzle.config.ts", Flag::Build),
            ("Build.PL", Flag::PackageScript),
            ("native/binding.gyp", Flag::PackageScript),
            ("ios/fastlane/Fastfile", Flag::Build),
            (".rubocop.yml", Flag::TestSetup),
        ] {
            assert!(of(path).contains(&flag), "{path}: {:?}", of(path));
        }
        for path in [
            "src/main.rs",
            "README.md",
            "a/other",
            "docs/guide.txt",
            "gitlab.md",
            "x/y.py",
            "project/x/y.scala",
            "a.ts",
        ] {
            assert_eq!(of(path), [], "{path}");
        }
    }
}
