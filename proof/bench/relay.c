/* The least that a door can be: accept, getsockname, connect, copy by poll, close. It stands where bastide-gate
 * does, takes the same lease and descriptors from the plane, and drains the watcher as the gate must. It decides
 * nothing, records nothing, answers no name and confines nothing: what is measured is only how little a relay takes.
 * Every connection goes to the host's loopback, to the port that the program asked for. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define MOST 256        /* connections at once */
#define CHUNK 16384

enum { SEGMENT, TCP4, TCP6, DNS4, DNS6, DNSTCP4, DNSTCP6, DIAG, WATCHER, LEASED };

/* Two ends; `open[i]` says that end i may still send. */
static struct { int ends[2], open[2]; } pairs[MOST];
static int count;

/* Takes the lease, which it does not read, and what rides with it. */
static int take(int channel, int *leased) {
    static char bytes[CHUNK];
    char space[CMSG_SPACE(LEASED * sizeof(int))];
    unsigned long want = 4, have = 0;
    int held = 0;
    while (have < want) {
        struct iovec part = {bytes, sizeof bytes};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
        ssize_t got = recvmsg(channel, &message, MSG_CMSG_CLOEXEC);
        if (got <= 0) return -1;
        for (struct cmsghdr *one = CMSG_FIRSTHDR(&message); one; one = CMSG_NXTHDR(&message, one))
            if (one->cmsg_type == SCM_RIGHTS && one->cmsg_len == CMSG_LEN(LEASED * sizeof(int)))
                memcpy(leased, CMSG_DATA(one), LEASED * sizeof(int)), held = 1;
        if (have == 0) {
            unsigned length;
            if (got < 4) return -1;
            memcpy(&length, bytes, 4);
            want = 4 + (unsigned long)length;
        }
        have += (unsigned long)got;
    }
    return held ? 0 : -1;
}

static void say_ready(int channel) {
    static const char body[] = "{\"report\":\"ready\"}";
    unsigned length = sizeof body - 1;
    char frame[4 + sizeof body];
    memcpy(frame, &length, 4);
    memcpy(frame + 4, body, length);
    if (send(channel, frame, 4 + length, MSG_NOSIGNAL) < 0) exit(1);
}

static void serve(int listener) {
    struct sockaddr_storage asked;
    socklen_t size = sizeof asked;
    int inner = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (inner < 0) return;
    int outer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (count == MOST || outer < 0 || getsockname(inner, (struct sockaddr *)&asked, &size)) goto refuse;
    /* Of both families: the port lies at the same place. */
    to.sin_port = ((struct sockaddr_in *)&asked)->sin_port;
    if (connect(outer, (struct sockaddr *)&to, sizeof to)) goto refuse;
    fcntl(outer, F_SETFL, O_NONBLOCK);
    pairs[count].ends[0] = inner, pairs[count].ends[1] = outer;
    pairs[count].open[0] = pairs[count].open[1] = 1;
    count++;
    return;
refuse:
    close(inner);
    if (outer >= 0) close(outer);
}

/* Copies from end `from` of a pair; says whether the pair goes on. */
static int copy(int pair, int from) {
    static char bytes[CHUNK];
    int *ends = pairs[pair].ends;
    ssize_t got = recv(ends[from], bytes, sizeof bytes, 0);
    if (got < 0) return errno == EAGAIN;
    if (got == 0) {
        pairs[pair].open[from] = 0;
        shutdown(ends[!from], SHUT_WR);
        return pairs[pair].open[!from];
    }
    return send(ends[!from], bytes, (size_t)got, MSG_NOSIGNAL) == got;
}

/* Becomes the user that the plane names, as the gate does, and has its name. */
static void become(int count, char **words) {
    prctl(PR_SET_NAME, "bastide-gate");
    if (count < 3 || strcmp(words[1], "--user")) return;
    unsigned id = (unsigned)strtoul(words[2], NULL, 10);
    if (setgroups(0, NULL) || setresgid(id, id, id) || setresuid(id, id, id)) exit(1);
}

int main(int count_of_words, char **words) {
    become(count_of_words, words);
    int leased[LEASED];
    static struct pollfd polled[4 + 2 * MOST];
    static char sighting[8192];
    if (take(0, leased)) return 1;
    say_ready(0);
    for (;;) {
        int now = count;
        polled[0] = (struct pollfd){0, POLLIN, 0};
        polled[1] = (struct pollfd){leased[TCP4], POLLIN, 0};
        polled[2] = (struct pollfd){leased[TCP6], POLLIN, 0};
        polled[3] = (struct pollfd){leased[WATCHER], POLLIN, 0};
        for (int i = 0; i < now; i++)
            for (int end = 0; end < 2; end++)
                polled[4 + 2 * i + end] = (struct pollfd){pairs[i].open[end] ? pairs[i].ends[end] : -1, POLLIN, 0};
        if (poll(polled, 4 + 2 * (nfds_t)now, -1) < 0 && errno != EINTR) return 1;
        if (polled[0].revents) return 0;
        if (polled[1].revents) serve(leased[TCP4]);
        if (polled[2].revents) serve(leased[TCP6]);
        if (polled[3].revents && recv(leased[WATCHER], sighting, sizeof sighting, MSG_DONTWAIT) == 0) close(leased[WATCHER]), leased[WATCHER] = -1;
        for (int i = now - 1; i >= 0; i--) {
            int goes_on = 1;
            for (int end = 0; end < 2 && goes_on; end++)
                if (polled[4 + 2 * i + end].revents) goes_on = copy(i, end);
            if (goes_on) continue;
            close(pairs[i].ends[0]), close(pairs[i].ends[1]);
            pairs[i] = pairs[--count];
        }
    }
}
