#ifndef CPROCESSOR_H
#define CPROCESSOR_H

#include <stdbool.h>

/// What Swift cannot ask the processor by itself: XGETBV, which tells whether the operating system saves the wide
/// registers, is a compiler builtin that Swift does not import.

/// AVX2 and FMA, usable in this process.
bool processor_has_avx2(void);

/// AVX-512 F, BW, DQ and VL, usable in this process.
bool processor_has_avx512(void);

/// Tells the core that the caller is spinning.
static inline void processor_spin_hint(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#endif
