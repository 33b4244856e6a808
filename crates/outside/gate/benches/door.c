// The ends of the door's benchmark: a client, an echo, and the least relay that could stand in the gate's place.
// It decides nothing, records nothing, and bounds nothing.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter_ipv4.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SIZE = 128, MOST = 1024, BUFFER = 32768 };

static void check(int ok, const char *what) {
    if (!ok) {
        perror(what);
        exit(1);
    }
}

static uint64_t now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

static struct sockaddr_in address(const char *host, int port) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    check(inet_pton(AF_INET, host, &to.sin_addr) == 1, host);
    return to;
}

// For each byte on stdin so many connections one after the other: what each took, in nanoseconds.
static void client(const char *host, int port, int batch, int children) {
    struct sockaddr_in to = address(host, port);
    char text[SIZE] = "x", order;
    for (int child = 0; child < children; child++) {
        if (fork() == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            for (;;) pause();
        }
    }
    uint64_t *took = calloc((size_t)batch, sizeof *took);
    while (read(0, &order, 1) == 1) {
        for (int at = 0; at < batch; at++) {
            uint64_t start = now();
            int stream = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
            check(connect(stream, (struct sockaddr *)&to, sizeof to) == 0, "connect");
            check(write(stream, text, SIZE) == SIZE, "write");
            for (ssize_t got = 0; got < SIZE;) {
                ssize_t more = read(stream, text, SIZE - (size_t)got);
                check(more > 0, "read");
                got += more;
            }
            close(stream);
            took[at] = now() - start;
        }
        check(write(1, took, (size_t)batch * sizeof *took) == (ssize_t)((size_t)batch * sizeof *took), "tell");
    }
}

static struct pollfd polled[MOST];
static int other[MOST], count;

static void add(int stream, int to) {
    polled[count] = (struct pollfd){.fd = stream, .events = POLLIN};
    other[count++] = to;
}

static void drop(int stream) {
    for (int at = 0; at < count; at++) {
        if (polled[at].fd == stream) {
            close(stream);
            polled[at] = polled[--count];
            other[at] = other[count];
            return;
        }
    }
}

static char buffer[BUFFER];

// Passes on what there is; closes both ends at the first end.
static void carry(int from, int to) {
    ssize_t got = read(from, buffer, BUFFER);
    if (got > 0 && write(to, buffer, (size_t)got) == got) return;
    drop(from);
    if (to != from) drop(to);
}

static int serve(int listener, int watcher, void (*accepted)(int)) {
    add(listener, -1);
    if (watcher >= 0) add(watcher, -1);
    int fixed = count;
    for (;;) {
        check(poll(polled, (nfds_t)count, -1) > 0, "poll");
        if (polled[0].revents) {
            int stream = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
            check(stream >= 0, "accept");
            accepted(stream);
        }
        if (fixed > 1 && polled[1].revents) {
            // What the watcher says is taken and forgotten: else it would wait.
            if (recv(watcher, buffer, BUFFER, 0) <= 0) return 0;
        }
        for (int at = fixed; at < count; at++) {
            if (polled[at].revents) {
                carry(polled[at].fd, other[at]);
                break; // What was dropped moved the others.
            }
        }
    }
}

// The host is always this one; the port is the one that was asked for.
static void relayed(int inside) {
    struct sockaddr_in original;
    socklen_t length = sizeof original;
    check(getsockname(inside, (struct sockaddr *)&original, &length) == 0, "original");
    original.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int outside = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(connect(outside, (struct sockaddr *)&original, sizeof original) == 0, "outside");
    add(inside, outside);
    add(outside, inside);
}

static void echoed(int stream) { add(stream, stream); }

static void echo(void) {
    struct sockaddr_in at = address("0.0.0.0", 0);
    socklen_t length = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(bind(listener, (struct sockaddr *)&at, length) == 0, "bind");
    check(listen(listener, 1024) == 0, "listen");
    check(getsockname(listener, (struct sockaddr *)&at, &length) == 0, "name");
    printf("%d\n", ntohs(at.sin_port));
    fflush(stdout);
    serve(listener, -1, echoed);
}

int main(int count_, char **words) {
    signal(SIGPIPE, SIG_IGN);
    if (count_ == 6 && !strcmp(words[1], "client")) client(words[2], atoi(words[3]), atoi(words[4]), atoi(words[5]));
    else if (count_ == 2 && !strcmp(words[1], "echo")) echo();
    // The listener is stdin; the watcher's end is stdout, where there is one.
    else if (count_ == 3 && !strcmp(words[1], "relay")) serve(0, words[2][0] == 'w' ? 1 : -1, relayed);
    else return 2;
    return 0;
}
