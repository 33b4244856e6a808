//! A whole cell on the real kernel: started by root, and by an ordinary uid.

mod harness;

use harness::{run, ways};
use plan::{Ending, Report};

#[test]
fn the_command_runs_inside_and_its_exit_code_comes_out() {
    for privileged in ways() {
        let (text, ended) =
            run(privileged, "id -u; hostname 2>/dev/null || cat /proc/sys/kernel/hostname; echo $$; exit 7");
        assert_eq!(ended, Report::Ended(Ending::Exited(7)), "{text}");
        assert_eq!(text, "1000\ncell\n2\n", "privileged: {privileged}");
    }
}

#[test]
fn the_agent_holds_no_capability_and_is_filtered() {
    for privileged in ways() {
        let (text, _) = run(privileged, "grep -E '^(CapEff|CapPrm|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status");
        let fields: Vec<_> = text.split_whitespace().collect();
        let none = "0000000000000000";
        let expected = ["CapPrm:", none, "CapEff:", none, "CapBnd:", none, "NoNewPrivs:", "1", "Seccomp:", "2"];
        assert_eq!(fields, expected, "privileged: {privileged}");
    }
}

#[test]
fn what_is_not_named_is_absent_and_what_is_named_is_read_only() {
    for privileged in ways() {
        let script = "for path in /etc /root /home /sys /work; do test -e $path && echo $path; done; touch /usr/x 2>/dev/null || echo usr-refused; \
                      test -e /etc/shadow || echo shadow-absent; echo x > /tmp/x && echo tmp-writable; \
                      ls /proc/self/fd | wc -l; kill -9 1 2>/dev/null; cat /proc/1/environ 2>/dev/null || echo pid-1-closed";
        let (text, ended) = run(privileged, script);
        let expected = "usr-refused\nshadow-absent\ntmp-writable\n4\npid-1-closed\n";
        assert_eq!(text, expected, "privileged: {privileged}");
        assert_eq!(ended, Report::Ended(Ending::Exited(0)));
    }
}

#[test]
fn a_command_that_does_not_exist_is_127() {
    for privileged in ways() {
        let (_, ended) = run(privileged, "exec /no/such/program");
        assert_eq!(ended, Report::Ended(Ending::Exited(127)));
    }
}
