/* Asks a server over so many connections, each kept open and with one request on its way, every sixteenth a POST; says how
 * many answers of each status came, and in how many seconds: one line of JSON.
 *
 *   flood NAME PORT CONNECTIONS REQUESTS
 *
 * It ends when every request has its whole answer: none is left open, so that what others counted can be compared. */
#define _GNU_SOURCE
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST 512
#define ROOM 8192

struct connection {
    char text[ROOM];
    size_t have;
};

static struct connection connections[MOST];
static struct pollfd polled[MOST];
static long statuses[600], sent, came, total;
static struct addrinfo *to;
static char requests[2][256];

static int ask(int one) {
    if (sent == total) {
        polled[one].events = 0;
        return 0;
    }
    const char *text = requests[sent++ % 16 == 15];
    polled[one].events = POLLIN;
    return write(polled[one].fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1;
}

static int dial(int one) {
    polled[one].fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    connections[one].have = 0;
    return connect(polled[one].fd, to->ai_addr, to->ai_addrlen);
}

/* The length of a whole answer; 0 while more of it is to come. */
static size_t whole(const char *text, size_t have) {
    const char *end = strstr(text, "\r\n\r\n"), *length = strcasestr(text, "\r\ncontent-length:");
    if (!end) return 0;
    size_t all = (size_t)(end + 4 - text) + (length && length < end ? strtoul(length + 17, NULL, 10) : 0);
    return have >= all ? all : 0;
}

static int hear(int one) {
    struct connection *it = &connections[one];
    ssize_t got = read(polled[one].fd, it->text + it->have, ROOM - 1 - it->have);
    if (got <= 0) return -1;
    it->have += (size_t)got;
    it->text[it->have] = 0;
    size_t length = whole(it->text, it->have);
    if (!length) return it->have < ROOM - 1 ? 0 : -1;
    if (length != it->have) return -1;
    long status = strtol(it->text + 9, NULL, 10);
    if (status > 0 && status < 600) statuses[status]++;
    came++;
    int closes = strcasestr(it->text, "\r\nconnection: close") != NULL;
    it->have = 0;
    if (closes) {
        close(polled[one].fd);
        if (sent < total && dial(one)) return -1;
    }
    return ask(one);
}

int main(int argc, char **argv) {
    struct addrinfo wanted = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    struct timespec begin, end;
    if (argc < 5 || getaddrinfo(argv[1], argv[2], &wanted, &to)) return 2;
    int count = atoi(argv[3]);
    total = atol(argv[4]);
    if (count < 1 || count > MOST || total < count) return 2;
    snprintf(requests[0], sizeof *requests, "GET /s HTTP/1.1\r\nHost: %s:%s\r\n\r\n", argv[1], argv[2]);
    snprintf(requests[1], sizeof *requests, "POST /s HTTP/1.1\r\nHost: %s:%s\r\nContent-Length: 0\r\n\r\n", argv[1], argv[2]);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (int one = 0; one < count; one++)
        if (dial(one) || ask(one)) return 1;
    while (came < total) {
        if (poll(polled, (nfds_t)count, 10000) <= 0) return 3;
        for (int one = 0; one < count; one++)
            if (polled[one].revents && polled[one].events && hear(one)) return 4;
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("{\"seconds\": %.6f", (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9);
    for (int status = 0; status < 600; status++)
        if (statuses[status]) printf(", \"%d\": %ld", status, statuses[status]);
    printf("}\n");
    return 0;
}
