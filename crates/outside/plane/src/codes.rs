//! Every code of the plane, and what it means to whoever meets it. `bastide help CODE` prints it.
//!
//! Codes are stable: one that is retired is not given again. A test reads the sources and refuses a code that is not here.

/// Codes with their explanations, in order. Those of a cell that did not start are told by the plane, too.
pub const CODES: &[(&str, &str)] = &[
    (
        "E-CELL-001",
        "A boundary layer could not be built, or was measured from inside not to hold. Nothing was run.\n`bastide \
         doctor` measures every layer and names the remedy. That one layer can be left out by name with \
         `--accept-risk without-LAYER`; the summary then says so.",
    ),
    (
        "E-CELL-002",
        "The walls stood, but the program could not be started in them: its working directory, its interpreter or a \
         library may be absent inside. `ldd PROGRAM` and its first line name what it needs; let it in with `--read`.",
    ),
    (
        "E-CELL-003",
        "Another file system is mounted beneath a directory that is to be seen inside. Below it may lie what its owner hid by \
         that, so the kernel lets an ordinary user lay nothing over such a tree. Nothing was run.\nStarted by root the cell \
         shows the directory below the mount, and not what is mounted.",
    ),
    (
        "E-PLANE-001",
        "A file of the state directory could not be made, read, written or locked. Nothing was run and nothing was \
         merged: what cannot be recorded is not done.\nLook at the file system that holds the state directory (full, \
         read-only, another owner): `df -h ~/.local/state` and `ls -ld ~/.local/state/bastide`.",
    ),
    (
        "E-PLANE-002",
        "The state lies in `$XDG_STATE_HOME/bastide`, or in `~/.local/state/bastide`; neither variable holds an \
         absolute path, so there is no place for it.\nSet HOME, or XDG_STATE_HOME.",
    ),
    (
        "E-PLANE-003",
        "The state directory belongs to another user, who could change policies, records and changes. It is not used.\n\
         Set XDG_STATE_HOME to a directory of your own; under `sudo`, HOME may still be the caller's.",
    ),
    (
        "E-PLANE-010",
        "What a session changed is merged or thrown away only after its program ended, and by one plane at a time.\n\
         Wait until it ends, or end its program. `bastide diff` may look at any time.",
    ),
    (
        "E-PLANE-011",
        "A session is named by its id, by the name that `--name` gave it, or by a beginning that one id alone has.\n\
         `bastide ls` lists them, newest first.",
    ),
    ("E-PLANE-012", "The beginning of an id fits several sessions. Write one more letter, or give the name."),
    (
        "E-PLANE-013",
        "Without a session's id or name, the newest session is meant whose workspace is the current directory or \
         holds it. There is none.\nName a session that `bastide ls` lists, or go to its workspace.",
    ),
    (
        "E-PLANE-014",
        "The files of a session do not hold what they held when they were written. Other sessions are not touched by \
         it.\nOut of a copy of the state it comes back as it was (docs/reference/state.md). Its record may still be read \
         with `less`, and its changes lie in `changes/0/upper` of that directory. To give it up, remove the directory: `bastide log verify --checkpoint` then tells of it as missing.",
    ),
    (
        "E-PLANE-015",
        "Events are called `p` (the plane's) or `g` (the gate's) and their place, as in `g12`. `bastide log` names them.",
    ),
    ("E-PLANE-016", "The session's record holds no event of that place. `bastide log` lists what it holds."),
    (
        "E-PLANE-017",
        "Without an event, the last refusal is explained, and this session was refused nothing at the door. A file \
         that is not named by the policy is simply absent inside, which is no event.\n`bastide why --file PATH` \
         computes from the policy what becomes of a path.",
    ),
    ("E-PLANE-018", "The session's directory holds an empty list of policies: it is damaged. Nothing is allowed then."),
    (
        "E-PLANE-019",
        "Only paths of the session's workspace and of its `--write` trees can be compared, merged or thrown away.\n\
         `bastide diff` without a path lists every change.",
    ),
    (
        "E-PLANE-020",
        "A risk is accepted only by its exact name, and each name leaves out exactly one layer, or lets one credential \
         in. There is no name for everything.\n`bastide doctor` lists the layers.",
    ),
    (
        "E-PLANE-030",
        "The program was found neither at that path nor in a directory of PATH, as a shell would look for it.\nGive \
         its path, or start the command from a shell in which it works.",
    ),
    ("E-PLANE-031", "The file is there but has no execute permission, or is no file. Nothing was run."),
    (
        "E-PLANE-032",
        "To start a program inside, the links and interpreters that lead to it are followed, at most sixteen of \
         them. This one goes on, or in a circle.",
    ),
    (
        "E-PLANE-033",
        "The first line of a script names the program that is to read it, or a program names its loader, and there is none \
         there.\nInstall it, or correct the script's first line.",
    ),
    (
        "E-PLANE-034",
        "The program is linked with libraries that are on this host, in directories that do not come in: the system's come \
         in by the policy, and a directory `lib` beside the program's `bin` by itself. Nothing was run, since the loader \
         would have ended it.\nLet each directory in with `--read`, as the hint says; for good, under `files: read:` of a \
         policy.",
    ),
    (
        "E-PLANE-035",
        "The program is a file of the workspace, and says itself by its first line, or by a link, which program outside of it \
         runs it. Whoever wrote the workspace chose that. Nothing comes in on his word but an interpreter with its own library \
         (node, python, ruby, perl) and what the policy shows anyway. Nothing was run.\nIf that program may be read inside, \
         name it with `--read`, as the hint says, or run it by its own name.",
    ),
    (
        "E-PLANE-036",
        "No change of the session lies at a path that was named, or beneath it: nothing was merged or thrown away.\nPaths are \
         counted from the workspace; `bastide diff` lists what was changed.",
    ),
    ("E-PLANE-040", "A path that was named with `--read` or `--write` does not exist on the host. Nothing was run."),
    (
        "E-PLANE-041",
        "Only directories and regular files come in: a device, a socket or a FIFO would lead out of the cell. Names \
         must be UTF-8.\nWhat the cell makes itself (`/proc`, `/dev`, `/sys`, `/etc/passwd`, `/etc/resolv.conf` and the like) does \
         not come in beside it, and neither does what holds it: `/`, `/etc`. Name what in it is wanted.",
    ),
    ("E-PLANE-042", "Paths in a policy are absolute, without `.` or `..` and without control characters."),
    (
        "E-PLANE-043",
        "`--allow` takes what stands behind `to:` in a policy: a name, `*.NAME`, an address or a network, and a port. \
         `localhost`, `127.0.0.1` and the like are the cell's own inside and never reach the door: a port of this host's loopback is \
         `host.bastide:PORT`, there as here.\n`bastide policy explain hardened HOST:PORT` tries one.",
    ),
    (
        "E-PLANE-044",
        "The policy that was named says how changes come out, and a flag may only narrow that. To widen it, change the \
         policy.",
    ),
    ("E-PLANE-045", "The workspace does not exist, is no directory, or may not be entered. Nothing was run."),
    (
        "E-PLANE-046",
        "A workspace is one project. What holds the whole host, a home with its keys, a directory of the system or the \
         plane's own state is none, whatever the policy says.",
    ),
    (
        "E-PLANE-047",
        "A variable or directory looks like a credential. What is inside a cell can be read and sent by everything \
         inside, so nothing there holds a credential.\nOne may be let in by name, `--accept-risk \
         credential-inside=NAME`, and the summary then says so.",
    ),
    (
        "E-PLANE-048",
        "SSL_CERT_FILE names certificate roots of your own, which are merged with the system's for the programs inside. \
         The file cannot be read, holds no certificate in PEM form, or holds a private key, which must not come in.",
    ),
    (
        "E-PLANE-049",
        "The policy lists a limit under `limits: required`, and this host cannot enforce it: nothing was run.\n`bastide \
         doctor --limits` shows what the host gives, and names the remedy.",
    ),
    (
        "E-PLANE-050",
        "`data` in a policy labels files of the workspace, and what leaves is searched for their text. There are more of \
         them than can be searched for: files of up to 1 MiB, 4 MiB in all, beneath 20,000 directories; nothing was run.",
    ),
    (
        "E-PLANE-051",
        "A variable such as HTTPS_PROXY says that this host goes out through a proxy, and that proxy cannot be used: it is \
         no `http://` URL, or its parts cannot be read. Connecting directly instead would go round what somebody set up, \
         so nothing was run.\nCorrect the variable, or unset it to connect directly.",
    ),
    (
        "E-PLANE-052",
        "The state directory holds policies, records, homes and changes. A path that holds it may not be changed inside, and \
         one that lies in it may not be seen.",
    ),
    (
        "E-PLANE-053",
        "Where the layer `relayed-stdio` is left out by name, the client hands its own streams on. This client did not: it \
         is of another version.",
    ),
    (
        "E-PLANE-054",
        "A cell that root starts gets a uid of its own on the host, which must be nobody's: ids that /etc/subuid and \
         /etc/subgid give to users for their containers are never taken. None is left, or one of the files cannot be read; \
         nothing was run.\nTake out of them what nobody needs, or start the cell as an ordinary user.",
    ),
    (
        "E-PLANE-055",
        "`bastide standby` keeps a plane waiting for the next run, with a cell and a gate made ahead. One could not be \
         started, or ended by itself; runs start planes of their own, as they always can.\n`bastide doctor` says whether a \
         cell can be made at all.",
    ),
    (
        "E-PLANE-056",
        "Another `bastide standby` keeps a cell ready for runs with the same state directory. One serves them all: a cell is \
         made anew for each run.",
    ),
    (
        "E-PLANE-057",
        "Where a policy decides requests, they are read within TLS too, under a certificate authority that is made for one \
         cell. It could not be made, and nothing was run.",
    ),
    (
        "E-PLANE-058",
        "A rule of the policy lends a credential that is taken out of the vault when a session starts. The vault has none of \
         that name, or cannot be read; nothing was run.\n`bastide vault set NAME --to HOST` reads the value from stdin.",
    ),
    (
        "E-PLANE-059",
        "The vault binds each secret to one destination, and no rule of a policy sends it anywhere else. Name that \
         destination in the rule, or set the secret anew; nothing was run.",
    ),
    (
        "E-PLANE-060",
        "The cell or the gate could not be started as a process. Memory or processes may be exhausted: `ulimit -a`.",
    ),
    ("E-PLANE-061", "bastide, bastided, bastide-gate and bastide-cell lie in one directory; one of them is missing."),
    ("E-PLANE-062", "The file is longer than what is read: 256 KiB for a policy, 1 MiB for a file to trust."),
    ("E-PLANE-063", "A policy is UTF-8 text. `file FILE` guesses what it is, `iconv` converts it."),
    (
        "E-PLANE-064",
        "Whoever owns a policy file decides what is allowed. It must belong to you or to root.\nCopy it to a file of \
         your own, after reading it.",
    ),
    (
        "E-PLANE-065",
        "Whoever may write a policy file, or rename in a directory above it, decides what is allowed. Neither may be \
         writable by its group or by others; a directory with the sticky bit serves.\n`chmod go-w` on what is named, \
         after reading the file.",
    ),
    (
        "E-PLANE-066",
        "An agent works, or worked, in the directory that holds this policy file, and may have written it. It counts \
         only while its content is the one that you trusted.\nRead it, then `bastide trust FILE`. Any change ends the \
         trust.",
    ),
    ("E-PLANE-067", "A path is absolute, without `.`, `..`, empty components or control characters."),
    (
        "E-PLANE-068",
        "The list of trusted files cannot be understood, so nothing in a workspace is trusted.\nRemove `trust.json` in \
         the state directory, and trust the files again.",
    ),
    (
        "E-PLANE-069",
        "`bastide policy explain` takes a destination, `HOST[:PORT]` with port 443 where none is named, a \
         request, `METHOD HOST[:PORT]/PATH`, or an absolute path. Names of the loopback are the cell's own inside and never \
         reach the door; a port of this host's loopback is `host.bastide:PORT`.",
    ),
    ("E-PLANE-070", "Codes look like E-PLANE-011 or E-POLICY-003 and stand in brackets behind the word error."),
    (
        "E-PLANE-071",
        "The client asked for a cell where only questions are answered. Client and plane are of two versions.",
    ),
    (
        "E-PLANE-072",
        "A merge is recorded before it is done, and the session's record cannot be written, or is broken. Nothing was \
         merged and nothing thrown away.\n`bastide log verify` says where it breaks. The changes lie in \
         `changes/0/upper` of the session's directory, and can be copied by hand.",
    ),
    (
        "E-PLANE-073",
        "The changes of a session could not be read, merged or thrown away. The original is whole: a merge that was \
         cut short is finished or undone before the next.\nThe message names the path and what the kernel said.",
    ),
    (
        "E-PLANE-074",
        "A file that was named could not be opened. Nothing was put in force.\n`ls -l` shows whether it is there and \
         readable.",
    ),
    (
        "E-PLANE-075",
        "A policy, or a file to trust, is a regular file. A symbolic link could be turned to another file after it was \
         read, and a pipe or device has no content of its own.\nName the file itself; its directories may be links.",
    ),
    (
        "E-PLANE-080",
        "A secret is called by 1 to 64 of `a` to `z`, `0` to `9`, `.`, `_` and `-`, a letter or digit first. What was \
         given is not repeated, since it may have been the value.\nThe value is never an argument: it is read from \
         stdin, or typed where it is asked for.",
    ),
    (
        "E-PLANE-081",
        "A secret is for one destination: a name or an address, with a port or for every port. A pattern or a network \
         would give it to hosts that are not known today.\nFor several hosts, set it once for each, under several \
         names.",
    ),
    (
        "E-PLANE-082",
        "A secret may be for some paths of its destination alone, which is how tenants of one host are told apart. \
         Patterns are those of a policy: `*` within a segment, `**` for whole ones. At most 32 of them, of at most 512 \
         bytes.",
    ),
    (
        "E-PLANE-083",
        "A value is 8 bytes to 64 KiB of visible ASCII on one line, with spaces inside: it is to stand in a header. One \
         line's end behind it is left out. Nothing was kept.\nNo message repeats a value. `wc -lc FILE` counts its lines \
         and bytes.",
    ),
    (
        "E-PLANE-084",
        "The directory of the vault, or its key, is not the operator's alone: it belongs to another user, its group or \
         others have rights on it, or it is a link. Nothing in it is used, since somebody else may have read or \
         replaced it.\nLook at it with `ls -la`; close it with `chmod go=`. If others could read the key, replace every \
         secret where it was issued.",
    ),
    ("E-PLANE-085", "The vault keeps no secret of that name. `bastide vault list` says what it keeps."),
    (
        "E-PLANE-086",
        "The file of a secret was changed, renamed, copied from another vault, or written by another version. It is not \
         used; the other secrets are.\nSet it anew under the same name, or remove it with `bastide vault rm NAME`.",
    ),
    (
        "E-PLANE-087",
        "The key of the vault is gone or damaged, and without it nothing in the vault can be read. No other is made in its \
         place, since that would hide the loss.\nPut `vault/key` of the state directory back from a copy (0600). To give \
         the secrets up, remove the directory `vault` and set them anew.",
    ),
    ("E-PLANE-088", "The vault keeps at most 256 secrets. Remove one, or set one anew under its own name."),
    (
        "E-PLANE-089",
        "The secret is one that tokens are derived from, and its OAuth endpoint gave none. A refresh token is used up when \
         it was used elsewhere: a login that lives in the vault must not be used by a program as well.",
    ),
    (
        "E-PLANE-090",
        "Another policy is put in force in a session that runs. This one ended, or its plane was killed; what it was allowed \
         can no longer be changed.\nBegin one under the policy: `bastide run --policy FILE -- CMD`.",
    ),
    (
        "E-PLANE-091",
        "Files, variables and limits are what a cell is made from, and no cell changes them while it runs. A policy for a \
         running session has to say the same of them; what options of `run` added to the policy still counts. Nothing was \
         changed.\nLeave the named keys as they are, or end the session and begin one under the new policy. `bastide policy \
         diff OLD NEW` shows both values.",
    ),
    (
        "E-PLANE-092",
        "Requests are read under a certificate authority that is made with a cell, where the policy asks for it when the \
         session starts: programs that run cannot be made to trust one later. Nothing was changed.\nBegin a session under \
         the policy. One that begins with a rule about requests takes others later.",
    ),
    (
        "E-PLANE-093",
        "A policy is recorded, told to the gate of the session, and in force once the gate says so. Something went wrong \
         before that: the policy before stays in force, also for the next gate. `bastide log` tells what happened.\nWhat \
         came from a gate that was lost meanwhile stands in the record. Apply the policy again.",
    ),
    (
        "E-PLANE-094",
        "`bastide policy undo` goes back to the policy that another one took the place of, one step each time. The session \
         is back at the one that it began with, or what was before is kept no more: 64 steps are.",
    ),
    (
        "E-PLANE-095",
        "The plane that holds a running session is asked at a socket in the session's directory. Nobody answered there: the \
         session has just ended, its plane is busy with a large merge, it is of another version, its state lies on a file \
         system that takes no sockets, or the question came from another user or container.\n`bastide show SESSION` tells \
         which policy is in force.",
    ),
    (
        "E-PLANE-096",
        "Somebody else put a policy in force between the moment that the one before was looked at and the moment that it was \
         to be replaced or taken back. Nothing was changed.",
    ),
    (
        "E-PLANE-097",
        "`bastide daemon` serves the API of a state directory, and only one daemon can: it holds the lock of `daemon.lock` \
         there, which the kernel lets go of however the daemon ends.",
    ),
    (
        "E-PLANE-098",
        "The daemon could not do its own part: start a plane that answers, or wait for its sockets. Sessions are not \
         touched by that. Where too much is asked at once, ask again.",
    ),
    (
        "E-PLANE-099",
        "What was asked of the daemon is no request of its API: the path, the method, the query or the body is another. \
         docs/reference/api.yaml describes all of it.",
    ),
    (
        "E-PLANE-100",
        "A session goes on with the programs that it began with, also after others were installed. What was asked is in words that it does not know: of another version, or an order that its version has not. Nothing was done.\nAsk with the programs that it was begun with; or end the program inside, and begin a session anew.",
    ),
    (
        "E-PLANE-101",
        "A session is paused, resumed and stopped while its program runs. This one ended, its plane was killed, or the cell cannot be made to do what was asked; the message says which.\nWithout the layer `pid-namespace` a cell is paused only where it has a control group of version 2. A stop works in any case.",
    ),
    (
        "E-PLANE-102",
        "A session tells a few connections what happens in it, and has room for no more. Who only wants to know how it stands can ask that: `bastide show SESSION`.",
    ),
    (
        "E-PLANE-110",
        "The ledger's log is not what its newest checkpoint covers: an entry was changed, moved or taken away, or the disk \
         lost it. Nothing further is signed, since a signature over it would cover that up; sessions still run, stay marked, \
         and are told to the ledger when it is whole again.\nRestore `ledger` of the state directory from a backup, all of it. \
         Where there is none, keep what is there for whoever is to find out what happened (`bastide log verify --checkpoint \
         FILE` says which sessions are still what they were), move the directory away, and the next session begins another \
         ledger under another key.",
    ),
    (
        "E-PLANE-111",
        "The ledger's key is gone, was damaged, or may be read by others than its operator (0600, in `ledger/key` of the state \
         directory). Without it nothing can be signed, and a new one is not made by itself: it would hide that the old one is \
         lost.\nRestore it from a backup, or close it with `chmod 600` where only that is wrong and nobody else can have read \
         it. Else move the directory `ledger` away: the next session begins another, under another key; what was signed \
         before can still be verified with the old public key.",
    ),
    (
        "E-PLANE-112",
        "A checkpoint is made when a session ends, and once a minute while one goes on. None was made yet.",
    ),
    (
        "E-PLANE-113",
        "What was given as a checkpoint is no signed note (https://c2sp.org/tlog-checkpoint): a text of three lines, a blank \
         one, and signatures. It has to be kept byte by byte, with every line's end.",
    ),
    (
        "E-PLANE-114",
        "What was given as a key is none: one line, `NAME+ID+KEY`, as `bastide log key` printed it on the machine that signed.",
    ),
    (
        "E-PLANE-120",
        "An answer is taken for one question, as it was shown, and once. This one waits no more: somebody answered it, its \
         five minutes are over, the gate that held it was lost, the session ended, or another policy came into force; then \
         what still waits is asked about anew, as another question. `bastide approve` lists what waits now; `bastide log \
         SESSION` tells what became of each question.",
    ),
    (
        "E-PLANE-121",
        "A card lists what may be answered. `--always` is left out where the question wants care (a bare address, a program \
         that is not known, a first connection out of a session that holds labelled texts), or where it would open every \
         path of a host of many tenants: write such a rule into the policy yourself, and put it in force with `bastide policy \
         apply`. `--session` is left out where it would let through something that was denied in this session, and `--wide` \
         where nothing lies beside what is asked, or something of that was denied. A time is a second at least, and a day at \
         most.",
    ),
    (
        "E-PLANE-135",
        "A sub-agent is begun by the plane of its parent alone, which hands it every policy that the parent is under. Without \
         them nothing is run.",
    ),
    (
        "E-PLANE-136",
        "A sub-agent sees a copy of the files that it was granted: at most 200,000 entries and 4 GiB. Fewer directories, or \
         those without what was built, are enough for most tasks.",
    ),
    (
        "E-PLANE-137",
        "A sub-agent's program is looked for among what its parent sees of the host, and in the workspace. Whether anything \
         else is there is not told.",
    ),
    (
        "E-PLANE-145",
        "A session is watched, entered and copied from while its program runs. This one has not begun it yet, ended, or its \
         plane was killed.\n`bastide ls` shows which run.",
    ),
    (
        "E-PLANE-146",
        "What a session prints goes to the terminal or the pipes that `bastide run` was begun with, and nowhere else. A session \
         begun with `bastide run -d` or `bastide up` keeps it: the newest 8 MiB, which `bastide logs` prints and `bastide \
         attach` shows as a screen. Of a sub-agent and of a server it prints what is kept beside the record: 4 MiB of each stream.",
    ),
    (
        "E-PLANE-147",
        "One client types into a session at a time, and 16 watch it. A program without a terminal can only be watched.\nWhoever \
         only watches says `--read-only`; `bastide logs --follow` does without a place.",
    ),
    (
        "E-PLANE-148",
        "A program, a file or a port of a running session is reached by a process that enters its cell and gives up there all \
         that the agent's process gave up. Nothing was done: the message says which step failed.\nA cell that was begun without \
         a layer is not entered, nor one that is paused or about to end, nor by programs of another version than the session was \
         begun with (`bastide upgrade --check`). A file is opened as the agent could open it, and no link is followed on the way; \
         what is no regular file is not copied. For a directory: `bastide exec SESSION -- tar c DIR | tar x`.",
    ),
    (
        "E-PLANE-149",
        "`bastide cp` copies files of the session's trees, which are its workspace and what `--write` named, and of its private \
         home. The rest of a cell is the host's already, or is gone with it.",
    ),
    (
        "E-PLANE-150",
        "A port of a session is shown at 127.0.0.1, at a port that is free or that `--at` names. This one is taken, or below 1024 \
         and not this user's to take.",
    ),
    (
        "E-PLANE-151",
        "`bastide rm` removes the sessions that are named, and `bastide gc` those that ended before a day. None was named.",
    ),
    (
        "E-PLANE-152",
        "A session was to begin under a name that one has which runs: every verb that was told the name would mean now one, now \
         the other. Nothing was run.\n`bastide up --name NAME` takes the one that runs; `bastide stop NAME` ends it; or give another \
         name. Sessions that ended keep theirs beside.",
    ),
    (
        "E-PLANE-160",
        "A cell that is kept ready serves only who is like the process that asked for it. Under `no new privileges` a \
         process may be in a Landlock domain, and of filters of system calls the kernel tells only the number: nobody can be \
         compared with such a process, so none is kept ready there. Runs start as ever.",
    ),
    (
        "E-PLANE-161",
        "The plane of a session asks another one for a server of MCP, and hands it the one line on which that is spoken with. Another \
         number of descriptors came along: the programs beside each other are not of one build.\nInstall all four together.",
    ),
    (
        "E-PLANE-170",
        "Which labels what sessions left behind carries is noted in files of the state. One of them is not what was written, so \
         that it is not known what a session that looks there may read: nothing is run by guess.\nRestore the file from a copy. \
         Without one: `--fresh-home` takes no kept home; a workspace is copied elsewhere with `cp -r`, where nothing is labelled.",
    ),
    (
        "E-PLANE-171",
        "Labels are noted of more directories than are looked through when a session begins.\n`bastide labels` lists them; \
         `bastide declassify --workspace DIR --all` takes away those of a directory that is gone, or whose content you vouch for.",
    ),
    (
        "E-PLANE-172",
        "Labels were to be taken away, and what was meant carries none, or none of that name.\n`bastide labels` lists what does: \
         homes are meant with `--home`, paths of a home are counted from it, and only what was merged into a workspace carries \
         labels there.",
    ),
    (
        "E-PLANE-173",
        "A session still runs that writes where labels were to be taken away. What it has read, and may still read, comes to what it \
         leaves there, so that nothing could be vouched for.\nStop it, or wait until it ends; then declassify.",
    ),
    (
        "E-PLANE-174",
        "What is declassified is what stands there now: its files are read and known by their hashes. There are more than are \
         read at once.\nName the paths that are meant, such as the memory file of an assistant.",
    ),
    (
        "E-PLANE-175",
        "A path was named that does not lie in the home, or the workspace, that labels are to be taken from.\nOf a home name it as \
         it is inside (`$HOME/notes.md`), or counted from the home (`notes.md`).",
    ),
    (
        "E-PLANE-176",
        "What labels are taken from is said: paths, or `--all` (`\"all\": true` over the API) for everything in that home or \
         workspace. Neither, and both, is refused; so is a workspace beside a home or a session, which are other places.\n`bastide labels` lists what carries which label.",
    ),
];

/// The long text of a code.
#[must_use]
pub fn explain(code: &str) -> Option<&'static str> {
    CODES.iter().find(|(known, _)| *known == code).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    fn used(directory: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(directory).expect("a directory").flatten() {
            let path = entry.path();
            if path.is_dir() {
                used(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("codes.rs") {
                let text = std::fs::read_to_string(&path).expect("text");
                let codes = text.match_indices("\"E-PLANE-").filter_map(|(at, _)| text.get(at + 1..at + 12));
                found.extend(codes.map(str::to_owned));
            }
        }
    }

    #[test]
    fn every_code_that_is_used_is_explained() {
        let mut found = BTreeSet::new();
        used(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
        assert!(found.len() > 20, "the sources were not read: {found:?}");
        let unexplained: Vec<_> = found.iter().filter(|code| explain(code).is_none()).collect();
        assert!(unexplained.is_empty(), "{unexplained:?}");
    }

    #[test]
    fn codes_stand_once_and_in_order() {
        assert!(CODES.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(CODES.iter().all(|(code, text)| (10..=11).contains(&code.len()) && !text.is_empty()));
    }
}
