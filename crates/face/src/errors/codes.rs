//! The long explanations of the client's own codes. The other programs' codes are explained by the plane.

/// The explanation of one of the client's codes.
#[must_use]
pub fn explain(code: &str) -> Option<&'static str> {
    CODES.iter().find(|(known, _)| *known == code).map(|(_, text)| *text)
}

/// Every code of the client.
pub(super) const CODES: &[(&str, &str)] = &[
    (
        "E-FACE-001",
        "E-FACE-001: cannot start the plane

The command only asks; `bastided` does. It was not found beside the command,
or could not be started. Nothing was run and nothing was changed.

hint: `ls \"$(dirname \"$(command -v bastide)\")\"` shows whether it is there
",
    ),
    (
        "E-FACE-002",
        "E-FACE-002: no such error code or verb

Codes look like E-FACE-001 and stand in brackets behind `error`.

hint: `bastide --help` lists the verbs
",
    ),
    (
        "E-FACE-003",
        "E-FACE-003: the plane ended without an answer

`bastided` was killed, or crashed. A session that it held has ended with it: a
cell does not outlive its plane. What the program had written is kept. The exit
code is 137 where a program ran, else 125.

hint: `bastide ls` lists the session as lost, `bastide diff` shows its changes
",
    ),
    (
        "E-FACE-004",
        "E-FACE-004: the plane's answer is not understood

`bastide` and `bastided` are of different versions.

hint: install all four programs from the same build into one directory
",
    ),
    (
        "E-FACE-005",
        "E-FACE-005: the request cannot be passed on

A path is not UTF-8, or the whole request is longer than 8 MiB. The program's
own arguments may be any bytes.

hint: name a directory above it, or reach it through a symbolic link
",
    ),
    (
        "E-FACE-006",
        "E-FACE-006: a variable looks like a secret

Whatever is inside a cell, the agent can read and send wherever it may connect.
The value has a well-known prefix, or the name says key, token, secret, password
or credential and the value looks random.

hint: leave it out. Where the program cannot work without, let in exactly one:
  `bastide run --accept-risk credential-inside --env NAME=… -- CMD`
",
    ),
    (
        "E-FACE-007",
        "E-FACE-007: the workspace is refused

A workspace at /, at the home directory or above it would hold every
credential and every start-up file of the operator. Symbolic links are followed.

hint: `bastide run --workspace DIR -- CMD`
",
    ),
    (
        "E-FACE-008",
        "E-FACE-008: the outcome cannot be written

The file is written anew beside its final place and then renamed, so its
directory must be writable. This is tried before anything is run. When there is
no room for it at the end, the exit code is the program's own, or 1 if it was 0.

hint: name a file in a directory that you can write to
",
    ),
    (
        "E-FACE-009",
        "E-FACE-009: the host did not give what the command itself needs

The current directory is gone, or the terminal, signals or descriptors of this
process failed.

hint: `cd` to a directory that exists; `ulimit -n` shows the descriptor limit
",
    ),
    (
        "E-FACE-010",
        "E-FACE-010: the command line is wrong

A verb, an option or a value is unknown, missing or empty. Nothing was done. The
exit code is 2, but 125 under `run`, where 2 could be the program's own.

hint: `bastide VERB --help` lists the options of a verb
",
    ),
    (
        "E-FACE-011",
        "E-FACE-011: the answer cannot be written

What was asked was done, but stdout took no more: a full disk, most likely. A
reader that leaves early, as in `| head`, is no error.

hint: ask again with stdout where there is room
",
    ),
    (
        "E-FACE-012",
        "E-FACE-012: a word means two things

The first word of `diff`, `apply` and `discard` is a session where one has that
id or name. This word is the beginning of an id, and a file of that name exists.

hint: write `./` before the file, or the session's whole id
",
    ),
    (
        "E-FACE-013",
        "E-FACE-013: the value of a secret cannot be taken

It is read from stdin: 8 bytes to 64 KiB of visible ASCII on one line. Typed at
a terminal, which shows nothing of it, a line has at most 4094 bytes. Nothing
was kept.

hint: `bastide vault set NAME --to HOST < FILE`
",
    ),
    (
        "E-FACE-014",
        "E-FACE-014: a file that an option names cannot be read or written

`--checkpoint` and `--key` name what was kept elsewhere, at most 64 KiB of it;
`--textfile` names what is to be written, whole or not at all, beside which a
draft has room. Nothing else was done.

hint: `ls -ld FILE` and the directory above it say who may do what
",
    ),
    (
        "E-FACE-015",
        "E-FACE-015: there is no terminal to draw on

`bastide watch` needs a terminal on stdin and stdout that can be drawn on: TERM
must be set, and not to `dumb`.

hint: `bastide ls` lists sessions, `bastide log --follow` prints what happens
",
    ),
    (
        "E-FACE-016",
        "E-FACE-016: too much is asked at once

`bastide watch` waits for 16 answers at once. What was pressed was not done.

hint: wait until something was answered, and press the key again
",
    ),
];
