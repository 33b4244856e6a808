/* What a system call, an open and a stat cost where this runs: one line of JSON, nanoseconds each.
 *
 *   inside OUTSIDE-FILE [WORKSPACE-FILE]
 *
 * Static, so that it is the same program wherever it runs. Each figure is the least and the median of many short
 * batches. A workspace file is read only: changing it would copy it up, and measure something else. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define BATCHES 100
#define CALLS 250

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

static void ask(const char *path) { (void)path, syscall(SYS_getppid); }

static void look(const char *path) {
    struct stat seen;
    if (stat(path, &seen)) perror(path), exit(1);
}

static void open_close(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) perror(path), exit(1);
    close(fd);
}

static int order(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(const char *name, void (*call)(const char *), const char *path, const char *end) {
    double took[BATCHES];
    for (int i = 0; i < 1000; i++) call(path);
    for (int batch = 0; batch < BATCHES; batch++) {
        double before = now();
        for (int i = 0; i < CALLS; i++) call(path);
        took[batch] = (now() - before) / CALLS;
    }
    qsort(took, BATCHES, sizeof *took, order);
    printf("\"%s\": [%.1f, %.1f]%s", name, took[0], took[BATCHES / 2], end);
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    printf("{");
    measure("call", ask, "", ", ");
    measure("open outside", open_close, argv[1], ", ");
    measure("stat outside", look, argv[1], argc > 2 ? ", " : "");
    if (argc > 2) {
        measure("open workspace", open_close, argv[2], ", ");
        measure("stat workspace", look, argv[2], "");
    }
    printf("}\n");
    return 0;
}
