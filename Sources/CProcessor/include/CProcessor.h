#ifndef CPROCESSOR_H
#define CPROCESSOR_H

#include <stdbool.h>

/// What Swift cannot tell the processor or ask it: these are compiler builtins, which Swift does not import. (XGETBV tells
/// whether the operating system saves the wide registers.)

/// AVX2 and FMA, usable in this process.
bool processor_has_avx2(void);

/// AVX-512 F, usable in this process.
bool processor_has_avx512f(void);

/// AVX-512 F, BW, DQ, VL and VNNI, usable in this process.
bool processor_has_avx512(void);

/// AVX-512 FP16 as well, usable in this process.
bool processor_has_avx512fp16(void);

/// Tells the core that the caller is spinning.
static inline void processor_spin_hint(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/// Fetches the cache line at an address that will be needed soon. Any address is allowed.
static inline void processor_prefetch(const void *address) { __builtin_prefetch(address, 0, 3); }

/// The same into the second-level cache, for what will be needed a little later.
static inline void processor_prefetch_far(const void *address) { __builtin_prefetch(address, 0, 2); }

#endif
