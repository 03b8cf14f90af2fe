// A program in a terminal of its own, for tests.

#ifndef CPSEUDOTERMINAL_H
#define CPSEUDOTERMINAL_H

#include <sys/types.h>

/// Starts a program as the leader of a session whose terminal is the new one.
/// - *controller: what the program writes is read here, and what is written here it reads.
/// - *terminal: the terminal's other side, to be kept open so that the last output isn't lost.
/// - *modes: noted before the program starts, for pt_modes_equal. The memory is the caller's.
/// Returns the process, or -1.
pid_t pt_start(
    const char *path, char *const *arguments, char *const *environment, int rows, int columns, int *controller,
    int *terminal, void **modes);

/// Gives the terminal another size; the program is told.
int pt_resize(int controller, int rows, int columns);

/// Whether input and output modes and control characters of the terminal are the ones given.
int pt_modes_equal(int terminal, const void *modes);

#endif
