#ifndef CALLOCATIONCOUNTER_H
#define CALLOCATIONCOUNTER_H

/// Heap allocations of the calling thread so far; -1 where they cannot be counted (only glibc without a sanitizer can).
long allocation_count(void);

#endif
