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

typedef float processor_floats __attribute__((vector_size(64)));

/// The first `count` floats, 0 to 16, and those of `filler` in the other lanes.
static inline processor_floats processor_load_first(const float *p, long count, processor_floats filler) {
#ifdef __AVX512F__
    return __builtin_ia32_loadups512_mask(p, filler, (unsigned short)((1u << count) - 1));
#else
    float *lanes = (float *)&filler;
    if (count & 16) __builtin_memcpy(lanes, p, 64);
    if (count & 8) __builtin_memcpy(lanes, p, 32), lanes += 8, p += 8;
    if (count & 4) __builtin_memcpy(lanes, p, 16), lanes += 4, p += 4;
    if (count & 2) __builtin_memcpy(lanes, p, 8), lanes += 2, p += 2;
    if (count & 1) *lanes = *p;
    return filler;
#endif
}

/// Writes the first `count` lanes, 0 to 16.
static inline void processor_store_first(processor_floats vector, float *p, long count) {
#ifdef __AVX512F__
    __builtin_ia32_storeups512_mask(p, vector, (unsigned short)((1u << count) - 1));
#else
    const float *lanes = (const float *)&vector;
    if (count & 16) __builtin_memcpy(p, lanes, 64);
    if (count & 8) __builtin_memcpy(p, lanes, 32), lanes += 8, p += 8;
    if (count & 4) __builtin_memcpy(p, lanes, 16), lanes += 4, p += 4;
    if (count & 2) __builtin_memcpy(p, lanes, 8), lanes += 2, p += 2;
    if (count & 1) *p = *lanes;
#endif
}

typedef unsigned short processor_halfwords __attribute__((vector_size(32)));
typedef unsigned int processor_words __attribute__((vector_size(64)));

/// The first `count` numbers in bfloat16, 0 to 16, as floats; zeros in the other lanes.
static inline processor_floats processor_load_bf16(const unsigned short *p, long count) {
    processor_halfwords halves = {0};
    if (count == 16) {
        __builtin_memcpy(&halves, p, 32);
    } else {
        for (long lane = 0; lane < count; lane++) halves[lane] = p[lane];
    }
    return (processor_floats)(__builtin_convertvector(halves, processor_words) << 16);
}

/// Writes the first `count` lanes, 0 to 16, in bfloat16, cut off.
static inline void processor_store_bf16(processor_floats vector, unsigned short *p, long count) {
    processor_halfwords halves = __builtin_convertvector((processor_words)vector >> 16, processor_halfwords);
    if (count == 16) {
        __builtin_memcpy(p, &halves, 32);
    } else {
        for (long lane = 0; lane < count; lane++) p[lane] = halves[lane];
    }
}

#ifdef __AVX512BF16__
typedef __bf16 processor_bf16s __attribute__((vector_size(64)));

/// sum + the products of two pairs of bfloat16 in each lane of 32 bits: first of the high halves, then of the low ones, each
/// addition rounded to nearest, subnormals taken for zero. (Swift does not import vectors of bfloat16.)
static inline processor_floats processor_dot_bf16(processor_floats sum, processor_floats x, processor_floats y) {
    return __builtin_ia32_dpbf16ps_512(sum, (processor_bf16s)x, (processor_bf16s)y);
}

typedef short processor_shorts __attribute__((vector_size(64)));

/// Rounds two vectors to bfloat16, to nearest with ties to even, subnormals to zero: the first fills the high half of each 32 bits.
static inline processor_floats processor_bf16_interleaved(processor_floats x, processor_floats y) {
    processor_shorts both = (processor_shorts)__builtin_ia32_cvtne2ps2bf16_512(x, y);
    return (processor_floats)__builtin_shufflevector(
        both, both, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14,
        30, 15, 31);
}

/// Rounds 32 values that follow one another to bfloat16, as `processor_bf16_interleaved` does; of each two the first fills the
/// high half of 32 bits.
static inline processor_floats processor_bf16_pairs(processor_floats x, processor_floats y) {
    processor_shorts both = (processor_shorts)__builtin_ia32_cvtne2ps2bf16_512(y, x);
    return (processor_floats)__builtin_shufflevector(
        both, both, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14, 17, 16, 19, 18, 21, 20, 23, 22, 25, 24, 27, 26, 29,
        28, 31, 30);
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
