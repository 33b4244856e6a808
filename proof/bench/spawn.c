/* Starts a program each time that a line comes on standard input, and says by when it was asked for.
 *
 *   spawn plain PROGRAM ARG...   a child of its own; a line of two numbers: asked, begun
 *   spawn ask                    what the line asks, `VERB JSON`, at bastide.internal; the number, then the answer
 *
 * Times are nanoseconds of CLOCK_MONOTONIC; what began says when it did by its standard output (first.c). */
#define _GNU_SOURCE
#include <netdb.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST 65536
extern char **environ;

static long long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int plain(char **argv) {
    char text[64];
    int ends[2], status;
    pid_t child;
    posix_spawn_file_actions_t actions;
    if (pipe(ends)) return 1;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    posix_spawn_file_actions_addclose(&actions, ends[1]);
    long long asked = now();
    if (posix_spawn(&child, argv[0], &actions, NULL, argv, environ)) return 1;
    close(ends[1]);
    ssize_t got = read(ends[0], text, sizeof text - 1);
    close(ends[0]);
    if (waitpid(child, &status, 0) != child || status || got <= 0) return 1;
    text[got] = 0;
    printf("%lld %s", asked, text);
    return 0;
}

static int dial(const struct addrinfo *to) {
    int fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, to->ai_addr, to->ai_addrlen)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* A connection for each petition, made before the clock starts. */
static int ask(const struct addrinfo *to, const char *verb, const char *body) {
    static char text[MOST];
    int length = snprintf(text, sizeof text,
                          "POST /%s HTTP/1.1\r\nHost: bastide.internal\r\nContent-Type: application/json\r\n"
                          "Connection: close\r\nContent-Length: %zu\r\n\r\n%s",
                          verb, strlen(body), body);
    int fd = dial(to);
    if (fd < 0 || length >= (int)sizeof text) return 1;
    long long asked = now();
    if (write(fd, text, (size_t)length) != length) return 1;
    ssize_t all = 0, got;
    while (all < MOST - 1 && (got = read(fd, text + all, (size_t)(MOST - 1 - all))) > 0) all += got;
    close(fd);
    text[all] = 0;
    char *answer = strstr(text, "\r\n\r\n");
    if (!answer) return 1;
    answer += 4;
    answer[strcspn(answer, "\n")] = 0;
    printf("%lld %s\n", asked, answer);
    return 0;
}

int main(int argc, char **argv) {
    static char line[MOST];
    struct addrinfo *to = NULL, wanted = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    if (argc < 2) return 2;
    int starts = !strcmp(argv[1], "plain");
    if (starts ? argc < 3 : getaddrinfo("bastide.internal", "80", &wanted, &to)) return 2;
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        char *body = line + strcspn(line, " ");
        if (*body) *body++ = 0;
        if (starts ? plain(argv + 2) : ask(to, line, body)) return 1;
        fflush(stdout);
    }
    return 0;
}
