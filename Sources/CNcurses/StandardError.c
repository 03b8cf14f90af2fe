#ifndef __APPLE__
#define _GNU_SOURCE 1
#endif

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "CNcurses.h"

// An unlinked file rather than a pipe: a pipe that nobody empties would block the writer, and a crash handler can copy
// a file out.
static volatile int collected = -1;
static volatile int found_stderr = -1;
static off_t read_so_far;

bool cn_capture_stderr(void) {
    const char *folder = getenv("TMPDIR");
    char path[1024];
    if (!folder || !*folder || strlen(folder) > sizeof path - 32) folder = "/tmp";
    strcpy(path, folder);
    strcat(path, "/fp4tui-XXXXXX");
    int file = mkstemp(path);
    if (file < 0) return false;
    unlink(path);
    fcntl(file, F_SETFD, FD_CLOEXEC);
    fcntl(file, F_SETFL, O_APPEND);
    int found = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    if (found < 0 || dup2(file, STDERR_FILENO) < 0) {
        close(file);
        if (found >= 0) close(found);
        return false;
    }
    collected = file;
    found_stderr = found;
    read_so_far = 0;
    return true;
}

long cn_read_stderr(char *buffer, long size) {
    if (collected < 0) return 0;
    ssize_t count = pread(collected, buffer, (size_t)size, read_so_far);
    if (count <= 0) return 0;
    read_so_far += count;
    return count;
}

// Also called by the crash handler: async-signal-safe calls only.
void cn_release_stderr(void) {
    if (collected < 0) return;
    int file = collected;
    collected = -1;
    dup2(found_stderr, STDERR_FILENO);
    close(found_stderr);
    char buffer[4096];
    off_t offset = 0;
    ssize_t count;
    while ((count = pread(file, buffer, sizeof buffer, offset)) > 0) {
        for (ssize_t done = 0; done < count;) {
            ssize_t written = write(STDERR_FILENO, buffer + done, (size_t)(count - done));
            if (written <= 0) break;
            done += written;
        }
        offset += count;
    }
    close(file);
}
