/* Connects, sends 128 bytes, waits for them to come back, closes; so many times as a line on stdin says, and answers
 * each line with one of JSON: nanoseconds of each connection.
 *
 *   connect NAME PORT [PROCESSES]
 *
 * The name is asked for once, before anything is measured. With PROCESSES it is one of so many in the cell: the others
 * sleep, each with descriptors of its own, as an agent's shells and servers do. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BYTES 128
#define DESCRIPTORS 16 /* of each sleeper */

static long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000L + t.tv_nsec;
}

static void once(const struct addrinfo *to) {
    char bytes[BYTES] = {1};
    int fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, to->ai_addr, to->ai_addrlen)) perror("connect"), exit(1);
    if (send(fd, bytes, BYTES, MSG_NOSIGNAL) != BYTES) perror("send"), exit(1);
    for (ssize_t got, have = 0; have < BYTES; have += got)
        if ((got = recv(fd, bytes, BYTES, 0)) <= 0) perror("receive"), exit(1);
    close(fd);
}

static void sleeper(void) {
    if (fork()) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 0; i < DESCRIPTORS; i++) (void)!open("/dev/null", O_RDONLY);
    for (;;) pause();
}

int main(int argc, char **argv) {
    char line[64];
    struct addrinfo wanted = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *to;
    if (argc < 3) return 2;
    for (int i = argc > 3 ? atoi(argv[3]) : 1; i > 1; i--) sleeper();
    int error = getaddrinfo(argv[1], argv[2], &wanted, &to);
    if (error) return fprintf(stderr, "%s: %s\n", argv[1], gai_strerror(error)), 1;
    while (fgets(line, sizeof line, stdin)) {
        int times = atoi(line);
        printf("[");
        for (int i = 0; i < times; i++) {
            long before = now();
            once(to);
            printf("%s%ld", i ? ", " : "", now() - before);
        }
        printf("]\n");
        fflush(stdout);
    }
    return 0;
}
