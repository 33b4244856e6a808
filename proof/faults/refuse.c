/* Runs a command under a filter in which the kernel lacks what is named: refuse userns|landlock|inet6|seccomp -- CMD.
 * It stands in for hosts that lack it, and changes nothing of this one. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NR offsetof(struct seccomp_data, nr)
#define ARG(n) (offsetof(struct seccomp_data, args) + 8 * (n))
#define FAIL(e) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (e))
#define LOAD(at) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at)

static struct sock_filter code[64];
static unsigned short count;

static void add(struct sock_filter one) { code[count++] = one; }

/* The whole call. */
static void deny(unsigned number, unsigned error) {
    add((struct sock_filter)LOAD(NR));
    add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1));
    add((struct sock_filter)FAIL(error));
}

/* The call whose argument has one of these bits, or is this value. */
static void deny_if(unsigned number, unsigned argument, unsigned short test, unsigned value, unsigned error) {
    add((struct sock_filter)LOAD(NR));
    add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 3));
    add((struct sock_filter)LOAD(ARG(argument)));
    add((struct sock_filter)BPF_JUMP(BPF_JMP | test | BPF_K, value, 0, 1));
    add((struct sock_filter)FAIL(error));
}

int main(int argc, char **argv) {
    int at = 1;
    for (; at < argc && strcmp(argv[at], "--"); at++) {
        if (!strcmp(argv[at], "userns")) {
            deny_if(SYS_unshare, 0, BPF_JSET, CLONE_NEWUSER, EPERM);
            deny_if(SYS_clone, 0, BPF_JSET, CLONE_NEWUSER, EPERM);
            deny(SYS_clone3, ENOSYS);
        } else if (!strcmp(argv[at], "landlock")) {
            deny(SYS_landlock_create_ruleset, ENOSYS);
        } else if (!strcmp(argv[at], "inet6")) {
            deny_if(SYS_socket, 0, BPF_JEQ, AF_INET6, EAFNOSUPPORT);
        } else if (!strcmp(argv[at], "seccomp")) {
            deny(SYS_seccomp, ENOSYS);
            deny_if(SYS_prctl, 0, BPF_JEQ, PR_SET_SECCOMP, EINVAL);
        } else {
            fprintf(stderr, "refuse: what is %s?\n", argv[at]);
            return 2;
        }
    }
    add((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    struct sock_fprog program = {count, code};
    if (at + 1 >= argc || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
        perror("refuse");
        return 2;
    }
    execvp(argv[at + 1], argv + at + 1);
    perror("refuse: exec");
    return 2;
}
