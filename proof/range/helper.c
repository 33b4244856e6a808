/* Prints a file: installed setuid root or with a file capability, it shows whether executing it gained anything. */
#include <fcntl.h>
#include <unistd.h>

int main(int count, char **arguments)
{
	char text[100];
	int file = count > 1 ? open(arguments[1], O_RDONLY) : -1;
	long length = file < 0 ? -1 : read(file, text, sizeof text);
	return length > 0 && write(1, text, length) == length ? 0 : 1;
}
