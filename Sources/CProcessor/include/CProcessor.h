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

/// AVX-512 F, BW, DQ, VL, VNNI and BF16, usable in this process.
bool processor_has_avx512bf16(void);

/// VDPBF16PS is known to be worth its while. It was measured on Zen 5 alone, at twice FP32's rate, and is taken to be so on all of
/// AMD's processors; for Intel's half FP32's rate is reported.
bool processor_has_fast_bf16(void);

#ifdef __AVX512BF16__
typedef float processor_floats __attribute__((vector_size(64)));
typedef __bf16 processor_bf16s __attribute__((vector_size(64)));

/// sum + the products of two pairs of bfloat16 in each lane of 32 bits: first of the high halves, then of the low ones, each
/// addition rounded to nearest, subnormals taken for zero. (Swift does not import vectors of bfloat16.)
static inline processor_floats processor_dot_bf16(processor_floats sum, processor_floats x, processor_floats y) {
    return __builtin_ia32_dpbf16ps_512(sum, (processor_bf16s)x, (processor_bf16s)y);
}
#endif

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
