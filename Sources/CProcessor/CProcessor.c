#include "CProcessor.h"

#if defined(__x86_64__)
#include <cpuid.h>

bool processor_has_avx2(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

bool processor_has_avx512f(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f");
}

bool processor_has_avx512(void) {
    return processor_has_avx2() && processor_has_avx512f() && __builtin_cpu_supports("avx512bw")
        && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")
        && __builtin_cpu_supports("avx512vnni");
}

bool processor_has_avx512fp16(void) {
    // Not every compiler's __builtin_cpu_supports knows this feature: CPUID leaf 7, EDX bit 23. XGETBV was asked above.
    unsigned eax, ebx, ecx, edx;
    return processor_has_avx512() && __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (edx >> 23 & 1);
}

bool processor_has_avx512bf16(void) {
    // CPUID leaf 7, subleaf 1, EAX bit 5.
    unsigned eax, ebx, ecx, edx;
    return processor_has_avx512() && __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) && (eax >> 5 & 1);
}

bool processor_has_fast_bf16(void) {
    return processor_has_avx512bf16() && __builtin_cpu_is("amd");
}
#else
bool processor_has_avx2(void) { return false; }
bool processor_has_avx512f(void) { return false; }
bool processor_has_avx512(void) { return false; }
bool processor_has_avx512fp16(void) { return false; }
bool processor_has_avx512bf16(void) { return false; }
bool processor_has_fast_bf16(void) { return false; }
#endif
