#ifndef __APPLE__
#define _GNU_SOURCE 1
#endif

#include "CMappedFile.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

// Ranges are never taken off the list, which a signal handler may be walking, but used again.
struct mapped_range {
    atomic_bool is_used;
    /// 0: nothing is mapped.
    atomic_uintptr_t start;
    size_t length;
    atomic_bool is_lost;
    struct mapped_range *next;
};

static _Atomic(struct mapped_range *) ranges;
static size_t page_size;
static struct sigaction bus_before;

static void bus_error(int number, siginfo_t *info, void *context) {
    (void)context;
    if (info->si_code > 0 && mapped_range_recover(info->si_addr)) return;
    sigaction(SIGBUS, &bus_before, NULL);
    // A fault happens again when its instruction is run again; a signal that was sent must be sent again.
    if (info->si_code <= 0) raise(number);
}

static void catch_bus_errors(void) {
    page_size = (size_t)sysconf(_SC_PAGESIZE);
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = bus_error;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, &bus_before);
}

static struct mapped_range *unused_range(void) {
    for (struct mapped_range *range = atomic_load(&ranges); range; range = range->next)
        if (!atomic_exchange(&range->is_used, true)) return range;
    struct mapped_range *range = calloc(1, sizeof *range);
    if (!range) return NULL;
    atomic_store(&range->is_used, true);
    range->next = atomic_load(&ranges);
    while (!atomic_compare_exchange_weak(&ranges, &range->next, range)) continue;
    return range;
}

struct mapped_range *mapped_range_watch(void *start, size_t length) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, catch_bus_errors);
    struct mapped_range *range = unused_range();
    if (!range) return NULL;
    range->length = length;
    atomic_store(&range->is_lost, false);
    atomic_store(&range->start, (uintptr_t)start);
    return range;
}

bool mapped_range_is_lost(const struct mapped_range *range) { return atomic_load(&range->is_lost); }

void mapped_range_forget(struct mapped_range *range) {
    atomic_store(&range->start, 0);
    atomic_store(&range->is_used, false);
}

bool mapped_range_recover(void *address) {
    uintptr_t place = (uintptr_t)address;
    for (struct mapped_range *range = atomic_load(&ranges); range; range = range->next) {
        uintptr_t start = atomic_load(&range->start);
        if (start == 0 || place < start || place - start >= range->length) continue;
        int saved_errno = errno;
        uintptr_t page = place & ~(uintptr_t)(page_size - 1);
        // What lies behind this page is lost too, if the file was cut short.
        void *zeros = mmap(
            (void *)page, range->length - (page - start), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        errno = saved_errno;
        if (zeros == MAP_FAILED) return false;
        atomic_store(&range->is_lost, true);
        return true;
    }
    return false;
}
