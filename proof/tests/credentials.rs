//! Real clients with a credential that none of them has: each logs in, with one of its own making, and the server gets
//! the vault's in its place.

use std::fs;
use std::path::Path;

use crate::whole::Operator;
use crate::whole::origin::{Asked, Origin, answer, git};
use crate::whole::scene::{BASIC, BEARER, Scene, files, host, place};
use serde_json::json;

#[test]
fn curl_python_and_node_bring_the_vaults_token() {
    for operator in Operator::each() {
        let scene = Scene::new(operator, BEARER, Box::new(|_| answer("200 OK", "", b"ok")));
        let ran = scene.run(
            &[],
            "curl -sS -H 'Authorization: Bearer bogus' $u/in/curl; curl -sS -u bogus:bogus -d a=b $u/in/curl/user; \
             curl -sS -x http://bogus:bogus@proxy.bastide:3128 --oauth2-bearer bogus $u/in/curl/proxy; \
             python3 -c \"import urllib.request as r; \
             q = r.Request('$u/in/python', headers={'Authorization': 'bogus', 'X-Api-Key': 'bogus'}); \
             print(end=r.urlopen(q).read().decode())\"; \
             node -e \"fetch('$u/in/node', {headers: {Authorization: 'bogus', 'X-Api-Key': 'bogus'}}) \
             .then(answer => answer.text()).then(text => process.stdout.write(text))\"",
        );
        assert_eq!((ran.exit, ran.stdout.as_str()), (0, "okokokokok"), "{ran:?}");
        let expected = ["GET /in/curl", "POST /in/curl/user", "GET /in/curl/proxy", "GET /in/python", "GET /in/node"];
        assert_eq!(scene.targets(), expected);
        assert_eq!(scene.asked()[1].body, b"a=b");
    }
}

#[test]
fn git_clones_and_pushes_with_the_vaults_password() {
    for operator in Operator::each() {
        let room = place();
        let (seed, bare) = (room.path().join("seed"), room.path().join("in/repo.git"));
        let (seed, bare) = (seed.to_string_lossy().into_owned(), bare.to_string_lossy().into_owned());
        let commit = ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "once"];
        host("git", &["init", "-q", "-b", "main", &seed]);
        host("git", &[&["-C", &seed], &commit[..]].concat());
        host("git", &["clone", "-q", "--bare", &seed, &bare]);
        let root = room.path().to_owned();
        let scene = Scene::new(operator, BASIC, Box::new(move |asked| git(&root, asked)));
        // One of its own in the address, and one that goes along with every request.
        let ran = scene.run(
            &[],
            "export GIT_TERMINAL_PROMPT=0; git config --global http.extraHeader 'Authorization: Basic Ym9ndXM6'; \
             git clone -q https://bogus:bogus@$at/in/repo.git clone; cd clone; git config user.name a; \
             git config user.email a@b; head -c 3000000 /dev/urandom >big; git add big; git commit -qm twice; \
             git push -q origin main; git fetch -q; git log --format=%s origin/main",
        );
        assert_eq!((ran.exit, ran.stdout.as_str()), (0, "twice\nonce\n"), "{ran:?}");
        assert_eq!(host("git", &["-C", &bare, "log", "--format=%s", "main"]), "twice\nonce\n");
        let targets = scene.targets().join("\n");
        assert!(targets.contains("POST /in/repo.git/git-receive-pack"), "{targets}");
    }
}

/// What the checks of `works` install: npm's `works-leaf`, and Python's `works-top`, which needs another.
fn packages(into: &Path) {
    let make = "import sys; sys.path.append('works'); import serve; serve.wheels(sys.argv[1]); \
                open(sys.argv[1] + '/leaf.tgz', 'wb').write(serve.npm_package('works-leaf')[1])";
    host("python3", &["-B", "-c", make, &into.to_string_lossy()]);
}

#[test]
fn npm_views_and_installs_with_the_vaults_token() {
    for operator in Operator::each() {
        let room = place();
        packages(&room.path().join("in"));
        let scene = Scene::new(operator, BEARER, files(room.path()));
        let tarball = format!("https://{}/in/leaf.tgz", scene.origin.place);
        let version = json!({"name": "works-leaf", "version": "1.0.0", "dist": {"tarball": tarball}});
        let tags = json!({"latest": "1.0.0"});
        let document = json!({"name": "works-leaf", "dist-tags": tags, "versions": {"1.0.0": version}});
        fs::write(room.path().join("in/works-leaf"), document.to_string()).expect("written");
        let ran = scene.run(
            &[],
            "printf '//%s/in/:_authToken=bogus\\nregistry=%s/in/\\n' $at $u >~/.npmrc; \
             printf 'update-notifier=false\\naudit=false\\n' >>~/.npmrc; \
             npm view works-leaf version; npm install --silent --no-fund works-leaf; node -p \"require('works-leaf')\"",
        );
        assert_eq!(ran.exit, 0, "{ran:?}");
        assert!(ran.stdout.starts_with("1.0.0\n") && ran.stdout.ends_with("\nleaf\n"), "{ran:?}");
        let mut targets = scene.targets();
        targets.sort();
        targets.dedup();
        assert_eq!(targets, ["GET /in/leaf.tgz", "GET /in/works-leaf"]);
    }
}

