"""Hosts that lack something: directories, control groups, namespaces, Landlock, IPv6, resources."""

import os
import resource
import subprocess

from case import case, require

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def refuse(stage, *what):
    """A wrapper under whose filter the kernel refuses what is named."""
    built = stage.path("refuse")
    if not os.path.exists(built):
        subprocess.run(["cc", "-O1", "-o", built, os.path.join(HERE, "refuse.c")], check=True)
        os.chmod(built, 0o755)
    return [built, *what, "--"]


def hidden(*commands):
    """A wrapper in a mount namespace of its own, in which the commands were run."""
    return ["unshare", "-m", "--propagation", "private", "/bin/sh", "-ec", "\n".join([*commands, 'exec "$@"']), "sh"]


# A root without /tmp: everything but it bound into a memory file system, which then becomes the root.
BARE = """mount -t tmpfs none /mnt; cd /mnt
for entry in /*; do
  case $entry in /tmp|/mnt|/srv|/swapfile) continue;; esac
  if [ -L "$entry" ]; then cp -P "$entry" "/mnt$entry"
  elif [ -d "$entry" ]; then mkdir "/mnt$entry"; mount --rbind "$entry" "/mnt$entry"; fi
done
mkdir -p srv/base srv/programs old; mount --bind {base} srv/base; mount --bind {programs} srv/programs
pivot_root . old; umount -l /old; rmdir /old; cd /srv/base/work; [ ! -e /tmp ]"""
# The same root with a /tmp that nobody may write to.
CLOSED = """mount -t tmpfs none /mnt; mkdir /mnt/keep; mount --bind {base} /mnt/keep
mkdir -p /mnt/programs; mount --bind {programs} /mnt/programs
mount -t tmpfs -o mode=0755 none /tmp; mkdir -p {base}; mount --move /mnt/keep {base}
mount -o remount,ro /tmp; ! touch /tmp/x 2>/dev/null; cd {base}/work"""


@case("no-tmp")
def no_tmp(stage):
    """A host without /tmp, or with one that nobody may write to: a session does not need it."""
    programs = os.path.dirname(stage.bastide)
    there = {"base": stage.base, "programs": programs}
    inside = "echo RAN; echo x > /tmp/inside && echo WRITTEN"
    done = stage.run(["/srv/programs/bastide", "run", "--", "/bin/bash", "-c", inside], wrap=hidden(BARE.format(**there)),
                     env={"HOME": "/srv/base/home", "XDG_STATE_HOME": "/srv/base/state"})
    require(done.code == 0 and "WRITTEN" in done.out, "without /tmp:", done)
    bastide = "/mnt/programs/bastide"
    done = stage.run([bastide, "run", "--", "/bin/bash", "-c", inside], wrap=hidden(CLOSED.format(**there)))
    require(done.code == 0 and "WRITTEN" in done.out, "with a closed /tmp:", done)
    stage.clean()


@case("home")
def home(stage):
    """HOME that is unset, missing, or may not be written to."""
    told = []
    done = stage.cell("echo RAN", env={"HOME": None, "XDG_STATE_HOME": None})
    stage.not_run(done, "HOME")
    done = stage.cell("echo RAN", env={"HOME": None})
    require(done.code == 0 or "HOME" in done.err, "unset, and not told so:", done)
    for name, value in (("missing", stage.path("nobody")), ("relative", "home"), ("empty", "")):
        done = stage.cell("echo RAN", env={"HOME": value})
        require(done.code == 0 and "RAN" in done.out or done.code == 125 and "HOME" in done.err, f"{name}:", done)
        told.append(f"{name}: {done.code}")
        done = stage.cell("echo RAN", env={"HOME": value, "XDG_STATE_HOME": None})
        if name in ("relative", "empty"):
            stage.not_run(done, "HOME")
        told.append(f"{name}, state in it: {done.code}")
    if stage.uid:
        closed = stage.directory("closed", 0o555)
        os.chown(closed, 0, 0)
        stage.not_run(stage.cell("echo RAN", env={"HOME": closed, "XDG_STATE_HOME": None}), "Permission denied")
    stage.clean()
    stage.starts()
    return "; ".join(told)


