#ifndef __APPLE__
#define _GNU_SOURCE 1
#endif

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "CMappedFile.h"
#include "CNcurses.h"
#include "Internal.h"

static const int caught[] = {SIGTERM, SIGINT, SIGHUP, SIGWINCH, SIGTSTP, SIGCONT};
enum { CAUGHT = sizeof caught / sizeof *caught };
static struct sigaction caught_before[CAUGHT];
static volatile int signal_pipe = -1;

static void forward(int number) {
    int saved_errno = errno;
    unsigned char byte = (unsigned char)number;
    if (write(signal_pipe, &byte, 1) < 0) { /* The pipe is full: it has signals enough. */
    }
    errno = saved_errno;
}

bool cn_catch_signals(int pipe_writer) {
    signal_pipe = pipe_writer;
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = forward;
    action.sa_flags = SA_RESTART;
    sigfillset(&action.sa_mask);
    for (int i = 0; i < CAUGHT; i++)
        if (sigaction(caught[i], &action, &caught_before[i]) != 0) return false;
    return true;
}

void cn_release_signals(void) {
    for (int i = 0; i < CAUGHT; i++) sigaction(caught[i], &caught_before[i], NULL);
    signal_pipe = -1;
}

void cn_suspend(bool whole_group) {
    cn_leave_screen();
    struct sigaction standard, ours;
    memset(&standard, 0, sizeof standard);
    standard.sa_handler = SIG_DFL;
    sigaction(SIGTSTP, &standard, &ours);
    if (whole_group) {
        // As the kernel does for ^Z: a wrapper in the same process group stops too.
        kill(0, SIGTSTP);
    } else {
        // To this thread, so that it arrives before the action changes back.
        raise(SIGTSTP);
    }
    sigaction(SIGTSTP, &ours, NULL);
    cn_resume();
}

static const int crashes[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS};
enum { CRASHES = sizeof crashes / sizeof *crashes };
static struct sigaction crash_before[CRASHES];

static void crashed(int number, siginfo_t *info, void *context) {
    (void)context;
    // Data that became unreadable are an error that the engine reports.
    if (number == SIGBUS && info->si_code > 0 && mapped_range_recover(info->si_addr)) return;
    int saved_errno = errno;
    cn_reset_after_crash();
    cn_release_stderr();
    for (int i = 0; i < CRASHES; i++) sigaction(crashes[i], &crash_before[i], NULL);
    errno = saved_errno;
    // A fault happens again when its instruction is run again; a signal that was sent must be sent again.
    if (info->si_code <= 0) raise(number);
}

void cn_guard_crashes(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = crashed;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigfillset(&action.sa_mask);
    for (int i = 0; i < CRASHES; i++) sigaction(crashes[i], &action, &crash_before[i]);
}

void cn_release_crashes(void) {
    for (int i = 0; i < CRASHES; i++) sigaction(crashes[i], &crash_before[i], NULL);
}
