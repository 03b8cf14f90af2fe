#ifndef __APPLE__
#define _GNU_SOURCE 1
#endif

#include "CPseudoTerminal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

pid_t pt_start(
    const char *path, char *const *arguments, char *const *environment, int rows, int columns, int *controller,
    int *terminal, void **modes) {
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0) return -1;
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    if (slave < 0) return -1;
    fcntl(master, F_SETFD, FD_CLOEXEC);
    pt_resize(master, rows, columns);
    *modes = malloc(sizeof(struct termios));
    if (!*modes || tcgetattr(slave, *modes) != 0) return -1;
    pid_t process = fork();
    if (process == 0) {
        setsid();
        ioctl(slave, TIOCSCTTY, 0);
        for (int descriptor = 0; descriptor < 3; descriptor++) dup2(slave, descriptor);
        if (slave > 2) close(slave);
        execve(path, arguments, environment);
        _exit(127);
    }
    fcntl(slave, F_SETFD, FD_CLOEXEC);
    fcntl(master, F_SETFL, O_NONBLOCK);
    *controller = master;
    *terminal = slave;
    return process;
}

int pt_resize(int controller, int rows, int columns) {
    struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};
    return ioctl(controller, TIOCSWINSZ, &size);
}

int pt_modes_equal(int terminal, const void *modes) {
    struct termios now;
    memset(&now, 0, sizeof now);
    if (tcgetattr(terminal, &now) != 0) return 0;
    const struct termios *before = modes;
    return now.c_iflag == before->c_iflag && now.c_oflag == before->c_oflag && now.c_cflag == before->c_cflag
        && now.c_lflag == before->c_lflag && memcmp(now.c_cc, before->c_cc, sizeof now.c_cc) == 0;
}
