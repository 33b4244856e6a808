/* Starts programs in turn, waits for each, and says how long it took from spawn to reaped: one line of JSON.
 *
 *   launch ROUNDS SECONDS PAUSE PROGRAM ARG... [-+- PROGRAM ARG...]...
 *
 * Every round runs each side once, in rotating order, stdio on /dev/null, PAUSE milliseconds after the one before: what
 * that one still has to bring to disk or to make ready is nobody's time. A side that does not end within SECONDS is
 * a hang: where each of its processes waits is told on stderr, then it is killed, and counts as failed too. It measures
 * nothing else. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST_SIDES 8
extern char **environ;

static long long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void say_file(const char *pid, const char *name) {
    char path[300], text[400];
    snprintf(path, sizeof path, "/proc/%s/%s", pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0) close(fd);
    for (ssize_t i = 0; i < got; i++)
        if (text[i] == '\n' || text[i] == 0) text[i] = ' ';
    fprintf(stderr, " %s: %.*s;", name, got > 0 ? (int)got : 1, got > 0 ? text : "?");
}

/* Tells where a process and all that descend from it wait. */
static void say_where(int root, int depth) {
    char own[20];
    snprintf(own, sizeof own, "%d", root);
    fprintf(stderr, "hang:%*s pid %d", depth * 2, "", root);
    say_file(own, "comm");
    say_file(own, "wchan");
    say_file(own, "syscall");
    fprintf(stderr, "\n");
    DIR *all = opendir("/proc");
    struct dirent *entry;
    while (all && (entry = readdir(all))) {
        char path[300], text[400], *end;
        int parent = 0;
        if (entry->d_name[0] < '0' || entry->d_name[0] > '9' || depth > 8) continue;
        snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
        FILE *stat = fopen(path, "re");
        if (!stat) continue;
        if (fgets(text, sizeof text, stat) && (end = strrchr(text, ')'))) sscanf(end + 1, " %*c %d", &parent);
        fclose(stat);
        if (parent == root) say_where(atoi(entry->d_name), depth + 1);
    }
    if (all) closedir(all);
}

int main(int argc, char **argv) {
    char **sides[MOST_SIDES];
    int count = 0;
    if (argc < 5) return 2;
    int rounds = atoi(argv[1]), seconds = atoi(argv[2]), pause = atoi(argv[3]);
    sides[count++] = argv + 4;
    for (int i = 4; i < argc; i++)
        if (!strcmp(argv[i], "-+-") && count < MOST_SIDES) {
            argv[i] = NULL;
            sides[count++] = argv + i + 1;
        }
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    long long *took = calloc((size_t)rounds * count, sizeof *took);
    int failed[MOST_SIDES] = {0}, hangs[MOST_SIDES] = {0};
    for (int round = 0; round < rounds; round++)
        for (int turn = 0; turn < count; turn++) {
            int side = (turn + round) % count, status;
            pid_t child;
            usleep((useconds_t)pause * 1000);
            long long before = now();
            int error = posix_spawn(&child, sides[side][0], &actions, NULL, sides[side], environ);
            if (error) {
                fprintf(stderr, "launch: %s: %s\n", sides[side][0], strerror(error));
                return 1;
            }
            int held = (int)syscall(SYS_pidfd_open, child, 0);
            struct pollfd end = {held, POLLIN, 0};
            if (poll(&end, 1, seconds * 1000) == 0) {
                fprintf(stderr, "hang: round %d, %s:\n", round, sides[side][0]);
                say_where(child, 0);
                kill(child, SIGKILL);
                hangs[side]++;
            }
            waitpid(child, &status, 0);
            took[round * count + side] = now() - before;
            close(held);
            if (status) failed[side]++;
        }
    printf("{\"hangs\": [");
    for (int side = 0; side < count; side++) printf("%s%d", side ? ", " : "", hangs[side]);
    printf("], \"failed\": [");
    for (int side = 0; side < count; side++) printf("%s%d", side ? ", " : "", failed[side]);
    printf("], \"ns\": [");
    for (int side = 0; side < count; side++) {
        printf("%s[", side ? ", " : "");
        for (int round = 0; round < rounds; round++) printf("%s%lld", round ? ", " : "", took[round * count + side]);
        printf("]");
    }
    printf("]}\n");
    return 0;
}
