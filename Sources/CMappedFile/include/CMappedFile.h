// Files mapped into memory that may become shorter while they are read.

#ifndef CMAPPEDFILE_H
#define CMAPPEDFILE_H

#include <stdbool.h>
#include <stddef.h>

/// A range of memory that a file is mapped to.
struct mapped_range;

/// From now on, where the file behind the range can't be read (it was cut short, or its disk fails), the range reads as
/// zeros and is marked as lost, instead of the process ending with SIGBUS. `start` must be at the beginning of a page.
/// Returns NULL if memory is short.
struct mapped_range *mapped_range_watch(void *start, size_t length);

/// Whether some of the range could not be read.
bool mapped_range_is_lost(const struct mapped_range *range);

/// To be called before the range is unmapped.
void mapped_range_forget(struct mapped_range *range);

/// For whoever takes SIGBUS over later: if the address lies in a watched range, makes it readable, marks the range as
/// lost and returns true; the instruction can then be run again. Can be called in a signal handler.
bool mapped_range_recover(void *address);

#endif
