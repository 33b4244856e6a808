/* Runs a command, and all that it starts, with another wall clock: clock FILE -- CMD. FILE says by how many seconds, and may
 * say something else at any time. The host's clock stays, and so do the clocks that nobody sets.
 *
 * Static programs and those in a cell as well: what asks the kernel for the time is held by a filter and answered here, and
 * nobody is told of the page of the kernel's where the time is read without asking. */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NR offsetof(struct seccomp_data, nr)
#define ARG0 offsetof(struct seccomp_data, args)
#define JUMP(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)
#define LOAD(at) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at)
#define TELL BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE)
#define LET BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static struct sock_filter code[] = {
    LOAD(NR), JUMP(SYS_time, 4, 0), JUMP(SYS_gettimeofday, 3, 0), JUMP(SYS_clock_gettime, 0, 5),
    LOAD(ARG0), JUMP(CLOCK_REALTIME, 0, 1), TELL, JUMP(CLOCK_REALTIME_COARSE, 0, 1), TELL, LET,
};

static long offset(const char *file) {
    char text[32] = "";
    FILE *open = fopen(file, "r");
    if (open) {
        fgets(text, sizeof text, open);
        fclose(open);
    }
    return atol(text);
}

/* In the place of the kernel. */
static void answer(pid_t pid, const char *file) {
    struct user_regs_struct regs;
    struct timespec now;
    if (ptrace(PTRACE_GETREGS, pid, 0, &regs)) return;
    clock_gettime(CLOCK_REALTIME, &now);
    long seconds = now.tv_sec + offset(file);
    unsigned long into = regs.orig_rax == SYS_clock_gettime ? regs.rsi : regs.rdi;
    regs.rax = regs.orig_rax == SYS_time ? (unsigned long)seconds : 0;
    if (into) {
        ptrace(PTRACE_POKEDATA, pid, into, seconds);
        if (regs.orig_rax != SYS_time)
            ptrace(PTRACE_POKEDATA, pid, into + 8, now.tv_nsec / (regs.orig_rax == SYS_gettimeofday ? 1000 : 1));
    }
    regs.orig_rax = -1;
    ptrace(PTRACE_SETREGS, pid, 0, &regs);
}

/* Takes the page of the clocks out of what a program is told when it begins. */
static void begin(pid_t pid) {
    struct user_regs_struct regs;
    if (ptrace(PTRACE_GETREGS, pid, 0, &regs)) return;
    unsigned long at = regs.rsp;
    at += 8 * (2 + (unsigned long)ptrace(PTRACE_PEEKDATA, pid, at, 0));
    while (ptrace(PTRACE_PEEKDATA, pid, at, 0)) at += 8;
    for (at += 8;; at += 16) {
        long type = ptrace(PTRACE_PEEKDATA, pid, at, 0);
        if (type == AT_NULL) return;
        if (type == AT_SYSINFO_EHDR) ptrace(PTRACE_POKEDATA, pid, at, AT_IGNORE);
    }
}

static void turn(pid_t pid, int status, const char *file) {
    int event = status >> 16, number = WSTOPSIG(status);
    if (event == PTRACE_EVENT_STOP && number != SIGTRAP) {
        /* It is stopped like a job. */
        ptrace(PTRACE_LISTEN, pid, 0, 0);
        return;
    }
    if (event == PTRACE_EVENT_SECCOMP) answer(pid, file);
    if (event == PTRACE_EVENT_EXEC) begin(pid);
    ptrace(PTRACE_CONT, pid, 0, event ? 0 : number);
}

int main(int argc, char **argv) {
    int ready[2], status, last = 0;
    char go;
    if (argc < 4 || strcmp(argv[2], "--") || pipe(ready)) {
        fprintf(stderr, "clock FILE -- CMD\n");
        return 2;
    }
    pid_t first = fork();
    if (first == 0) {
        struct sock_fprog program = {sizeof code / sizeof *code, code};
        close(ready[1]);
        if (read(ready[0], &go, 1) == 1 && !close(ready[0]) && !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
            !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
            execvp(argv[3], argv + 3);
        perror("clock");
        _exit(2);
    }
    /* What is for the command, that has; this one ends when all of it did. */
    for (int number = 1; number < 32; number++)
        if (number != SIGCHLD && number != SIGKILL && number != SIGSTOP) signal(number, SIG_IGN);
    long wanted = PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC |
                  PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL;
    close(ready[0]);
    if (ptrace(PTRACE_SEIZE, first, 0, wanted) || write(ready[1], "x", 1) != 1) {
        perror("clock: trace");
        return 2;
    }
    close(ready[1]);
    for (pid_t pid; (pid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR;) {
        if (pid < 0) continue;
        if (WIFSTOPPED(status)) turn(pid, status, argv[1]);
        else if (pid == first) last = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    return last;
}
