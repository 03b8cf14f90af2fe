#ifndef ALLOCATION_COUNTER_H
#define ALLOCATION_COUNTER_H

/// Calls of malloc and its kin by all threads of this process so far; -1 where they cannot be counted.
long allocation_count(void);

#endif
