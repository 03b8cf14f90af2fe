#ifndef CALLOCATIONCOUNTER_H
#define CALLOCATIONCOUNTER_H

/// Heap allocations of the calling thread so far; -1 where they cannot be counted (only glibc without a sanitizer can).
long allocation_count(void);

/// The same for all threads of the process together.
long process_allocation_count(void);

#endif