#[test]
fn pip_installs_with_the_vaults_password() {
    // To make an environment with pip takes seconds, so it is made once, outside, and read in.
    let room = place();
    let venv = room.path().join("venv").to_string_lossy().into_owned();
    host("/usr/bin/python3", &["-m", "venv", &venv]);
    packages(&room.path().join("in"));
    for name in ["leaf", "top"] {
        let index = room.path().join(format!("in/simple/works-{name}"));
        fs::create_dir_all(&index).expect("made");
        let link = format!("<a href=\"../../works_{name}-1.0-py3-none-any.whl\">works_{name}-1.0</a>");
        fs::write(index.join("index"), link).expect("written");
    }
    for operator in Operator::each() {
        let scene = Scene::new(operator, BASIC, files(room.path()));
        let script = format!(
            "{venv}/bin/pip install -q --disable-pip-version-check --no-cache-dir --target new --index-url \
             https://bogus:bogus@$at/in/simple works-top; PYTHONPATH=new python3 -c 'import works_top as t; t.main()'"
        );
        let ran = scene.run(&["--read", &venv], &script);
        assert_eq!((ran.exit, ran.stdout.as_str()), (0, "top of leaf\n"), "{ran:?}");
        let expected = ["simple/works-top/", "works_top-1.0-py3-none-any.whl", "simple/works-leaf/"];
        assert_eq!(scene.targets()[..3], expected.map(|path| format!("GET /in/{path}")));
        assert_eq!(scene.targets().len(), 4);
    }
}

#[test]
fn a_redirect_takes_it_nowhere_else() {
    for operator in Operator::each() {
        let other = Origin::new(Box::new(|_| answer("200 OK", "", b"other")));
        let elsewhere = other.place.clone();
        let redirect = move |asked: &Asked| {
            let to = if asked.target == "/in/to/path" { "/out/x" } else { &format!("https://{elsewhere}/in/x") };
            answer("302 Found", &format!("Location: {to}\r\n"), b"")
        };
        let scene = Scene::new(operator, BEARER, Box::new(redirect));
        let (place, elsewhere) = (&scene.origin.place, &other.place);
        // The binding is narrower than the rule: `/out/` is allowed, and the secret is not for it.
        let rules = format!(
            "{{to: \"{place}\", paths: [/in/**, /out/**], credential: key}}, {{to: \"{elsewhere}\", paths: [/in/**]}}"
        );
        let ran = scene.run_by(
            &rules,
            &other.roots,
            &[],
            "curl -sSL --location-trusted $u/in/to/other; \
             python3 -c \"import urllib.request as r; print(r.urlopen('$u/in/to/other').read().decode())\"; \
             curl -sSL -w ' %{http_code}\\n' $u/in/to/path; for path in out/x in/../out/x in/%2e%2e/out/x in%2fx; do \
             curl -sS --path-as-is -o /dev/null -w '%{http_code}\\n' $u/$path; done",
        );
        assert!(ran.exit == 0 && ran.stdout.starts_with("otherother\n"), "{ran:?}");
        assert!(ran.stdout.contains("bound to another destination or path"), "{ran:?}");
        let statuses: Vec<&str> = ran.stdout.lines().rev().take(5).collect();
        assert!(statuses.iter().all(|status| ["400", "403"].contains(&status.trim())), "{ran:?}");
        let got = other.asked();
        assert!(got.len() == 2 && got.iter().all(|asked| asked.all("authorization").is_empty()), "{got:?}");
        assert!(!format!("{got:?}").contains("hunter2"), "{got:?}");
        assert_eq!(scene.targets(), ["GET /in/to/other", "GET /in/to/other", "GET /in/to/path"]);
        // A rule that would lend it elsewhere starts nothing.
        let wide = format!("{{to: \"{elsewhere}\", paths: [/in/**], credential: key}}");
        let ran = scene.run_by(&wide, &other.roots, &[], "echo ran");
        assert!(ran.exit == 125 && ran.stdout.is_empty() && ran.stderr.contains("E-PLANE-059"), "{ran:?}");
    }
}
