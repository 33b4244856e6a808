/* Gives back what comes in, on a port of the loopback that the kernel chooses and that is said on stdout. Ends with its
 * stdin. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST 512

int main(void) {
    static struct pollfd polled[2 + MOST];
    static char bytes[16384];
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int count = 2, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&at, size) || listen(listener, 1024)) return 1;
    getsockname(listener, (struct sockaddr *)&at, &size);
    printf("%d\n", ntohs(at.sin_port));
    fflush(stdout);
    polled[0] = (struct pollfd){0, POLLIN, 0};
    polled[1] = (struct pollfd){listener, POLLIN, 0};
    while (poll(polled, (nfds_t)count, -1) >= 0) {
        int now = count;
        if (polled[0].revents) return 0;
        if (polled[1].revents && count < 2 + MOST) {
            int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
            if (fd >= 0) polled[count++] = (struct pollfd){fd, POLLIN, 0};
        }
        for (int i = now - 1; i >= 2; i--) {
            if (!polled[i].revents) continue;
            ssize_t got = recv(polled[i].fd, bytes, sizeof bytes, 0);
            if (got > 0 && send(polled[i].fd, bytes, (size_t)got, MSG_NOSIGNAL) == got) continue;
            close(polled[i].fd);
            polled[i] = polled[--count];
        }
    }
    return 1;
}
