/* A process of the operator's own that the cases reach for: a token in its memory, and a file with it open. Says where,
 * then answers each line with whether it was touched. The loader puts a token into its arguments and environment. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static char memory[128], before[128];
static volatile sig_atomic_t signals;

static void count(int number)
{
	(void)number;
	signals++;
}

int main(int arguments, char **argument)
{
	static const int heard[] = {SIGUSR1, SIGUSR2, SIGURG, SIGHUP};
	struct sigaction action = {.sa_handler = count, .sa_flags = SA_RESTART};
	char line[16];
	int secret = arguments > 1 ? open(argument[1], O_RDONLY) : -1;

	if (secret < 0 || read(secret, memory, sizeof memory - 1) < 1)
		return 1;
	memcpy(before, memory, sizeof memory);
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
	for (unsigned i = 0; i < sizeof heard / sizeof *heard; i++)
		sigaction(heard[i], &action, NULL);
	printf("%lu %d\n", (unsigned long)memory, secret);
	fflush(stdout);
	while (fgets(line, sizeof line, stdin)) {
		puts(signals || memcmp(memory, before, sizeof memory) ? "touched" : "untouched");
		fflush(stdout);
	}
	return 0;
}