@case("state-home")
def state_home(stage):
    """XDG_STATE_HOME that is relative, somebody else's, open to all, a file, or a link."""
    done = stage.cell("echo RAN", env={"XDG_STATE_HOME": "relative"})
    require(done.code == 0 and not os.path.exists(os.path.join(stage.workspace, "relative")), "relative:", done)
    require(os.path.isdir(os.path.join(stage.home, ".local/state/bastide/sessions")), "not in HOME:", done)
    wide = stage.directory("wide", 0o777)
    done = stage.cell("echo RAN", env={"XDG_STATE_HOME": wide})
    require(done.code == 0, "0777:", done)
    mode = os.stat(os.path.join(wide, "bastide")).st_mode & 0o777
    require(mode == 0o700, "the state is open:", oct(mode))
    os.chmod(os.path.join(wide, "bastide"), 0o777)
    done = stage.cell("echo RAN", env={"XDG_STATE_HOME": wide})
    mode = os.stat(os.path.join(wide, "bastide")).st_mode & 0o777
    require(done.code in (0, 125) and mode == 0o700 or done.code == 125, "stays open:", done, oct(mode))
    other = stage.directory("other", 0o755)
    made = os.path.join(other, "bastide")
    for part in ("", "sessions", "homes", "running"):
        os.makedirs(os.path.join(made, part), exist_ok=True)
        os.chown(os.path.join(made, part), 54321, 54321)
        os.chmod(os.path.join(made, part), 0o777)
    stage.not_run(stage.cell("echo RAN", env={"XDG_STATE_HOME": other}), "belongs to somebody else")
    stage.write("file", "", base=stage.base)
    stage.not_run(stage.cell("echo RAN", env={"XDG_STATE_HOME": stage.path("file")}), "file")
    link = stage.directory("link")
    os.symlink(made, os.path.join(link, "bastide"))
    stage.not_run(stage.cell("echo RAN", env={"XDG_STATE_HOME": link}), "somebody else")
    stage.clean()
    stage.starts()


@case("no-control-groups")
def groups(stage):
    """Limits that nothing holds are printed as partial."""
    done = stage.cell("echo RAN", wrap=hidden("mount -t tmpfs -o ro none /sys/fs/cgroup"))
    require(done.code == 0 and "limited in part" in done.err and "memory" in done.err, "not told:", done)
    stage.clean()


@case("no-user-namespaces")
def namespaces(stage):
    """The kernel, a limit or a filter refuses user namespaces."""
    done = stage.run([*refuse(stage, "userns"), stage.bastide, "run", "--", "/bin/echo", "RAN"])
    stage.not_run(done, "user-namespace" if stage.uid else "host-uid", "bastide doctor")
    doctor = stage.run([*refuse(stage, "userns"), stage.bastide, "doctor"])
    require(doctor.code not in (0, None) and "user" in doctor.out + doctor.err, "doctor does not tell:", doctor)
    # In a user namespace of the test's own no other one may be made: the sysctl is that namespace's.
    limited = ["unshare", "-U", "-r", "/bin/sh", "-c", 'echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"', "sh"]
    done = stage.run([*limited, stage.bastide, "run", "--", "/bin/echo", "RAN"])
    stage.not_run(done)
    stage.clean()
    stage.starts()


@case("no-landlock")
def landlock(stage):
    done = stage.run([*refuse(stage, "landlock"), stage.bastide, "run", "--", "/bin/echo", "RAN"])
    stage.not_run(done, "landlock", "--accept-risk without-landlock")
    done = stage.run([*refuse(stage, "landlock"), stage.bastide, "run", "--accept-risk", "without-landlock", "--",
                      "/bin/echo", "RAN"])
    require(done.code == 0 and "RAN" in done.out and "does not hold: landlock" in done.err, "accepted by name:", done)
    stage.clean()


@case("no-ipv6")
def ipv6(stage):
    done = stage.run([*refuse(stage, "inet6"), stage.bastide, "run", "--", "/bin/echo", "RAN"])
    if done.code != 0:
        stage.not_run(done)
    stage.clean()
    return f"exit {done.code}"


@case("no-seccomp")
def seccomp(stage):
    """A filter that lets no other be installed."""
    done = stage.run([*refuse(stage, "seccomp"), stage.bastide, "run", "--", "/bin/echo", "RAN"])
    stage.not_run(done, "seccomp")
    stage.clean()


@case("tiny-resources")
def tiny(stage):
    """Under any limit of resources nothing is run, or it runs; never half of it, never a hang."""
    told = []
    kinds = [("NOFILE", resource.RLIMIT_NOFILE, (3, 4, 5, 8, 12, 16, 20, 24, 32, 64)),
             ("FSIZE", resource.RLIMIT_FSIZE, (0, 1024, 4096, 65536)),
             ("STACK", resource.RLIMIT_STACK, (65536, 1 << 20)),
             ("AS", resource.RLIMIT_AS, (1 << 24, 1 << 26, 1 << 28))]
    if stage.uid:
        kinds.append(("NPROC", resource.RLIMIT_NPROC, (1, 2, 3, 4, 6, 16)))
    for name, which, values in kinds:
        codes = []
        for value in values:
            done = stage.cell("echo RAN", limits=[(which, value)])
            codes.append(done.code)
            require(done.code is not None, f"hangs under {name}={value}:", done)
            # A client that cannot even be loaded ends by the kernel's signal, or its loader's code.
            early = done.code < 0 or done.code in (127, 134, 139) and not done.err.startswith("error[")
            if "RAN" not in done.out and not early:
                require(done.code == 125 and done.err.strip(), f"not told under {name}={value}:", done)
            stage.clean(verify=False)
        told.append(f"{name} {dict(zip(values, codes))}")
    stage.verify()
    stage.starts()
    return "; ".join(told)
